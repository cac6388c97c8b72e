/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/forward.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "flow/close.h"
#include "flow/handoff.h"
#include "flow/lane.h"
#include "flow/post.h"
#include "flow/rekey.h"
#include "flow/turn.h"
#include "flow/way.h"
#include "flow/worker.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

#define CONTROL_MAX 2048
/* A receive of so much is likely to be followed by another. */
#define EAGER_SIZE 32768
/* A stream: so much came one way, and nothing the other. */
#define STREAM_RUN 262144
/* Where a receive brings less, waiting for others costs less than a turn. */
#define STREAM_PIECE 98304
#define GATHER_US 100

static void pump(struct conn *conn, struct lane *lane);

static struct conn *lane_conn(struct lane *lane)
{
	/* Which lane it is decides where the connection begins. */
	return lane->index == LANE_DOWN_UP
		       ? list_entry(lane, struct conn, lanes[LANE_DOWN_UP])
		       : list_entry(lane, struct conn, lanes[LANE_UP_DOWN]);
}

static void paced(struct timer *timer)
{
	struct lane *lane = list_entry(timer, struct lane, pace);

	pump(lane_conn(lane), lane);
}

static void moved(struct conn *conn, struct lane *lane)
{
	conn->active_ms = conn->worker->now_ms;
	lane->paces = 0;
}

/* ---- sending */

static void taken(struct conn *conn, struct lane *lane, int res)
{
	lane->out_at += (uint32_t)res;
	if (lane->out_at < lane->out_end)
		return;
	buf_give(&conn->worker->bufs, lane->out);
	lane->out = NULL;
}

static void sent(struct op *op, int res, unsigned int flags)
{
	struct lane *lane = list_entry(op, struct lane, send);
	struct conn *conn = lane_conn(lane);

	(void)flags;
	if (conn->stage == WAY_CLOSE) {
		/* What is left of out forbids an alert behind it. */
		if (res > 0)
			taken(conn, lane, res);
		close_continue(conn);
		return;
	}
	if (res < 0) {
		struct side *to = lane_to(conn, lane);

		err_set(conn_words(conn), -res, "send: %s", strerror(-res));
		conn_end(conn, lane_reset_by(to));
		return;
	}
	moved(conn, lane);
	taken(conn, lane, res);
	pump(conn, lane);
}

/*
 * What the sending direction owes at a record boundary: moving to the
 * kernel, its next key. false: the connection ends, or waits.
 */
static bool settle(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);

	if (!to->tls || lane->phase >= LANE_NOTIFYING)
		return true;
	if (to->tls->tx_to_kernel && handoff_move(conn, to, true))
		return false;
	return rekey_tx(conn, lane);
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
		err_set(conn_words(conn), (int)-size, "receive: %s",
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
	if (verdict == POST_REKEY && !rekey_rx(conn, lane)) {
		pump(conn, conn_lane_to(conn, from));
		return;
	}
	if (verdict == POST_CLOSED)
		lane_source_ended(conn, lane, true);
	pump(conn, lane);
	/* Our own KeyUpdate, if one was asked for, goes out by the other
	 * lane. */
	if (conn->stage != WAY_CLOSE && from->tls->key_update_due)
		pump(conn, conn_lane_to(conn, from));
}

/* A receive that did not wait is back. false: nothing was there. */
static bool took(struct conn *conn, struct lane *lane, int res)
{
	lane->trying = false;
	if (res > 0)
		return true;
	buf_give(&conn->worker->bufs, lane->in);
	lane->in = NULL;
	lane->eager = false;
	if (res != -EAGAIN)
		return true;
	pump(conn, lane);
	return false;
}

/*
 * While much comes, the buffer that was used last is used again: it is still
 * in the cache, where those of the ring's group, which go round, are not. A
 * receive that waits would hold it for as long as it waits: this one does not.
 */
static bool try_receive(struct conn *conn, struct lane *lane)
{
	lane->in = buf_take(&conn->worker->bufs);
	if (!lane->in)
		return false;
	lane->in_at = lane->in_end = 0;
	lane->trying = true;
	ring_recv_now(&conn->worker->ring, &lane->recv,
		      lane_from(conn, lane)->fd, lane->in, BUF_RECV_SIZE);
	return true;
}

/* So much was there at once that the ring's group ran dry. A buffer of the
 * lane's own is held no longer than in try_receive(), since there is
 * something to receive; only where memory is short somebody must wait. */
static void no_buffer(struct conn *conn, struct lane *lane, bool tried)
{
	conn->listener->row->buffer_wait++;
	if (tried || !try_receive(conn, lane))
		lane_pace(conn, lane);
}

static void receive_failed(struct conn *conn, struct lane *lane, int error,
			   bool tried)
{
	struct side *from = lane_from(conn, lane);

	if (error == ENOBUFS) {
		no_buffer(conn, lane, tried);
		return;
	}
	if (from->tls && from->tls->rx_engine == ENGINE_KERNEL) {
		if (error == EIO) {
			receive_control(conn, lane);
			return;
		}
		/* The first piece of a KeyUpdate; the rest is yet to come. */
		if (error == EKEYEXPIRED && from->tls->post.header_size &&
		    !engine_kernel_go_on(from->fd)) {
			pump(conn, lane);
			return;
		}
		if (error == EBADMSG || error == EMSGSIZE || error == EINVAL) {
			from->counters->bad_record++;
			from->counters->ssl_connection_error++;
			err_set(conn_words(conn), error,
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
	err_set(conn_words(conn), error, "receive: %s", strerror(error));
	conn_end(conn, lane_reset_by(from));
}

/*
 * Where a stream comes in pieces, of one small record each perhaps, a turn for
 * each costs more than to forward it: some are waited for together. What is
 * answered at once is no stream, and waits for nothing.
 */
static void note_piece(struct conn *conn, struct lane *lane, uint32_t size)
{
	if (lane->run < STREAM_RUN)
		lane->run += size;
	conn->lanes[!lane->index].run = 0;
	ring_gather(&conn->worker->ring,
		    lane->run >= STREAM_RUN && size < STREAM_PIECE ? GATHER_US
								   : 0);
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
		lane->eager = res >= EAGER_SIZE;
		note_piece(conn, lane, (uint32_t)res);
		return;
	}
	/* The end; a record that was cut short went with it. */
	buf_give(&conn->worker->bufs, lane->in);
	lane->in = NULL;
	from->fin_seen = true;
	lane_source_ended(conn, lane, false);
}

static void give_back(struct conn *conn, unsigned int flags)
{
	struct bufs *bufs = &conn->worker->bufs;

	if (flags & IORING_CQE_F_BUFFER)
		buf_give(bufs, buf_claim(bufs, flags));
}

static void received(struct op *op, int res, unsigned int flags)
{
	struct lane *lane = list_entry(op, struct lane, recv);
	struct conn *conn = lane_conn(lane);
	struct side *from = lane_from(conn, lane);
	bool tried = lane->trying;

	if (conn->stage == WAY_CLOSE) {
		give_back(conn, flags);
		close_continue(conn);
		return;
	}
	if (tried && !took(conn, lane, res))
		return;
	/* Nothing else is cancelled at this stage (tickets.c). */
	if (res == -ECANCELED) {
		give_back(conn, flags);
		pump(conn, lane);
		return;
	}
	/* A lane that ends in order takes no more. */
	if (res < 0 || lane->phase != LANE_OPEN) {
		give_back(conn, flags);
		if (lane->phase != LANE_OPEN)
			return;
		receive_failed(conn, lane, -res, tried);
		return;
	}
	if (from->tls && from->tls->rx_engine == ENGINE_KERNEL &&
	    (res > 0 || !engine_kernel_ended(from->fd)) &&
	    (post_data(conn, from, (size_t)res) == POST_ENDED || !res)) {
		give_back(conn, flags);
		pump(conn, lane);
		return;
	}
	take_input(conn, lane, res, flags);
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
	if (!lane->in && tls && tls->rx_to_kernel && !from->awaited &&
	    handoff_move(conn, from, false))
		return;
	if (!lane->in && lane->eager && try_receive(conn, lane))
		return;
	if (!lane->in) {
		ring_recv_select(ring, &lane->recv, from->fd, BUF_GROUP);
		return;
	}
	room = tls && tls->rx_to_kernel ? turn_record_rest(conn, lane)
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
		lane_source_ended(conn, lane, true);
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
			lane_send(conn, lane);
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
			lane_finish(conn, lane);
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
	conn->cluster->row->cx_idle_timeout++;
	conn_end(conn, CONN_IDLE_TIMEOUT);
}
