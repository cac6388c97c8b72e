/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dial: choose an endpoint, connect, shake hands where the cluster is TLS.
 *
 * Endpoints are taken in turn; one that refuses or times out is passed over
 * for the next. Where they go by a name that was not yet looked up, the
 * connection waits for the answer, connect_timeout at most. When none is left,
 * or TLS fails, the caller is reset.
 */
#ifndef MILLRACE_FLOW_DIAL_H
#define MILLRACE_FLOW_DIAL_H

#include "flow/conn.h"

void dial_enter(struct conn *conn);

/* Goes on with those that wait for a name's first addresses. */
void dial_resume(struct worker *worker);

void dial_deadline(struct conn *conn);

#endif
