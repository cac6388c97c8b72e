/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/conn.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/durations.h"
#include "base/log.h"
#include "flow/close.h"
#include "flow/forward.h"
#include "flow/recheck.h"
#include "flow/tickets.h"
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
	addr_unmap(&side->peer);
}

static bool holds_port(const struct intercept_numbers *ports, uint16_t port)
{
	for (size_t i = 0; i < ports->count; i++)
		if (ports->items[i] == port)
			return true;
	return !ports->count;
}

/* By where it was meant to go, if that is known and the listener asks; else
 * the listener's own. False: only a route can tell. */
static bool choose_cluster(const struct config_listener *config,
			   const struct addr *origin, size_t *ret_cluster)
{
	/* The port is in the same place in either family. */
	uint16_t port = ntohs(origin->v4.sin_port);

	for (size_t i = 0; origin->size && i < config->destination_count; i++) {
		const struct config_destination *at = &config->destinations[i];

		if ((at->any_network ||
		     intercept_network_holds(&at->network, origin)) &&
		    holds_port(&at->ports, port)) {
			*ret_cluster = at->cluster;
			return true;
		}
	}
	*ret_cluster = config->cluster;
	return config->has_cluster;
}

struct conn *conn_new(struct worker *worker, struct worker_listener *listener,
		      int door, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	size_t cluster;

	if (!conn)
		return NULL;
	conn->worker = worker;
	conn->listener = listener;
	conn->door = door;
	if (door != DOORS_NONE &&
	    doors_origin(&listener->generation->plan->doors, fd, &conn->origin))
		conn->origin.size = 0;
	conn->stage = WAY_ACCEPT;
	conn->begun_ms = conn->active_ms = worker->now_ms;
	list_init(&conn->waiting);
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
	conn->has_cluster =
		choose_cluster(listener->config, &conn->origin, &cluster);
	conn_choose_cluster(conn, cluster);
	lane_init(&conn->lanes[LANE_DOWN_UP], LANE_DOWN_UP);
	lane_init(&conn->lanes[LANE_UP_DOWN], LANE_UP_DOWN);
	list_add_tail(&conn->node, &worker->conns);
	atomic_fetch_add_explicit(&worker->connections, 1,
				  memory_order_relaxed);
	listener->row->cx_active++;
	generation_hold(listener->generation);
	return conn;
}

void conn_choose_cluster(struct conn *conn, size_t index)
{
	conn->cluster = &conn->listener->generation->clusters[index];
	conn->up.counters =
		conn->cluster->ctx
			? view(&conn->cluster->row->ssl_connection_error)
			: NULL;
}

static void side_fini(struct side *side)
{
	assert(!side->op.armed);
	if (side->fd >= 0)
		close(side->fd);
	tls_handshake_free(side->handshake);
	free(side->sni);
	free(side->identity);
	if (side->tls) {
		OPENSSL_cleanse(side->tls, sizeof(*side->tls));
		free(side->tls);
	}
}

static void count_up_end(struct conn *conn)
{
	struct worker_cluster *cluster = conn->cluster;

	cluster->row->cx_active--;
	cluster->row->cx_destroy++;
	if (conn->up_left)
		cluster->row->cx_destroy_remote++;
	else
		cluster->row->cx_destroy_local++;
	durations_add(&cluster->times->cx_length_ms,
		      conn->worker->now_ms - conn->up_ms);
}

struct err *conn_words(struct conn *conn)
{
	if (!conn->words)
		conn->words = calloc(1, sizeof(*conn->words));
	return conn->words;
}

void conn_unsay(struct conn *conn)
{
	free(conn->words);
	conn->words = NULL;
}

const char *conn_said(const struct conn *conn)
{
	return conn->words && conn->words->text[0] ? conn->words->text : NULL;
}

void conn_free(struct conn *conn)
{
	struct worker *worker = conn->worker;
	struct listener_row *row = conn->listener->row;

	timer_cancel(&worker->wheel, &conn->timer);
	lane_fini(conn, &conn->lanes[LANE_DOWN_UP]);
	lane_fini(conn, &conn->lanes[LANE_UP_DOWN]);
	tickets_end(conn, &conn->up);
	recheck_fini(conn, &conn->down);
	recheck_fini(conn, &conn->up);
	side_fini(&conn->down);
	side_fini(&conn->up);
	if (conn->up.counted)
		count_up_end(conn);
	/* Who sees that it is no longer counted finds its place free. */
	atomic_fetch_sub_explicit(&conn->listener->limits->connections, 1,
				  memory_order_release);
	row->cx_active--;
	row->cx_destroy++;
	row->cx_length_ms += worker->now_ms - conn->begun_ms;
	durations_add(&conn->listener->times->cx_length_ms,
		      worker->now_ms - conn->begun_ms);
	atomic_fetch_sub_explicit(&worker->connections, 1,
				  memory_order_relaxed);
	listing_leave(conn);
	list_del(&conn->node);
	list_del(&conn->waiting);
	generation_drop(conn->listener->generation);
	conn_unsay(conn);
	free(conn);
}

void conn_handshake_over(struct conn *conn)
{
	if (!conn->down.shaking)
		return;
	conn->down.shaking = false;
	atomic_fetch_sub_explicit(&conn->listener->limits->handshakes, 1,
				  memory_order_release);
	conn->listener->row->handshakes--;
}

void conn_ahead_over(struct conn *conn)
{
	if (!conn->is_ahead)
		return;
	conn->is_ahead = false;
	ahead_leave(&conn->worker->ahead, conn->ahead_slot);
}

void conn_pre_begin(struct conn *conn)
{
	conn->is_pre = true;
	conn->listener->row->pre_cx_active++;
}

void conn_pre_over(struct conn *conn)
{
	if (conn->is_pre)
		conn->listener->row->pre_cx_active--;
	conn->is_pre = false;
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

const char *conn_engine_words(const struct side *side,
			      char text[static CONN_ENGINE_MAX])
{
	static const char *const names[] = {
		[ENGINE_USER] = "user",
		[ENGINE_KERNEL] = "kernel",
	};

	if (!side->tls)
		return "plain";
	snprintf(text, CONN_ENGINE_MAX, "rx:%s/tx:%s",
		 names[side->tls->rx_engine], names[side->tls->tx_engine]);
	return text;
}

void conn_log(const struct conn *conn)
{
	/* Those that went well must not hide the others. */
	static struct log_limit limits[2];
	const struct side *tls_side = conn->down.tls ? &conn->down : &conn->up;
	char down[ADDR_TEXT_MAX], up[ADDR_TEXT_MAX];
	char rx[24], tx[24], duration[24];
	char engine_down[CONN_ENGINE_MAX], engine_up[CONN_ENGINE_MAX];
	const char *version = "-", *cipher = "-";
	char held_back[16];
	unsigned int held;

	if (!log_on(LOG_LEVEL_INFO) ||
	    !log_limit_pass(&limits[conn->reason != CONN_DONE], &held))
		return;
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
	snprintf(held_back, sizeof(held_back), "%u", held);
	log_line(LOG_LEVEL_INFO, "connection ended", "listener",
		 conn->listener->config->name, "reason",
		 conn_reason_words(conn->reason), "down",
		 addr_format(&conn->down.peer, down), "up",
		 addr_format(&conn->up.peer, up), "cluster",
		 conn->cluster->config->name, "rx_bytes", rx, "tx_bytes", tx,
		 "duration_ms", duration, "tls", version, "cipher", cipher,
		 "engine_down", conn_engine_words(&conn->down, engine_down),
		 "engine_up", conn_engine_words(&conn->up, engine_up), "error",
		 conn_said(conn), "held_back", held ? held_back : NULL, NULL);
}

void conn_end(struct conn *conn, enum conn_reason reason)
{
	if (conn->stage == WAY_CLOSE)
		return;
	conn->reason = (uint8_t)reason;
	conn->up_left = conn->up_left || reason == CONN_RESET_BY_UP;
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

void conn_end_notified(struct conn *conn, enum conn_reason reason)
{
	if (conn->stage == WAY_CLOSE)
		return;
	if (conn->down.tls)
		conn->down_goodbye = GOODBYE_NOTIFY;
	if (conn->up.tls)
		conn->up_goodbye = GOODBYE_NOTIFY;
	conn_end(conn, reason);
}
