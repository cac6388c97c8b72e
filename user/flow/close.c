/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/close.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "flow/turn.h"
#include "flow/worker.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

/* A peer has this long, and may send this much, until it has read our last
 * bytes: closing with unread input would reset them away. */
#define LINGER_MS 2000
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
		side->fin_seen = true;
	}
}

static void release(struct conn *conn)
{
	list_del(&conn->node);
	list_add_tail(&conn->node, &conn->worker->released);
}

/* What a lingering peer still sends is read and dropped. */
static void drained(struct op *op, int res, unsigned int flags)
{
	struct side *side = list_entry(op, struct side, op);
	struct conn *conn = side_conn(side);
	struct bufs *bufs = &conn->worker->bufs;
	uint8_t scratch[2048], type;

	if (flags & IORING_CQE_F_BUFFER)
		buf_give(bufs, buf_claim(bufs, flags));
	if (res > 0)
		side->lingered += (uint32_t)res;
	if (res == -EIO && side->tls && side->tls->rx_engine == ENGINE_KERNEL)
		res = (int)engine_kernel_receive(side->fd, scratch,
						 sizeof(scratch), &type);
	if ((res <= 0 && res != -ENOBUFS && res != -EAGAIN) ||
	    side->lingered > LINGER_BYTES_MAX)
		side->fin_seen = true;
	close_continue(conn);
}

static void linger(struct conn *conn, struct side *side)
{
	if (side->fd < 0 || side->fin_seen || conn->linger_over)
		return;
	op_init(&side->op, drained);
	ring_recv_select(&conn->worker->ring, &side->op, side->fd, BUF_GROUP);
}

void close_continue(struct conn *conn)
{
	struct worker *worker = conn->worker;

	if (!conn->lingering) {
		if (!quiet(conn))
			return;
		conn->lingering = true;
		say_goodbye(conn, &conn->down, conn->down_goodbye);
		say_goodbye(conn, &conn->up, conn->up_goodbye);
		timer_arm(&worker->wheel, &conn->timer,
			  worker->now_ms + LINGER_MS);
	}
	if (!conn->down.op.armed)
		linger(conn, &conn->down);
	if (!conn->up.op.armed)
		linger(conn, &conn->up);
	if (quiet(conn))
		release(conn);
}

void close_enter(struct conn *conn)
{
	timer_cancel(&conn->worker->wheel, &conn->timer);
	conn_handshake_over(conn);
	if (conn->reason != CONN_DONE && conn->reason != CONN_TRUNCATED)
		conn->listener->row->reset++;
	cancel_all(conn);
	close_continue(conn);
}

void close_deadline(struct conn *conn)
{
	conn->linger_over = true;
	cancel_all(conn);
}
