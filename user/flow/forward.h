/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward: two lanes, each receive, turn, send, until its end.
 *
 * A lane holds buffers only while it has bytes: an idle one holds none. It
 * receives again only when all it had is sent, so a reader that stops costs
 * at most two buffers and what the sockets hold.
 */
#ifndef MILLRACE_FLOW_FORWARD_H
#define MILLRACE_FLOW_FORWARD_H

#include "flow/conn.h"

void forward_enter(struct conn *conn);
void forward_deadline(struct conn *conn);

/* Sets up what conn_new() makes of a lane. */
void lane_init(struct lane *lane, uint8_t index);

/* Gives back what the lane holds; nothing of it is in flight. */
void lane_fini(struct conn *conn, struct lane *lane);

#endif
