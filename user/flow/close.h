/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * close: stop, join (every completion is back), say goodbye, linger until
 * the peer has read it, release, one log line.
 */
#ifndef MILLRACE_FLOW_CLOSE_H
#define MILLRACE_FLOW_CLOSE_H

#include "flow/conn.h"

void close_enter(struct conn *conn);
void close_deadline(struct conn *conn);

/* A completion came back to a connection in this stage. */
void close_continue(struct conn *conn);

#endif
