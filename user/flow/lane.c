/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/lane.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "flow/turn.h"
#include "flow/way.h"
#include "flow/worker.h"
#include "io/sock.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

#define PACE_MS 4
/* How long a peer may leave the last bytes unread. */
#define FLUSH_MS 30000

static const uint8_t close_notify[2] = {TLS_ALERT_WARNING,
					TLS_ALERT_CLOSE_NOTIFY};

void lane_pace(struct conn *conn, struct lane *lane)
{
	uint64_t wait_ms = PACE_MS << (lane->paces < 4 ? lane->paces : 4);

	lane->paces++;
	timer_arm(&conn->worker->wheel, &lane->pace,
		  conn->worker->now_ms + wait_ms);
}

enum conn_reason lane_reset_by(const struct side *side)
{
	return side->is_up ? CONN_RESET_BY_UP : CONN_RESET_BY_DOWN;
}

void lane_send(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	size_t size = lane->out_end - lane->out_at;

	ring_send(&conn->worker->ring, &lane->send, to->fd,
		  lane->out + lane->out_at, size);
}

bool lane_send_control(struct conn *conn, struct lane *lane, uint8_t type,
		       const uint8_t *content, size_t size)
{
	struct side *to = lane_to(conn, lane);
	int r = engine_kernel_send(to->fd, type, content, size);

	if (!r)
		return true;
	if (r == -EAGAIN) {
		lane_pace(conn, lane);
		return false;
	}
	err_set(conn_words(conn), -r, "send: %s", strerror(-r));
	conn_end(conn, lane_reset_by(to));
	return false;
}

void lane_source_ended(struct conn *conn, struct lane *lane, bool notified)
{
	struct side *from = lane_from(conn, lane);

	if (from->tls && !notified) {
		lane->truncated = true;
		/* Many servers do not answer a close_notify: nothing is amiss
		 * then, though nobody can vouch for the end either. */
		lane->unanswered =
			conn_lane_to(conn, from)->phase >= LANE_NOTIFYING;
		if (lane->unanswered)
			from->counters->close_unanswered++;
		else
			from->counters->truncated++;
	}
	conn->up_left = conn->up_left || (from->is_up && !from->fin_sent);
	lane->phase = LANE_EOF;
	lane->paces = 0;
}

void lane_end_in_order(struct lane *lane, enum conn_reason reason)
{
	lane->reason = (uint8_t)reason;
	if (lane->phase == LANE_OPEN)
		lane->phase = LANE_EOF;
	lane->paces = 0;
}

static bool cut_short(const struct lane *lane)
{
	return lane->truncated && !lane->unanswered;
}

static void ended(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);

	shutdown(to->fd, SHUT_WR);
	to->fin_sent = true;
	lane->phase = LANE_ENDED;
	if (lane->reason) {
		conn_end(conn, (enum conn_reason)lane->reason);
		return;
	}
	if (conn->lanes[LANE_DOWN_UP].phase != LANE_ENDED ||
	    conn->lanes[LANE_UP_DOWN].phase != LANE_ENDED)
		return;
	conn->reason = cut_short(&conn->lanes[LANE_DOWN_UP]) ||
				       cut_short(&conn->lanes[LANE_UP_DOWN])
			       ? CONN_TRUNCATED
			       : CONN_DONE;
	way_next(conn);
}

static void notify_user(struct conn *conn, struct lane *lane)
{
	int r = turn_control(conn, lane, TLS_RECORD_ALERT, close_notify,
			     sizeof(close_notify));

	if (r) {
		conn_end(conn, r == -ENOMEM ? CONN_NO_MEMORY : CONN_INTERNAL);
		return;
	}
	lane->phase = LANE_NOTIFYING;
	/* The FIN comes right behind it, and in the same segment. */
	ring_send_more(&conn->worker->ring, &lane->send,
		       lane_to(conn, lane)->fd, lane->out, lane->out_end);
}

/* The kernel may hold a record that SIOCOUTQ does not count and a FIN would
 * overtake; once all else is acknowledged there is room for it, and the
 * close_notify pushes it out. */
static void notify_kernel(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	uint32_t unsent;
	int r = sock_unsent(to->fd, &unsent);

	/* All that went before the close_notify was acknowledged; many peers
	 * do not wait for that one, and reset when it comes. */
	if (r && lane->phase == LANE_NOTIFYING && !lane->truncated) {
		ended(conn, lane);
		return;
	}
	if (r) {
		err_set(conn_words(conn), -r, "flush: %s", strerror(-r));
		conn_end(conn, lane_reset_by(to));
		return;
	}
	if (unsent) {
		if (conn->worker->now_ms - conn->active_ms > FLUSH_MS)
			conn_end(conn, CONN_FLUSH_TIMEOUT);
		else
			lane_pace(conn, lane);
		return;
	}
	if (lane->phase == LANE_NOTIFYING) {
		ended(conn, lane);
		return;
	}
	/* A truncated stream stays one: no close_notify vouches for it. Its
	 * held-back record has until the next look to go out. */
	if (lane->truncated) {
		lane->phase = LANE_NOTIFYING;
		lane_pace(conn, lane);
		return;
	}
	if (!lane_send_control(conn, lane, TLS_RECORD_ALERT, close_notify,
			       sizeof(close_notify)))
		return;
	lane->phase = LANE_NOTIFYING;
	lane->paces = 0;
	notify_kernel(conn, lane);
}

void lane_finish(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);

	if (to->tls && to->tls->tx_engine == ENGINE_KERNEL)
		notify_kernel(conn, lane);
	else if (to->tls && lane->phase == LANE_EOF && !lane->truncated)
		notify_user(conn, lane);
	else
		ended(conn, lane);
}
