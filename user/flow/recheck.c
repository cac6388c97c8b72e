/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/recheck.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "flow/worker.h"

/* What a side's peer is checked by. */
struct demand {
	const struct config_validation *validation;
	const struct trust *trust; /* NULL: by nothing */
};

static struct demand demand_of_listener(const struct generation *generation,
					const char *name)
{
	const struct plan *plan = generation->plan;

	for (size_t i = 0; i < plan->config->listener_count; i++)
		if (strcmp(plan->config->listeners[i].name, name) == 0)
			return (struct demand){
				&plan->config->listeners[i].validation,
				plan->credentials->listeners[i].trust};
	return (struct demand){0};
}

static struct demand demand_of_cluster(const struct generation *generation,
				       const char *name)
{
	const struct plan *plan = generation->plan;

	for (size_t i = 0; i < plan->config->cluster_count; i++)
		if (strcmp(plan->config->clusters[i].name, name) == 0)
			return (struct demand){
				&plan->config->clusters[i].validation,
				plan->credentials->clusters[i].trust};
	return (struct demand){0};
}

static struct demand demand_by(const struct conn *conn, const struct side *side,
			       const struct generation *generation)
{
	return side->is_up ? demand_of_cluster(generation,
					       conn->cluster->config->name)
			   : demand_of_listener(generation,
						conn->listener->config->name);
}

/* Who is gone from the configuration has nobody who could say no. */
static void judge(struct conn *conn, struct side *side)
{
	const struct generation *served = conn->listener->generation;
	const struct generation *now = conn->worker->generation;
	struct demand demand;
	struct err err;
	int alert;

	if (!side->shown || conn->stage == WAY_CLOSE || served == now)
		return;
	demand = demand_by(conn, side, now);
	if (!demand.trust ||
	    demand.trust == demand_by(conn, side, served).trust)
		return;
	alert = peer_judge(side->shown, demand.trust, demand.validation,
			   !side->is_up, &err);
	if (!alert)
		return;
	side->counters->peer_untrusted++;
	err_set(conn_words(conn), EACCES, "trusted no longer: %s", err.text);
	conn_end_with(conn, CONN_UNTRUSTED, side, (uint8_t)alert);
}

void recheck(struct conn *conn)
{
	judge(conn, &conn->down);
	judge(conn, &conn->up);
}

void recheck_all(struct worker *worker)
{
	struct list *node, *after;

	list_for_each_safe (node, after, &worker->conns)
		recheck(list_entry(node, struct conn, node));
}

/* ---- certificates that end */

/* The wall's clock may be set: it is asked again at least this often. */
#define LOOK_MS_MAX 3600000

static void arm(struct conn *conn, struct side *side)
{
	int64_t left_ms = (int64_t)(side->shown->ends - time(NULL)) * 1000;

	if (left_ms < 0)
		left_ms = 0;
	if (left_ms > LOOK_MS_MAX)
		left_ms = LOOK_MS_MAX;
	timer_arm(&conn->worker->wheel, &side->expiry,
		  conn->worker->now_ms + (uint64_t)left_ms);
}

static void expired(struct timer *timer)
{
	struct side *side = list_entry(timer, struct side, expiry);
	struct conn *conn = side_conn(side);

	if (conn->stage == WAY_CLOSE)
		return;
	if (time(NULL) < side->shown->ends) {
		arm(conn, side);
		return;
	}
	side->counters->peer_expired++;
	err_set(conn_words(conn), EKEYEXPIRED,
		"the peer's certificate has expired");
	conn_end_with(conn, CONN_EXPIRED, side, SSL_AD_CERTIFICATE_EXPIRED);
}

int recheck_keep(struct conn *conn, struct side *side)
{
	struct demand demand =
		demand_by(conn, side, conn->listener->generation);

	timer_init(&side->expiry, expired);
	if (!demand.trust)
		return 0;
	side->shown = tls_handshake_peer(side->handshake, &conn->worker->peers);
	if (!side->shown)
		return -ENOMEM;
	if (demand.validation->close_at_expiry)
		arm(conn, side);
	return 0;
}

void recheck_fini(struct conn *conn, struct side *side)
{
	if (!side->shown)
		return;
	timer_cancel(&conn->worker->wheel, &side->expiry);
	peer_give(side->shown);
}
