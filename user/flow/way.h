/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * way: the order of the stages, and nothing else. A stage calls way_next()
 * when it is done and knows neither its neighbours nor the order.
 */
#ifndef MILLRACE_FLOW_WAY_H
#define MILLRACE_FLOW_WAY_H

#include "flow/conn.h"

/* The caller must not touch the connection afterwards. */
void way_next(struct conn *conn);

/* The stage's deadline has passed. */
void way_deadline(struct conn *conn);

#endif
