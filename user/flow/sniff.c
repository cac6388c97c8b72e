/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/sniff.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "flow/close.h"
#include "flow/route.h"
#include "flow/way.h"
#include "flow/worker.h"
#include "tls/engine_user.h"
#include "tls/wire.h"

/* Record header, and the type of the first message. */
#define HELLO_SIZE 6
#define SERVER_FIRST_MIN_MS 20

enum sniff sniff_bytes(const uint8_t *bytes, size_t size)
{
	if ((size >= 1 && bytes[0] != TLS_RECORD_HANDSHAKE) ||
	    (size >= 2 && bytes[1] != 3) || (size >= 3 && bytes[2] > 4) ||
	    (size >= 6 && bytes[5] != TLS_MESSAGE_CLIENT_HELLO))
		return SNIFF_PLAIN;
	return size >= HELLO_SIZE ? SNIFF_TLS : SNIFF_MORE;
}

static void wake_at(struct conn *conn, int size)
{
	setsockopt(conn->down.fd, SOL_SOCKET, SO_RCVLOWAT, &size, sizeof(size));
}

static void decide(struct conn *conn, bool tls)
{
	struct worker *worker = conn->worker;

	timer_cancel(&worker->wheel, &conn->timer);
	ring_cancel(&worker->ring, &conn->down.op);
	ring_cancel(&worker->ring, &conn->up.op);
	wake_at(conn, 1);
	conn_ahead_over(conn);
	conn_pre_over(conn);
	if (tls) {
		conn->listener->row->tls_found++;
		route_count_hello(conn);
	} else {
		conn->listener->row->tls_not_found++;
		conn->plain = true;
		conn_handshake_over(conn);
	}
	way_next(conn);
}

static void watch_down(struct conn *conn);

static void look(struct conn *conn)
{
	uint8_t bytes[HELLO_SIZE];
	ssize_t size = recv(conn->down.fd, bytes, sizeof(bytes),
			    MSG_PEEK | MSG_DONTWAIT);
	enum sniff sniff;

	if (size < 0 && errno != EAGAIN) {
		conn->listener->row->sniff_read_error++;
		err_set(conn_words(conn), errno, "receive: %s",
			strerror(errno));
		conn_end(conn, CONN_RESET_BY_DOWN);
		return;
	}
	/* A client that says nothing and ends is passed on as it is. */
	if (size == 0) {
		conn->listener->row->sniff_closed++;
		decide(conn, false);
		return;
	}
	sniff = size > 0 ? sniff_bytes(bytes, (size_t)size) : SNIFF_MORE;
	if (sniff != SNIFF_MORE) {
		decide(conn, sniff == SNIFF_TLS);
		return;
	}
	wake_at(conn, HELLO_SIZE);
	watch_down(conn);
}

static void down_ready(struct op *op, int res, unsigned int flags)
{
	struct conn *conn = side_conn(list_entry(op, struct side, op));

	(void)res;
	(void)flags;
	if (conn->stage == WAY_CLOSE)
		close_continue(conn);
	else if (conn->stage == WAY_SNIFF)
		look(conn);
}

static void watch_down(struct conn *conn)
{
	op_init(&conn->down.op, down_ready);
	ring_poll(&conn->worker->ring, &conn->down.op, conn->down.fd,
		  POLLIN | POLLRDHUP);
}

/* Twice the round trip: a ClientHello that left when the handshake of TCP
 * was done is here by then, and so is one that waited for our SYN-ACK. */
static uint64_t server_first_wait_ms(const struct conn *conn)
{
	uint64_t wait_ms = conn->listener->config->server_first_wait_ms;
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (wait_ms)
		return wait_ms;
	if (getsockopt(conn->down.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
		wait_ms = 2 * (uint64_t)info.tcpi_rtt / 1000;
	return wait_ms > SERVER_FIRST_MIN_MS ? wait_ms : SERVER_FIRST_MIN_MS;
}

static void up_ready(struct op *op, int res, unsigned int flags)
{
	struct conn *conn = side_conn(list_entry(op, struct side, op));
	uint64_t wait_ms;

	(void)res;
	(void)flags;
	if (conn->stage == WAY_CLOSE) {
		close_continue(conn);
		return;
	}
	if (conn->stage != WAY_SNIFF)
		return;
	/* What is promised is the most that a client waits: the wheel may be
	 * late by a tick. */
	wait_ms = server_first_wait_ms(conn);
	if (wait_ms > CLOCK_TICK_MS)
		wait_ms -= CLOCK_TICK_MS;
	timer_arm(&conn->worker->wheel, &conn->timer,
		  conn->worker->now_ms + wait_ms);
}

void sniff_enter(struct conn *conn)
{
	struct worker *worker = conn->worker;

	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms +
			  conn->listener->config->handshake_timeout_ms);
	watch_down(conn);
	/* What comes from a TLS upstream first are tickets: they say nothing
	 * of the application. There, the client is waited for. */
	if (conn->up.tls)
		return;
	op_init(&conn->up.op, up_ready);
	ring_poll(&worker->ring, &conn->up.op, conn->up.fd, POLLIN | POLLRDHUP);
}

void sniff_deadline(struct conn *conn)
{
	conn->listener->row->pre_cx_timeout++;
	decide(conn, false);
}
