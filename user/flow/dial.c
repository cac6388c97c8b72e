/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "flow/close.h"
#include "flow/shake.h"
#include "flow/way.h"
#include "flow/worker.h"

static void try_next(struct conn *conn);

static void drop_socket(struct side *up)
{
	if (up->fd >= 0)
		close(up->fd);
	up->fd = -1;
}

static void upstream_handshake(struct conn *conn)
{
	const struct config_cluster *config = conn->cluster->config;
	struct worker *worker = conn->worker;

	if (tls_handshake_client_new(conn->cluster->ctx, config->server_name,
				     &conn->up.handshake)) {
		conn_end(conn, CONN_NO_MEMORY);
		return;
	}
	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms + config->handshake_timeout_ms);
	shake_begin(conn, &conn->up);
}

static void failed(struct conn *conn, int error)
{
	char text[ADDR_TEXT_MAX];

	if (error == ECANCELED) {
		conn->cluster->row->cx_connect_timeout++;
		err_set(&conn->err, ETIMEDOUT, "%s did not answer in time",
			addr_format(&conn->up.peer, text));
	} else {
		err_set(&conn->err, error, "connect to %s: %s",
			addr_format(&conn->up.peer, text), strerror(error));
	}
	conn->cluster->row->cx_connect_fail++;
	drop_socket(&conn->up);
	try_next(conn);
}

static void connected(struct op *op, int res, unsigned int flags)
{
	struct side *up = list_entry(op, struct side, op);
	struct conn *conn = list_entry(up, struct conn, up);

	(void)flags;
	if (conn->stage == WAY_CLOSE) {
		close_continue(conn);
		return;
	}
	timer_cancel(&conn->worker->wheel, &conn->timer);
	if (res < 0) {
		failed(conn, -res);
		return;
	}
	conn->err.text[0] = '\0';
	conn->cluster->row->cx_total++;
	conn->cluster->row->cx_active++;
	up->counted = true;
	if (conn->cluster->ctx)
		upstream_handshake(conn);
	else
		way_next(conn);
}

static void try_next(struct conn *conn)
{
	const struct config_cluster *config = conn->cluster->config;
	struct worker *worker = conn->worker;
	struct side *up = &conn->up;
	int one = 1;

	if (conn->endpoints_tried == config->endpoint_count) {
		conn->cluster->row->none_healthy++;
		conn->listener->row->no_upstream++;
		conn_end(conn, CONN_NO_UPSTREAM);
		return;
	}
	up->peer = config->endpoints[(conn->endpoint + conn->endpoints_tried) %
				     config->endpoint_count];
	conn->endpoints_tried++;
	up->fd = socket(up->peer.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (up->fd < 0) {
		err_set(&conn->err, errno, "no socket for the upstream: %s",
			strerror(errno));
		conn->listener->row->no_upstream++;
		conn_end(conn, CONN_NO_UPSTREAM);
		return;
	}
	setsockopt(up->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	op_init(&up->op, connected);
	ring_connect(&worker->ring, &up->op, up->fd, &up->peer);
	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms + config->connect_timeout_ms);
}

void dial_enter(struct conn *conn)
{
	struct worker_cluster *cluster = conn->cluster;

	conn->endpoint = (uint32_t)cluster->next;
	cluster->next = (cluster->next + 1) % cluster->config->endpoint_count;
	try_next(conn);
}

void dial_deadline(struct conn *conn)
{
	if (!conn->up.handshake) {
		/* connected() sees ECANCELED and goes on from there. */
		ring_cancel(&conn->worker->ring, &conn->up.op);
		return;
	}
	conn->cluster->row->handshake_timeout++;
	err_set(&conn->err, ETIMEDOUT, "the upstream handshake took too long");
	conn_end(conn, CONN_UPSTREAM_TLS);
}
