/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial: choose an endpoint, connect, shake hands where the cluster is TLS.
 *
 * Endpoints are taken in turn; one that refuses or times out is passed over
 * for the next. When none is left, or TLS fails, the caller is reset.
 */
#ifndef MILLRACE_FLOW_DIAL_H
#define MILLRACE_FLOW_DIAL_H

#include "flow/conn.h"

void dial_enter(struct conn *conn);
void dial_deadline(struct conn *conn);

#endif
