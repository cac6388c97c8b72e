/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "flow/close.h"
#include "flow/forward.h"
#include "flow/way.h"
#include "flow/worker.h"

/* The view is right only while both rows hold the list in one piece. */
#define TLS_SPAN(type) \
	(offsetof(type, peer_alert) - offsetof(type, ssl_connection_error))
_Static_assert(TLS_SPAN(struct listener_row) == TLS_SPAN(struct tls_counters),
	       "listener_row holds TLS_COUNTERS in one piece");
_Static_assert(TLS_SPAN(struct cluster_row) == TLS_SPAN(struct tls_counters),
	       "cluster_row holds TLS_COUNTERS in one piece");

static struct tls_counters *view(unsigned long long *first)
{
	return (struct tls_counters *)(void *)first;
}

static void timer_fired(struct timer *timer)
{
	way_deadline(list_entry(timer, struct conn, timer));
}

static void side_init(struct side *side, int fd)
{
	side->fd = fd;
	side->peer.size = sizeof(side->peer.v6);
	if (fd < 0 || getpeername(fd, &side->peer.any, &side->peer.size) != 0) {
		side->peer.any.sa_family = AF_UNSPEC;
		side->peer.size = 0;
	}
}

struct conn *conn_new(struct worker *worker, struct worker_listener *listener,
		      int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->worker = worker;
	conn->listener = listener;
	conn->cluster = &worker->clusters[listener->config->cluster];
	conn->stage = WAY_ACCEPT;
	conn->begun_ms = conn->active_ms = worker->now_ms;
	timer_init(&conn->timer, timer_fired);
	side_init(&conn->down, fd);
	side_init(&conn->up, -1);
	conn->up.is_up = true;
	if (listener->ctx) {
		conn->down.counters =
			view(&listener->row->ssl_connection_error);
		conn->down.shaking = true;
		listener->row->handshakes++;
	}
	if (conn->cluster->ctx)
		conn->up.counters =
			view(&conn->cluster->row->ssl_connection_error);
	lane_init(&conn->lanes[LANE_DOWN_UP], LANE_DOWN_UP);
	lane_init(&conn->lanes[LANE_UP_DOWN], LANE_UP_DOWN);
	list_add_tail(&conn->node, &worker->conns);
	atomic_fetch_add_explicit(&worker->connections, 1,
				  memory_order_relaxed);
	listener->row->cx_active++;
	return conn;
}

static void side_fini(struct side *side)
{
	assert(!side->op.armed);
	if (side->fd >= 0)
		close(side->fd);
	tls_handshake_free(side->handshake);
	if (side->tls) {
		OPENSSL_cleanse(side->tls, sizeof(*side->tls));
		free(side->tls);
	}
}

void conn_free(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct listener_row *row = conn->listener->row;

	timer_cancel(&worker->wheel, &conn->timer);
	lane_fini(conn, &conn->lanes[LANE_DOWN_UP]);
	lane_fini(conn, &conn->lanes[LANE_UP_DOWN]);
	side_fini(&conn->down);
	side_fini(&conn->up);
	if (conn->up.counted) {
		conn->cluster->row->cx_active--;
		conn->cluster->row->cx_destroy++;
	}
	row->cx_active--;
	row->cx_destroy++;
	row->cx_length_ms += worker->now_ms - conn->begun_ms;
	atomic_fetch_sub_explicit(&conn->listener->limits->connections, 1,
				  memory_order_relaxed);
	atomic_fetch_sub_explicit(&worker->connections, 1,
				  memory_order_relaxed);
	list_del(&conn->node);
	free(conn);
}

void conn_handshake_over(struct conn *conn)
{
	if (!conn->down.shaking)
		return;
	conn->down.shaking = false;
	conn->listener->row->handshakes--;
	atomic_fetch_sub_explicit(&conn->listener->limits->handshakes, 1,
				  memory_order_relaxed);
}

const char *conn_reason_words(enum conn_reason reason)
{
	static const char *const words[] = {
#define CONN_REASON_WORDS(name, text) [CONN_##name] = text,
		CONN_REASONS(CONN_REASON_WORDS)
#undef CONN_REASON_WORDS
	};

	return words[reason];
}

static const char *engine_words(const struct side *side, char text[static 32])
{
	static const char *const names[] = {
		[ENGINE_USER] = "user",
		[ENGINE_KERNEL] = "kernel",
	};

	if (!side->tls)
		return "plain";
	snprintf(text, 32, "rx:%s/tx:%s", names[side->tls->rx_engine],
		 names[side->tls->tx_engine]);
	return text;
}

void conn_log(const struct conn *conn)
{
	const struct side *tls_side = conn->down.tls ? &conn->down : &conn->up;
	char down[ADDR_TEXT_MAX], up[ADDR_TEXT_MAX];
	char rx[24], tx[24], duration[24];
	char engine_down[32], engine_up[32];
	const char *version = "-", *cipher = "-";

	if (tls_side->tls) {
		version = tls_side->tls->version;
		cipher = tls_side->tls->cipher;
	}
	snprintf(rx, sizeof(rx), "%llu",
		 (unsigned long long)conn->lanes[LANE_DOWN_UP].bytes);
	snprintf(tx, sizeof(tx), "%llu",
		 (unsigned long long)conn->lanes[LANE_UP_DOWN].bytes);
	snprintf(duration, sizeof(duration), "%llu",
		 (unsigned long long)(conn->worker->now_ms - conn->begun_ms));
	log_line(LOG_LEVEL_INFO, "connection ended", "listener",
		 conn->listener->config->name, "reason",
		 conn_reason_words(conn->reason), "down",
		 addr_format(&conn->down.peer, down), "up",
		 addr_format(&conn->up.peer, up), "cluster",
		 conn->cluster->config->name, "rx_bytes", rx, "tx_bytes", tx,
		 "duration_ms", duration, "tls", version, "cipher", cipher,
		 "engine_down", engine_words(&conn->down, engine_down),
		 "engine_up", engine_words(&conn->up, engine_up),
		 conn->err.text[0] ? "error" : NULL, conn->err.text, NULL);
}

void conn_end(struct conn *conn, enum conn_reason reason)
{
	if (conn->stage == WAY_CLOSE)
		return;
	conn->reason = (uint8_t)reason;
	conn->stage = WAY_CLOSE;
	close_enter(conn);
}

void conn_end_with(struct conn *conn, enum conn_reason reason,
		   const struct side *told, uint8_t alert)
{
	uint8_t goodbye = alert ? GOODBYE_ALERT : GOODBYE_NOTIFY;

	if (conn->stage == WAY_CLOSE)
		return;
	if (told == &conn->down)
		conn->down_goodbye = goodbye;
	else
		conn->up_goodbye = goodbye;
	conn->alert = alert;
	conn_end(conn, reason);
}
