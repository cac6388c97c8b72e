/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/accept.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "flow/way.h"

#define RETRY_MS 100

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

static void admit(struct worker_listener *listener, int fd)
{
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
	conn = conn_new(listener->worker, listener, fd);
	if (!conn) {
		atomic_fetch_sub(&listener->limits->connections, 1);
		if (listener->ctx)
			atomic_fetch_sub(&listener->limits->handshakes, 1);
		listener->row->cx_destroy++;
		refuse(fd);
		return;
	}
	way_next(conn);
}

static void pause_accepting(struct worker_listener *listener, int error)
{
	struct worker *worker = listener->worker;

	listener->row->accept_paused++;
	if (!timer_armed(&listener->retry))
		log_line(LOG_LEVEL_WARNING, "accepting paused", "listener",
			 listener->config->name, "errno", err_name(error),
			 "why", strerror(error), NULL);
	timer_arm(&worker->wheel, &listener->retry, worker->now_ms + RETRY_MS);
}

static void accepted(struct op *op, int res, unsigned int flags)
{
	struct worker_listener *listener =
		list_entry(op, struct worker_listener, accept);

	if (listener->fd < 0) {
		if (res >= 0)
			refuse(res);
		return;
	}
	if (res >= 0)
		admit(listener, res);
	if (flags & IORING_CQE_F_MORE)
		return;
	if (res == -EMFILE || res == -ENFILE || res == -ENOBUFS ||
	    res == -ENOMEM)
		pause_accepting(listener, -res);
	else
		accept_start(listener);
}

static void retry(struct timer *timer)
{
	accept_start(list_entry(timer, struct worker_listener, retry));
}

void accept_start(struct worker_listener *listener)
{
	if (listener->accept.magic == 0) {
		op_init(&listener->accept, accepted);
		timer_init(&listener->retry, retry);
	}
	ring_accept(&listener->worker->ring, &listener->accept, listener->fd);
}

void accept_stop(struct worker_listener *listener)
{
	if (listener->fd < 0)
		return;
	timer_cancel(&listener->worker->wheel, &listener->retry);
	ring_cancel(&listener->worker->ring, &listener->accept);
	close(listener->fd);
	listener->fd = -1;
}
