/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * access_line: what a connection was, as one line of the access log.
 */
#ifndef MILLRACE_FLOW_ACCESS_LINE_H
#define MILLRACE_FLOW_ACCESS_LINE_H

#include <stdbool.h>

#include "flow/conn.h"

/* Puts the line of one that ended into its worker's lane; counts it when it
 * is dropped. False when its configuration has no access log. */
bool access_line_put(const struct conn *conn);

#endif
