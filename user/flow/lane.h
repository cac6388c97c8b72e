/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane: what a lane does at its sending end: bytes, control records, and how
 * it ends. What it forwards, and when, is forward.c's.
 *
 * Each may end the connection; the caller then touches it no more.
 */
#ifndef MILLRACE_FLOW_LANE_H
#define MILLRACE_FLOW_LANE_H

#include "flow/conn.h"

/* Comes back to the lane later, each time in a row a little later. */
void lane_pace(struct conn *conn, struct lane *lane);

/* Sends what out holds; lane->send completes. */
void lane_send(struct conn *conn, struct lane *lane);

/* One record of the kernel engine that is not data. false: the socket has no
 * room, and the lane is paced; or the connection is ending. */
bool lane_send_control(struct conn *conn, struct lane *lane, uint8_t type,
		       const uint8_t *content, size_t size);

enum conn_reason lane_reset_by(const struct side *side);

/* The lane's source has ended; notified: by close_notify. */
void lane_source_ended(struct conn *conn, struct lane *lane, bool notified);

/*
 * The lane takes no more. When lane_finish() has done its work the
 * connection ends for this reason, its other side reset.
 */
void lane_end_in_order(struct lane *lane, enum conn_reason reason);

/* The source has ended and all is sent: close_notify, FIN, and, with the
 * second lane, the connection's end. Called again until then. */
void lane_finish(struct conn *conn, struct lane *lane);

#endif
