/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shake: receive, OpenSSL, send, until a side's handshake is done.
 *
 * The stage is the listener's side; the dial stage uses shake_begin() for
 * the cluster's.
 */
#ifndef MILLRACE_FLOW_SHAKE_H
#define MILLRACE_FLOW_SHAKE_H

#include "flow/conn.h"

void shake_enter(struct conn *conn);
void shake_deadline(struct conn *conn);

/*
 * Drives side->handshake, which the caller made, until it is done and all of
 * it is sent: then way_next(); or the connection ends.
 */
void shake_begin(struct conn *conn, struct side *side);

#endif
