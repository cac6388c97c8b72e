/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * generation: a plan as one worker serves it: its listeners and clusters,
 * each with a context of its own.
 *
 * The control thread makes it, which is where everything can fail for
 * reasons that an operator can mend; from worker_serve() on it belongs
 * to the worker's thread. It lives until it was followed by another and its
 * last connection has ended.
 */
#ifndef MILLRACE_FLOW_GENERATION_H
#define MILLRACE_FLOW_GENERATION_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "flow/plan.h"
#include "tls/session.h"
#include <counters.h>

struct worker;
struct acceptor;

struct worker_listener {
	struct worker *worker;
	struct generation *generation;
	const struct config_listener *config;
	struct listener_row *row;
	struct negotiated_row *negotiated;
	struct listener_times_row *times;
	struct listener_limits *limits;
	SSL_CTX *ctx; /* NULL: plaintext */
	struct session_demands demands;
	struct acceptor *acceptor; /* a new one, until it is adopted */
};

struct worker_cluster {
	const struct config_cluster *config;
	struct cluster_row *row;
	struct negotiated_row *negotiated;
	struct cluster_times_row *times;
	SSL_CTX *ctx; /* NULL: plaintext */
	struct session_demands demands;
	uint32_t next;		       /* counts: whose turn it is */
	struct membership *membership; /* NULL: endpoints are given */
	struct members members;	       /* the worker's copy of it */
};

struct generation {
	struct plan *plan;
	struct worker_listener *listeners;
	struct worker_cluster *clusters;
	struct acceptor **doors; /* new ones, until they are adopted */
	size_t conns;		 /* that are served under it */
	bool retired;
};

/*
 * Makes the contexts, and listening sockets (bound, with SO_REUSEPORT shared
 * by the workers) for those addresses and doors that previous does not listen
 * on; previous may be NULL.
 */
int generation_new(struct plan *plan, const struct plan *previous,
		   struct worker *worker, unsigned int index,
		   struct generation **ret_generation, struct err *err)
	__attribute__((warn_unused_result));

/* No connection may be left. NULL is allowed. */
void generation_free(struct generation *generation);

/* It was followed by another; frees it at once, or with its last
 * connection. */
void generation_retire(struct generation *generation);

/* A connection begins, or has ended. */
void generation_hold(struct generation *generation);
void generation_drop(struct generation *generation);

#endif
