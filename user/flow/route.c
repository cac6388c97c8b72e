/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/route.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "flow/close.h"
#include "flow/way.h"
#include "flow/worker.h"
#include "tls/hello.h"
#include "tls/names.h"

/* A plaintext record: fatal, unrecognized_name (RFC 6066 section 3). */
static const uint8_t unrecognized_name[] = {21, 3, 3, 0, 2, 2, 112};

const struct config_route *route_find(const struct config_listener *listener,
				      const char *name)
{
	const struct config_route *wildcard = NULL;

	for (size_t i = 0; *name && i < listener->route_count; i++) {
		const struct config_route *route = &listener->routes[i];

		for (size_t j = 0; j < route->names.count; j++) {
			const char *pattern = route->names.items[j];

			if (strcasecmp(pattern, name) == 0)
				return route;
			if (!wildcard && names_dns_match(pattern, name))
				wildcard = route;
		}
	}
	return wildcard;
}

static void count(struct listener_row *row, const struct hello *hello)
{
	if (hello->name[0])
		row->sni_found++;
	else
		row->sni_not_found++;
	if (hello->alpn)
		row->alpn_found++;
	else
		row->alpn_not_found++;
}

void route_count_hello(struct conn *conn)
{
	uint8_t bytes[HELLO_BYTES_MAX];
	struct hello hello;
	size_t need;
	ssize_t size = recv(conn->down.fd, bytes, sizeof(bytes),
			    MSG_PEEK | MSG_DONTWAIT);

	if (size > 0 && hello_read(bytes, (size_t)size, &hello, &need) == 0)
		count(conn->listener->row, &hello);
}

static void wake_at(struct conn *conn, size_t bytes)
{
	int size = (int)bytes;

	setsockopt(conn->down.fd, SOL_SOCKET, SO_RCVLOWAT, &size, sizeof(size));
}

static void go(struct conn *conn, const struct config_route *route)
{
	timer_cancel(&conn->worker->wheel, &conn->timer);
	conn_pre_over(conn);
	wake_at(conn, 1);
	if (route)
		conn_choose_cluster(conn, route->cluster);
	if (route ? route->passthrough
		  : conn->listener->config->tls_mode ==
			    CONFIG_TLS_PASSTHROUGH) {
		conn->plain = true;
		conn_handshake_over(conn);
	}
	way_next(conn);
}

static void refuse(struct conn *conn, const struct hello *hello)
{
	ssize_t sent =
		send(conn->down.fd, unrecognized_name,
		     sizeof(unrecognized_name), MSG_DONTWAIT | MSG_NOSIGNAL);

	conn->listener->row->no_route++;
	err_set(conn_words(conn), ENOENT, "no route for %s",
		hello->name[0] ? hello->name
			       : "a client that names no server (SNI)");
	if (sent == sizeof(unrecognized_name))
		conn_end_with(conn, CONN_NO_ROUTE, &conn->down, 0);
	else
		conn_end(conn, CONN_NO_ROUTE);
}

static void routed(struct conn *conn, const struct hello *hello)
{
	const struct config_listener *config = conn->listener->config;
	const struct config_route *route = route_find(config, hello->name);

	conn->listener->row->tls_found++;
	count(conn->listener->row, hello);
	if (route || conn->has_cluster)
		go(conn, route);
	else
		refuse(conn, hello);
}

/* What is no ClientHello: the handshake says what is wrong with it. */
static void unreadable(struct conn *conn, int error)
{
	struct listener_row *row = conn->listener->row;

	if (error == EMSGSIZE)
		row->hello_too_large++;
	else
		row->tls_not_found++;
	if (conn->listener->ctx && error != EMSGSIZE) {
		go(conn, NULL);
		return;
	}
	err_set(conn_words(conn), error,
		error == EMSGSIZE ? "a ClientHello of more than 16 KiB"
				  : "the client does not speak TLS");
	conn_end(conn, CONN_HANDSHAKE_FAILED);
}

static void watch(struct conn *conn);

static void look(struct conn *conn)
{
	uint8_t bytes[HELLO_BYTES_MAX];
	struct hello hello;
	size_t need = 0;
	ssize_t size = recv(conn->down.fd, bytes, sizeof(bytes),
			    MSG_PEEK | MSG_DONTWAIT);
	int r;

	if (size == 0 || (size < 0 && errno != EAGAIN)) {
		if (size)
			conn->listener->row->sniff_read_error++;
		else
			conn->listener->row->sniff_closed++;
		err_set(conn_words(conn), size ? errno : ECONNRESET,
			"receive: %s",
			size ? strerror(errno)
			     : "the peer closed before its ClientHello");
		conn_end(conn, CONN_RESET_BY_DOWN);
		return;
	}
	r = hello_read(bytes, size > 0 ? (size_t)size : 0, &hello, &need);
	if (r == -EAGAIN) {
		wake_at(conn, need);
		watch(conn);
	} else if (r) {
		unreadable(conn, -r);
	} else {
		routed(conn, &hello);
	}
}

static void ready(struct op *op, int res, unsigned int flags)
{
	struct conn *conn = side_conn(list_entry(op, struct side, op));

	(void)res;
	(void)flags;
	if (conn->stage == WAY_CLOSE)
		close_continue(conn);
	else
		look(conn);
}

static void watch(struct conn *conn)
{
	op_init(&conn->down.op, ready);
	ring_poll(&conn->worker->ring, &conn->down.op, conn->down.fd,
		  POLLIN | POLLRDHUP);
}

void route_enter(struct conn *conn)
{
	struct worker *worker = conn->worker;

	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms +
			  conn->listener->config->handshake_timeout_ms);
	conn_pre_begin(conn);
	look(conn);
}

void route_deadline(struct conn *conn)
{
	conn->listener->row->pre_cx_timeout++;
	err_set(conn_words(conn), ETIMEDOUT, "no ClientHello came in time");
	conn_end(conn, CONN_HANDSHAKE_TIMEOUT);
}
