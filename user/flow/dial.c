/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/durations.h"
#include "flow/close.h"
#include "flow/shake.h"
#include "flow/way.h"
#include "flow/worker.h"

static void try_next(struct conn *conn);

static const struct doors *doors_of(const struct conn *conn)
{
	return &conn->listener->generation->plan->doors;
}

static void drop_socket(struct side *up)
{
	if (up->fd >= 0)
		close(up->fd);
	up->fd = -1;
}

/* What the client agreed on with us is what we ask of the upstream, unless
 * the cluster has a list of its own. */
static int pass_on_alpn(struct conn *conn)
{
	const uint8_t *name;
	size_t size;

	if (conn->cluster->config->protocol.alpn || !conn->down.handshake)
		return 0;
	size = tls_handshake_alpn(conn->down.handshake, &name);
	return tls_handshake_offer(conn->up.handshake, name, size);
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
	if ((config->resumption &&
	     tls_handshake_resume(conn->up.handshake, &worker->resume,
				  &conn->cluster->demands, &conn->up.peer)) ||
	    pass_on_alpn(conn)) {
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
		err_set(conn_words(conn), ETIMEDOUT,
			"%s did not answer in time",
			addr_format(&conn->up.peer, text));
	} else {
		err_set(conn_words(conn), error, "connect to %s: %s",
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
	conn_unsay(conn);
	durations_add(&conn->cluster->times->cx_connect_ms,
		      conn->worker->now_ms - conn->up_ms);
	conn->up_ms = conn->worker->now_ms;
	conn->cluster->row->cx_total++;
	conn->cluster->row->cx_active++;
	up->counted = true;
	if (conn->cluster->ctx)
		upstream_handshake(conn);
	else
		way_next(conn);
}

static void no_upstream(struct conn *conn)
{
	conn->listener->row->no_upstream++;
	conn_end(conn, CONN_NO_UPSTREAM);
}

/* What is known may change while one connection tries: at worst it tries an
 * endpoint twice, or leaves one out. */
static bool choose(struct conn *conn)
{
	const struct config_cluster *config = conn->cluster->config;
	const struct addr *endpoints = config->endpoints;
	size_t count = config->endpoint_count;

	if (conn->cluster->membership) {
		endpoints = conn->cluster->members.items;
		count = conn->cluster->members.count;
	}
	if (config->type == CONFIG_CLUSTER_ORIGINAL) {
		endpoints = &conn->origin;
		count = 1;
	}
	if (!count)
		err_set(conn_words(conn), EDESTADDRREQ,
			"no address is known of %s",
			config->discovery.hostname);
	if (conn->endpoints_tried >= count)
		return false;
	conn->up.peer =
		endpoints[(conn->endpoint + conn->endpoints_tried) % count];
	conn->endpoints_tried++;
	return true;
}

static int open_socket(struct conn *conn)
{
	const struct config_cluster *config = conn->cluster->config;
	struct side *up = &conn->up;
	int r = doors_socket(doors_of(conn), conn->door, up->peer.any.sa_family,
			     conn->down.fd, &up->fd, conn_words(conn));

	if (r || !conn->cluster->ctx)
		return r;
	/* What this socket sends until then is a handshake. */
	r = doors_state(doors_of(conn), conn->door, up->fd, ABI_OWN_HANDSHAKING,
			config->connect_timeout_ms +
				config->handshake_timeout_ms);
	if (!r)
		return 0;
	err_set(conn_words(conn), -r,
		"the guard cannot be told of a socket: %s", strerror(-r));
	drop_socket(up);
	return r;
}

static void try_next(struct conn *conn)
{
	const struct config_cluster *config = conn->cluster->config;
	struct worker *worker = conn->worker;
	struct side *up = &conn->up;
	int one = 1;

	if (!choose(conn)) {
		conn->cluster->row->none_healthy++;
		no_upstream(conn);
		return;
	}
	if (open_socket(conn)) {
		no_upstream(conn);
		return;
	}
	setsockopt(up->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn->up_ms = worker->now_ms;
	op_init(&up->op, connected);
	ring_connect(&worker->ring, &up->op, up->fd, &up->peer);
	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms + config->connect_timeout_ms);
}

static void begin(struct conn *conn)
{
	const struct config_discovery *discovery =
		&conn->cluster->config->discovery;

	if (conn->cluster->config->type == CONFIG_CLUSTER_ORIGINAL &&
	    !conn->origin.size) {
		err_set(conn_words(conn), EDESTADDRREQ,
			"cluster %s dials where connections were meant to go, "
			"and this one came to the listener itself",
			conn->cluster->config->name);
		conn->listener->row->no_upstream++;
		conn_end(conn, CONN_NO_ORIGIN);
		return;
	}
	/* What stands behind one name has its own order. */
	if (!discovery->hostname || discovery->in_turn)
		conn->endpoint = conn->cluster->next++;
	try_next(conn);
}

static bool known(struct conn *conn)
{
	struct worker_cluster *cluster = conn->cluster;

	if (!cluster->membership)
		return true;
	membership_follow(cluster->membership, &cluster->members);
	return cluster->members.version != 0;
}

void dial_enter(struct conn *conn)
{
	struct worker *worker = conn->worker;

	if (known(conn)) {
		begin(conn);
		return;
	}
	list_add_tail(&conn->waiting, &worker->waiting);
	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms + conn->cluster->config->connect_timeout_ms);
}

void dial_resume(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->waiting) {
		struct conn *conn = list_entry(node, struct conn, waiting);

		if (conn->stage != WAY_DIAL || !known(conn))
			continue;
		list_del(node);
		timer_cancel(&worker->wheel, &conn->timer);
		begin(conn);
	}
}

void dial_deadline(struct conn *conn)
{
	if (!list_empty(&conn->waiting)) {
		list_del(&conn->waiting);
		err_set(conn_words(conn), ETIMEDOUT,
			"%s was not resolved in time",
			conn->cluster->config->discovery.hostname);
		no_upstream(conn);
		return;
	}
	if (!conn->up.handshake) {
		/* connected() sees ECANCELED and goes on from there. */
		ring_cancel(&conn->worker->ring, &conn->up.op);
		return;
	}
	conn->cluster->row->handshake_timeout++;
	err_set(conn_words(conn), ETIMEDOUT,
		"the upstream handshake took too long");
	conn_end(conn, CONN_UPSTREAM_TLS);
}
