/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/forward.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "flow/close.h"
#include "flow/handoff.h"
#include "flow/post.h"
#include "flow/turn.h"
#include "flow/way.h"
#include "flow/worker.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

#define PACE_MS 4
#define PACE_MS_MAX 64
/* How long a peer may leave the last bytes unread. */
#define FLUSH_MS 30000
#define CONTROL_MAX 2048

static const uint8_t close_notify[2] = {TLS_ALERT_WARNING,
					TLS_ALERT_CLOSE_NOTIFY};
static const uint8_t key_update[TLS_KEY_UPDATE_SIZE] = TLS_KEY_UPDATE_BYTES;

static void pump(struct conn *conn, struct lane *lane);

static struct conn *lane_conn(struct lane *lane)
{
	/* Which lane it is decides where the connection begins. */
	return lane->index == LANE_DOWN_UP
		       ? list_entry(lane, struct conn, lanes[LANE_DOWN_UP])
		       : list_entry(lane, struct conn, lanes[LANE_UP_DOWN]);
}

/* Comes back to pump() later, each time a little later. */
static void pace(struct conn *conn, struct lane *lane)
{
	uint64_t wait_ms = PACE_MS << (lane->paces < 4 ? lane->paces : 4);

	lane->paces++;
	timer_arm(&conn->worker->wheel, &lane->pace,
		  conn->worker->now_ms + wait_ms);
}

static void paced(struct timer *timer)
{
	struct lane *lane = list_entry(timer, struct lane, pace);

	pump(lane_conn(lane), lane);
}

static enum conn_reason reset_by(const struct side *side)
{
	return side->is_up ? CONN_RESET_BY_UP : CONN_RESET_BY_DOWN;
}

static void moved(struct conn *conn, struct lane *lane)
{
	conn->active_ms = conn->worker->now_ms;
	lane->paces = 0;
}

/* ---- sending */

static void sent(struct op *op, int res, unsigned int flags)
{
	struct lane *lane = list_entry(op, struct lane, send);
	struct conn *conn = lane_conn(lane);

	(void)flags;
	if (conn->stage == WAY_CLOSE) {
		if (res > 0)
			lane->out_at += (uint32_t)res;
		close_continue(conn);
		return;
	}
	if (res < 0) {
		struct side *to = lane_to(conn, lane);

		err_set(&conn->err, -res, "send: %s", strerror(-res));
		conn_end(conn, reset_by(to));
		return;
	}
	moved(conn, lane);
	lane->out_at += (uint32_t)res;
	if (lane->out_at == lane->out_end) {
		buf_give(&conn->worker->bufs, lane->out);
		lane->out = NULL;
	}
	pump(conn, lane);
}

static void send_out(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	size_t size = lane->out_end - lane->out_at;

	ring_send(&conn->worker->ring, &lane->send, to->fd,
		  lane->out + lane->out_at, size);
}

/* One record of the kernel engine that is not data: it goes at once, or
 * later when the socket has room. */
static bool send_control(struct conn *conn, struct lane *lane, uint8_t type,
			 const uint8_t *content, size_t size)
{
	struct side *to = lane_to(conn, lane);
	int r = engine_kernel_send(to->fd, type, content, size);

	if (!r)
		return true;
	if (r == -EAGAIN) {
		pace(conn, lane);
		return false;
	}
	err_set(&conn->err, -r, "send: %s", strerror(-r));
	conn_end(conn, reset_by(to));
	return false;
}

/* ---- keys */

static bool rekey_user(struct conn *conn, struct lane *lane)
{
	int r = turn_key_update(conn, lane);

	if (r)
		conn_end(conn, r == -ENOMEM ? CONN_NO_MEMORY : CONN_INTERNAL);
	return r == 0;
}

static bool rekey_kernel(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	int r;

	if (!send_control(conn, lane, TLS_RECORD_HANDSHAKE, key_update,
			  sizeof(key_update)))
		return false;
	r = tls_direction_next(&to->tls->tx, &conn->err);
	if (!r)
		r = engine_kernel_install(to->fd, ENGINE_KERNEL_TX,
					  &to->tls->tx);
	if (r) {
		/* The peer waits for a key that this socket cannot have. */
		err_set(&conn->err, -r, "rekey: %s", strerror(-r));
		conn_end(conn, CONN_INTERNAL);
		return false;
	}
	to->counters->key_update_tx++;
	return true;
}

static bool exhausted(struct conn *conn, struct side *to)
{
	if (!turn_exhausted(conn, to))
		return false;
	if (to->tls->tx.version == TLS_VERSION_13 &&
	    (to->tls->tx_engine == ENGINE_USER ||
	     conn->worker->plan->kernel_rekey))
		return false;
	to->counters->aead_limit++;
	err_set(&conn->err, EKEYEXPIRED,
		"the key has reached its limit, and cannot be renewed here");
	conn_end_with(conn, CONN_AEAD_LIMIT, to, 0);
	return true;
}

/*
 * What the sending direction owes at a record boundary: moving to the
 * kernel, its next key. false: the connection ends, or waits.
 */
static bool settle(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	struct side_tls *tls = to->tls;
	bool done;

	if (!tls || lane->phase >= LANE_NOTIFYING)
		return true;
	if (tls->tx_to_kernel && handoff_move(conn, to, true))
		return false;
	if (exhausted(conn, to))
		return false;
	if (!tls->key_update_due && !turn_exhausted(conn, to))
		return true;
	done = tls->tx_engine == ENGINE_USER ? rekey_user(conn, lane)
					     : rekey_kernel(conn, lane);
	if (done)
		tls->key_update_due = false;
	return done;
}

/* ---- the end of a lane */

static void ended(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);

	shutdown(to->fd, SHUT_WR);
	to->fin_sent = true;
	lane->phase = LANE_ENDED;
	if (conn->lanes[LANE_DOWN_UP].phase != LANE_ENDED ||
	    conn->lanes[LANE_UP_DOWN].phase != LANE_ENDED)
		return;
	conn->reason = conn->lanes[LANE_DOWN_UP].truncated ||
				       conn->lanes[LANE_UP_DOWN].truncated
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
	send_out(conn, lane);
}

/* The kernel may hold a record that SIOCOUTQ does not count and a FIN would
 * overtake; once all else is acknowledged there is room for it, and the
 * close_notify pushes it out. */
static void notify_kernel(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	int unsent = 0;

	if (ioctl(to->fd, SIOCOUTQ, &unsent) != 0) {
		err_set(&conn->err, errno, "SIOCOUTQ: %s", strerror(errno));
		conn_end(conn, reset_by(to));
		return;
	}
	if (unsent) {
		if (conn->worker->now_ms - conn->active_ms > FLUSH_MS)
			conn_end(conn, CONN_FLUSH_TIMEOUT);
		else
			pace(conn, lane);
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
		pace(conn, lane);
		return;
	}
	if (!send_control(conn, lane, TLS_RECORD_ALERT, close_notify,
			  sizeof(close_notify)))
		return;
	lane->phase = LANE_NOTIFYING;
	lane->paces = 0;
	notify_kernel(conn, lane);
}

static void finish(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);

	if (to->tls && to->tls->tx_engine == ENGINE_KERNEL)
		notify_kernel(conn, lane);
	else if (to->tls && lane->phase == LANE_EOF && !lane->truncated)
		notify_user(conn, lane);
	else
		ended(conn, lane);
}

static void source_ended(struct conn *conn, struct lane *lane, bool notified)
{
	struct side *from = lane_from(conn, lane);

	if (from->tls && !notified) {
		lane->truncated = true;
		from->counters->truncated++;
	}
	lane->phase = LANE_EOF;
	lane->paces = 0;
}

/* ---- receiving */

/* A record that is not data stands first in the kernel engine's queue. */
static void receive_control(struct conn *conn, struct lane *lane)
{
	struct side *from = lane_from(conn, lane);
	uint8_t content[CONTROL_MAX];
	uint8_t type;
	ssize_t size = engine_kernel_receive(from->fd, content, sizeof(content),
					     &type);
	enum post_verdict verdict;

	if (size < 0 && size != -EAGAIN) {
		from->counters->bad_record++;
		from->counters->ssl_connection_error++;
		err_set(&conn->err, (int)-size, "receive: %s",
			strerror((int)-size));
		conn_end(conn, CONN_BAD_RECORD);
		return;
	}
	if (size < 0 || (type == TLS_RECORD_DATA && size == 0)) {
		pump(conn, lane);
		return;
	}
	verdict = post_record(conn, from, type, content, (size_t)size);
	if (verdict == POST_ENDED)
		return;
	if (verdict == POST_REKEY && !turn_rekey_rx(conn, from))
		return;
	if (verdict == POST_CLOSED)
		source_ended(conn, lane, true);
	pump(conn, lane);
	/* Our own KeyUpdate, if one was asked for, goes out by the other
	 * lane. */
	if (conn->stage != WAY_CLOSE && from->tls->key_update_due)
		pump(conn, conn_lane_to(conn, from));
}

static void receive_failed(struct conn *conn, struct lane *lane, int error)
{
	struct side *from = lane_from(conn, lane);

	if (error == ENOBUFS) {
		conn->listener->row->buffer_wait++;
		pace(conn, lane);
		return;
	}
	if (from->tls && from->tls->rx_engine == ENGINE_KERNEL) {
		if (error == EIO) {
			receive_control(conn, lane);
			return;
		}
		if (error == EBADMSG || error == EMSGSIZE || error == EINVAL) {
			from->counters->bad_record++;
			from->counters->ssl_connection_error++;
			err_set(&conn->err, error,
				"a record that the kernel refuses: %s",
				strerror(error));
			conn_end_with(conn,
				      error == EMSGSIZE ? CONN_RECORD_OVERFLOW
							: CONN_BAD_RECORD,
				      from,
				      error == EMSGSIZE
					      ? TLS_ALERT_RECORD_OVERFLOW
					      : TLS_ALERT_BAD_RECORD_MAC);
			return;
		}
	}
	err_set(&conn->err, error, "receive: %s", strerror(error));
	conn_end(conn, reset_by(from));
}

static void take_input(struct conn *conn, struct lane *lane, int res,
		       unsigned int flags)
{
	struct side *from = lane_from(conn, lane);

	if (flags & IORING_CQE_F_BUFFER) {
		uint8_t *buf = buf_claim(&conn->worker->bufs, flags);

		assert(!lane->in);
		lane->in = buf;
		lane->in_at = lane->in_end = 0;
	}
	if (res > 0) {
		moved(conn, lane);
		lane->in_end += (uint32_t)res;
		return;
	}
	/* The end; a record that was cut short went with it. */
	buf_give(&conn->worker->bufs, lane->in);
	lane->in = NULL;
	from->fin_seen = true;
	source_ended(conn, lane, false);
}

static void received(struct op *op, int res, unsigned int flags)
{
	struct lane *lane = list_entry(op, struct lane, recv);
	struct conn *conn = lane_conn(lane);
	struct side *from = lane_from(conn, lane);

	if (conn->stage == WAY_CLOSE) {
		if (flags & IORING_CQE_F_BUFFER)
			buf_give(&conn->worker->bufs,
				 buf_claim(&conn->worker->bufs, flags));
		close_continue(conn);
		return;
	}
	if (res < 0) {
		if (flags & IORING_CQE_F_BUFFER)
			buf_give(&conn->worker->bufs,
				 buf_claim(&conn->worker->bufs, flags));
		receive_failed(conn, lane, -res);
		return;
	}
	take_input(conn, lane, res, flags);
	if (res > 0 && from->tls && from->tls->rx_engine == ENGINE_KERNEL &&
	    post_data(conn, from, (size_t)res) == POST_ENDED)
		return;
	pump(conn, lane);
}

static void receive(struct conn *conn, struct lane *lane)
{
	struct ring *ring = &conn->worker->ring;
	struct side *from = lane_from(conn, lane);
	struct side_tls *tls = from->tls;
	size_t room;

	if (lane->recv.armed)
		return;
	if (!lane->in && tls && tls->rx_to_kernel &&
	    handoff_move(conn, from, false))
		return;
	if (!lane->in) {
		ring_recv_select(ring, &lane->recv, from->fd, BUF_GROUP);
		return;
	}
	room = tls->rx_to_kernel ? turn_record_rest(conn, lane)
				 : BUF_RECV_SIZE - lane->in_end;
	ring_recv(ring, &lane->recv, from->fd, lane->in + lane->in_end, room);
}

/* ---- the lane */

/* Turns input to output. false: the connection is ending. */
static bool process(struct conn *conn, struct lane *lane, bool *ret_more)
{
	struct side *from = lane_from(conn, lane);
	uint64_t before = lane->bytes;
	enum turn_result result = turn(conn, lane);

	if (result == TURN_ENDED)
		return false;
	if (from->is_up) {
		conn->listener->row->tx_bytes += lane->bytes - before;
		conn->cluster->row->rx_bytes += lane->bytes - before;
	} else {
		conn->listener->row->rx_bytes += lane->bytes - before;
		conn->cluster->row->tx_bytes += lane->bytes - before;
	}
	if (result == TURN_CLOSED)
		source_ended(conn, lane, true);
	*ret_more = result != TURN_NEED;
	if (from->tls && from->tls->key_update_due) {
		pump(conn, conn_lane_to(conn, from));
		return conn->stage != WAY_CLOSE;
	}
	return true;
}

/* Whether in holds what has not been looked at yet. */
static bool fresh_input(const struct lane *lane)
{
	return lane->in && lane->in_end > lane->in_seen;
}

/* Does the next thing that a lane can do, until it must wait. */
static void pump(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	bool more;

	while (conn->stage != WAY_CLOSE && lane->phase != LANE_ENDED &&
	       !lane->send.armed) {
		if (timer_armed(&lane->pace))
			timer_cancel(&conn->worker->wheel, &lane->pace);
		if (lane->out) {
			send_out(conn, lane);
			return;
		}
		if (!settle(conn, lane))
			return;
		if (lane->out)
			continue;
		if (lane->phase == LANE_OPEN && !lane->recv.armed &&
		    fresh_input(lane)) {
			if (!process(conn, lane, &more))
				return;
			lane->in_seen = lane->in ? lane->in_end : 0;
			if (more && to->tls && lane->out &&
			    to->tls->tx_engine == ENGINE_KERNEL)
				turn_count_kernel(to->tls,
						  lane->out_end - lane->out_at);
			continue;
		}
		if (lane->phase != LANE_OPEN) {
			finish(conn, lane);
			return;
		}
		receive(conn, lane);
		return;
	}
}

void lane_init(struct lane *lane, uint8_t index)
{
	lane->index = index;
	op_init(&lane->recv, received);
	op_init(&lane->send, sent);
	timer_init(&lane->pace, paced);
}

void lane_fini(struct conn *conn, struct lane *lane)
{
	struct bufs *bufs = &conn->worker->bufs;

	assert(!lane->recv.armed && !lane->send.armed);
	timer_cancel(&conn->worker->wheel, &lane->pace);
	buf_give(bufs, lane->in);
	buf_give(bufs, lane->out);
	lane->in = lane->out = NULL;
}

void forward_enter(struct conn *conn)
{
	struct worker *worker = conn->worker;
	uint32_t idle_ms = conn->listener->config->idle_timeout_ms;

	conn->active_ms = worker->now_ms;
	if (idle_ms)
		timer_arm(&worker->wheel, &conn->timer,
			  worker->now_ms + idle_ms);
	pump(conn, &conn->lanes[LANE_DOWN_UP]);
	if (conn->stage != WAY_CLOSE)
		pump(conn, &conn->lanes[LANE_UP_DOWN]);
}

void forward_deadline(struct conn *conn)
{
	struct worker *worker = conn->worker;
	uint64_t due_ms =
		conn->active_ms + conn->listener->config->idle_timeout_ms;

	if (worker->now_ms < due_ms) {
		timer_arm(&worker->wheel, &conn->timer, due_ms);
		return;
	}
	conn->listener->row->idle_timeout++;
	conn_end(conn, CONN_IDLE_TIMEOUT);
}
