/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "flow/conn.h"
#include "flow/way.h"
#include "flow/worker.h"

#define RETRY_MS 100
/* SYN-ACKs that are lost are sent again after 1 and 3 s (RFC 6298). */
#define DRAIN_MS 4000

static void refuse(int fd)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

/* Counts before it looks, so that two workers cannot both pass the limit. */
static bool below(atomic_uint *count, unsigned int max)
{
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < max)
		return true;
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
	return false;
}

/* A permissive port dials before the client has said a word: so that nobody
 * can make us dial without end. */
static bool go_ahead(struct conn *conn)
{
	conn->is_ahead = ahead_enter(&conn->worker->ahead, &conn->down.peer,
				     conn->listener->config->ahead_max,
				     &conn->ahead_slot);
	return conn->is_ahead;
}

static void admit(struct acceptor *acceptor, int fd)
{
	struct worker_listener *listener = acceptor->listener;
	struct conn *conn;
	int one = 1;

	listener->row->cx_total++;
	if (!below(&listener->limits->connections,
		   listener->config->connections_max)) {
		listener->row->cx_overflow++;
		listener->row->cx_destroy++;
		refuse(fd);
		return;
	}
	if (listener->ctx && !below(&listener->limits->handshakes,
				    listener->config->handshakes_max)) {
		atomic_fetch_sub(&listener->limits->connections, 1);
		listener->row->cx_overload++;
		listener->row->cx_destroy++;
		refuse(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn = conn_new(listener->worker, listener, acceptor->door, fd);
	if (!conn) {
		atomic_fetch_sub(&listener->limits->connections, 1);
		if (listener->ctx)
			atomic_fetch_sub(&listener->limits->handshakes, 1);
		listener->row->cx_destroy++;
		refuse(fd);
		return;
	}
	if (listener->config->tls_mode == CONFIG_TLS_PERMISSIVE) {
		conn_pre_begin(conn);
		if (!go_ahead(conn)) {
			listener->row->ahead_refused++;
			conn_end(conn, CONN_AHEAD);
			return;
		}
	}
	way_next(conn);
}

static void pause_accepting(struct acceptor *acceptor, int error)
{
	struct worker_listener *listener = acceptor->listener;
	struct worker *worker = listener->worker;

	listener->row->accept_paused++;
	if (!timer_armed(&acceptor->retry))
		log_line(LOG_LEVEL_WARNING, "accepting paused", "listener",
			 listener->config->name, "errno", err_name(error),
			 "why", strerror(error), NULL);
	timer_arm(&worker->wheel, &acceptor->retry, worker->now_ms + RETRY_MS);
}

static void start(struct acceptor *acceptor)
{
	ring_accept(&acceptor->listener->worker->ring, &acceptor->accept,
		    acceptor->fd);
}

static void accepted(struct op *op, int res, unsigned int flags)
{
	struct acceptor *acceptor = list_entry(op, struct acceptor, accept);

	if (acceptor->fd < 0) {
		/* Ours already, where the rest is another's. */
		if (res >= 0 && acceptor->leaving &&
		    !acceptor->listener->worker->stopping)
			admit(acceptor, res);
		else if (res >= 0)
			refuse(res);
		if (!op->armed)
			free(acceptor);
		return;
	}
	if (res >= 0)
		admit(acceptor, res);
	if (flags & IORING_CQE_F_MORE)
		return;
	if (res == -EMFILE || res == -ENFILE || res == -ENOBUFS ||
	    res == -ENOMEM)
		pause_accepting(acceptor, -res);
	else
		start(acceptor);
}

static void retry(struct timer *timer)
{
	start(list_entry(timer, struct acceptor, retry));
}

static void drained(struct timer *timer);

struct acceptor *acceptor_new(struct worker_listener *listener, int door,
			      int fd)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

	if (!acceptor)
		return NULL;
	list_init(&acceptor->node);
	acceptor->listener = listener;
	acceptor->door = door;
	acceptor->fd = fd;
	op_init(&acceptor->accept, accepted);
	timer_init(&acceptor->retry, retry);
	timer_init(&acceptor->drain, drained);
	return acceptor;
}

void acceptor_free(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	close(acceptor->fd);
	free(acceptor);
}

/* Connections that the kernel has accepted already would be reset. */
static void take_queued(struct acceptor *acceptor)
{
	int fd, flags = fcntl(acceptor->fd, F_GETFL);

	if (flags < 0 || fcntl(acceptor->fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return;
	while ((fd = accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		admit(acceptor, fd);
}

static void stop(struct acceptor *acceptor)
{
	struct worker *worker = acceptor->listener->worker;

	if (!acceptor->leaving)
		take_queued(acceptor);
	list_del(&acceptor->node);
	timer_cancel(&worker->wheel, &acceptor->retry);
	timer_cancel(&worker->wheel, &acceptor->drain);
	close(acceptor->fd);
	acceptor->fd = -1;
	if (acceptor->draining)
		generation_drop(acceptor->listener->generation);
	/* Its end is reported, and frees it. */
	if (acceptor->accept.armed)
		ring_cancel(&worker->ring, &acceptor->accept);
	else
		free(acceptor);
}

static void drained(struct timer *timer)
{
	stop(list_entry(timer, struct acceptor, drain));
}

/* BPF has chosen others by now; but a connection that is half made belongs
 * to this socket and would be reset with it. */
static void drain(struct acceptor *acceptor)
{
	struct worker *worker = acceptor->listener->worker;

	acceptor->draining = true;
	generation_hold(acceptor->listener->generation);
	timer_arm(&worker->wheel, &acceptor->drain, worker->now_ms + DRAIN_MS);
}

/* The listener of generation that has this one's address. */
static struct worker_listener *heir(const struct acceptor *acceptor,
				    const struct generation *generation)
{
	const struct addr *addr = &acceptor->listener->config->listen;

	for (size_t i = 0; i < generation->plan->config->listener_count; i++)
		if (addr_equal(&generation->listeners[i].config->listen, addr))
			return &generation->listeners[i];
	return NULL;
}

static void adopt(struct acceptor *acceptor, struct generation *generation)
{
	const struct config *old = acceptor->listener->generation->plan->config;
	const struct config *new = generation->plan->config;
	struct worker_listener *listener;
	int door;

	if (acceptor->draining)
		return;
	if (acceptor->door == DOORS_NONE) {
		listener = heir(acceptor, generation);
		if (listener)
			acceptor->listener = listener;
		else
			stop(acceptor);
		return;
	}
	door = doors_heir(old, new, acceptor->door);
	if (door == DOORS_NONE) {
		drain(acceptor);
		return;
	}
	acceptor->door = door;
	acceptor->listener =
		&generation->listeners[new->intercept->doors[door].listener];
}

static void begin(struct worker *worker, struct acceptor **acceptor)
{
	if (!*acceptor)
		return;
	list_add_tail(&(*acceptor)->node, &worker->acceptors);
	start(*acceptor);
	*acceptor = NULL;
}

void accept_adopt(struct worker *worker, struct generation *generation)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->acceptors)
		adopt(list_entry(node, struct acceptor, node), generation);
	for (size_t i = 0; i < generation->plan->config->listener_count; i++)
		begin(worker, &generation->listeners[i].acceptor);
	for (size_t i = 0; i < generation->plan->doors.count; i++)
		begin(worker, &generation->doors[i]);
}

void accept_stop_all(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->acceptors)
		stop(list_entry(node, struct acceptor, node));
}

void accept_stop_addresses(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->acceptors) {
		struct acceptor *acceptor =
			list_entry(node, struct acceptor, node);

		if (acceptor->door == DOORS_NONE)
			stop(acceptor);
	}
}

void accept_leave_doors(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->acceptors) {
		struct acceptor *acceptor =
			list_entry(node, struct acceptor, node);

		/* A reload's predecessor has nobody to leave anything to. */
		acceptor->leaving = !acceptor->draining;
		stop(acceptor);
	}
}

void accept_stop_inbound(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->acceptors) {
		struct acceptor *acceptor =
			list_entry(node, struct acceptor, node);

		if (acceptor->listener->ctx)
			stop(acceptor);
	}
}
