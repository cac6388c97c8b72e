/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/close.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/turn.h"
#include "flow/worker.h"
#include "io/sock.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

/*
 * Closing with unread input would reset away our last bytes. So a peer is
 * read from until it ends. It is waited for this long, anew whenever it took
 * some of what we have sent, up to a limit; one that sends without end is
 * read no more, and waited for all the same.
 */
#define LINGER_MS 2000
#define LINGER_MS_MAX 30000
#define LINGER_LOOK_MS 100
#define LINGER_BYTES_MAX (1U << 20)

static bool quiet(const struct conn *conn)
{
	const struct lane *lanes = conn->lanes;

	return !conn->down.op.armed && !conn->up.op.armed &&
	       !lanes[LANE_DOWN_UP].recv.armed &&
	       !lanes[LANE_DOWN_UP].send.armed &&
	       !lanes[LANE_UP_DOWN].recv.armed &&
	       !lanes[LANE_UP_DOWN].send.armed;
}

static void cancel_all(struct conn *conn)
{
	struct ring *ring = &conn->worker->ring;

	ring_cancel(ring, &conn->down.op);
	ring_cancel(ring, &conn->up.op);
	for (int i = 0; i < 2; i++) {
		ring_cancel(ring, &conn->lanes[i].recv);
		ring_cancel(ring, &conn->lanes[i].send);
		timer_cancel(&conn->worker->wheel, &conn->lanes[i].pace);
	}
}

/* One alert, as far as the socket takes it at once. It can only follow whole
 * records: sealed bytes that were not sent forbid it. */
static bool send_alert(struct conn *conn, struct side *side, uint8_t level,
		       uint8_t description)
{
	const uint8_t alert[2] = {level, description};
	struct lane *lane = conn_lane_to(conn, side);
	size_t size;

	/* It would vouch for a stream that lacks what was not sent. */
	if (lane->out && level == TLS_ALERT_WARNING)
		return false;
	if (side->tls->tx_engine == ENGINE_KERNEL)
		return engine_kernel_send(side->fd, TLS_RECORD_ALERT, alert,
					  sizeof(alert)) == 0;
	if (lane->out ||
	    turn_control(conn, lane, TLS_RECORD_ALERT, alert, sizeof(alert)))
		return false;
	size = lane->out_end;
	return send(side->fd, lane->out, size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)size;
}

static void say_goodbye(struct conn *conn, struct side *side,
			enum goodbye goodbye)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	bool told = goodbye != GOODBYE_RESET;

	if (side->fd < 0 || side->fin_sent)
		return;
	/* Where OpenSSL still has the keys, it has sent its alert itself. */
	if (told && side->tls)
		told = send_alert(conn, side,
				  conn->alert ? TLS_ALERT_FATAL
					      : TLS_ALERT_WARNING,
				  conn->alert);
	if (told) {
		shutdown(side->fd, SHUT_WR);
		side->fin_sent = true;
	} else {
		setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &reset,
			   sizeof(reset));
		close(side->fd);
		side->fd = -1;
	}
}

static void release(struct conn *conn)
{
	timer_cancel(&conn->worker->wheel, &conn->timer);
	listing_leave(conn);
	list_del(&conn->node);
	list_add_tail(&conn->node, &conn->worker->released);
}

/* What a lingering peer still sends is read and dropped. */
static void drained(struct op *op, int res, unsigned int flags)
{
	struct side *side = list_entry(op, struct side, op);
	struct conn *conn = side_conn(side);
	struct bufs *bufs = &conn->worker->bufs;
	bool in_kernel = side->tls && side->tls->rx_engine == ENGINE_KERNEL;
	uint8_t scratch[2048], type;

	if (flags & IORING_CQE_F_BUFFER)
		buf_give(bufs, buf_claim(bufs, flags));
	if (res > 0)
		side->lingered += (uint32_t)res;
	if (res == -EIO && in_kernel)
		res = (int)engine_kernel_receive(side->fd, scratch,
						 sizeof(scratch), &type);
	if (res == -ECONNRESET ||
	    (res == 0 && (!in_kernel || engine_kernel_ended(side->fd))))
		side->fin_seen = true;
	else if (res < 0 && res != -ENOBUFS && res != -EAGAIN)
		side->deaf = true;
	/* Where buffers are short, the next look reads on. */
	if (res != -ENOBUFS || conn->linger_over)
		close_continue(conn);
}

static bool awaited(const struct conn *conn, const struct side *side)
{
	return side->fd >= 0 && !side->fin_seen && !conn->linger_over;
}

static void linger(struct conn *conn, struct side *side)
{
	if (side->op.armed || !awaited(conn, side) || side->deaf ||
	    side->lingered > LINGER_BYTES_MAX)
		return;
	op_init(&side->op, drained);
	ring_recv_select(&conn->worker->ring, &side->op, side->fd, BUF_GROUP);
}

/* Whether the peer took something since the last look. */
static bool progress(struct conn *conn, struct side *side)
{
	uint32_t before = side->linger_unsent;

	if (!awaited(conn, side))
		return false;
	if (sock_over(side->fd) && !side->op.armed)
		side->fin_seen = true;
	if (sock_unsent(side->fd, &side->linger_unsent))
		side->linger_unsent = 0;
	return side->linger_unsent < before;
}

static void await(struct conn *conn, bool longer)
{
	uint64_t now_ms = conn->worker->now_ms;

	if (longer)
		conn->linger_ms = now_ms + LINGER_MS;
	timer_arm(&conn->worker->wheel, &conn->timer, now_ms + LINGER_LOOK_MS);
}

static void part(struct conn *conn)
{
	conn->lingering = true;
	say_goodbye(conn, &conn->down, conn->down_goodbye);
	say_goodbye(conn, &conn->up, conn->up_goodbye);
	conn->linger_ms_max = conn->worker->now_ms + LINGER_MS_MAX;
	progress(conn, &conn->down);
	progress(conn, &conn->up);
	await(conn, true);
}

void close_continue(struct conn *conn)
{
	if (!conn->lingering) {
		if (!quiet(conn))
			return;
		part(conn);
	}
	linger(conn, &conn->down);
	linger(conn, &conn->up);
	if (quiet(conn) && !awaited(conn, &conn->down) &&
	    !awaited(conn, &conn->up))
		release(conn);
}

void close_enter(struct conn *conn)
{
	timer_cancel(&conn->worker->wheel, &conn->timer);
	conn_handshake_over(conn);
	conn_ahead_over(conn);
	conn_pre_over(conn);
	if (conn->reason != CONN_DONE && conn->reason != CONN_TRUNCATED)
		conn->listener->row->reset++;
	cancel_all(conn);
	close_continue(conn);
}

void close_deadline(struct conn *conn)
{
	const struct worker *worker = conn->worker;
	bool taken = progress(conn, &conn->down);
	uint64_t until_ms;

	taken = progress(conn, &conn->up) || taken;
	until_ms = taken && !worker->stopping ? conn->linger_ms_max
					      : conn->linger_ms;
	if (worker->now_ms >= until_ms) {
		conn->linger_over = true;
		cancel_all(conn);
	} else {
		await(conn, taken);
	}
	close_continue(conn);
}
