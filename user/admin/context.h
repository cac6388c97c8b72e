/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context: what the admin endpoint tells about, and what it may ask the
 * daemon to do. The control thread owns it and keeps it current; everything
 * in here is of that thread.
 */
#ifndef MILLRACE_ADMIN_CONTEXT_H
#define MILLRACE_ADMIN_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/counters.h"
#include "bpf/intercept.h"
#include "config/config.h"

struct snapshot;
struct plan;
struct credentials;
struct membership;
struct certs;
struct worker;
struct connections;

enum admin_state {
	ADMIN_LIVE,
	ADMIN_DRAINING,
	ADMIN_INITIALIZING,
};

/* What a POST may bring about. A NULL is answered with 501. */
struct admin_actions {
	/* Reads the configuration again. 0; -EAGAIN: the last time is not yet
	 * done with; -errno, and *ret_words (the caller's, or NULL) are the
	 * lines that tell why. */
	int (*reload)(void *data, char **ret_words);
	/* Stops accepting; with a deadline for what is open, or without. */
	void (*drain)(void *data, bool deadline);
	/* Stops accepting where a listener speaks TLS. */
	void (*drain_inbound)(void *data);
	/* Opens the access log anew; NULL: there is none. 0 or -errno. */
	int (*reopen_logs)(void *data, struct err *err);
	/* Ends the daemon, once the answer has had time to leave. */
	void (*quit)(void *data);
	void *data;
};

struct admin_context {
	const struct config *config;
	const struct credentials *credentials; /* NULL: none are known */
	struct membership *const *memberships; /* per cluster, or NULL */
	struct counters *counters;
	struct intercept *intercept; /* NULL: nothing is intercepted */
	enum admin_state state;
	uint64_t started_ms;
	uint64_t reloads; /* that succeeded */
	uint64_t reload_failures;
	bool reload_failed; /* the last one */
	uint64_t rotations; /* certificates renewed while running */
	uint64_t rotation_failures;
	bool rotation_failed; /* a file cannot be used: the old one stays */
	bool health_failed;   /* POST /healthcheck/fail */
	bool inbound_drained;
	struct worker *const *workers; /* that were started */
	unsigned int worker_count;
	struct admin_actions actions;
	struct connections *connections; /* NULL: there are no workers */
	/* private to admin/; admin_context_fini() frees them */
	struct snapshot *baseline; /* what /reset_counters saw; or NULL */
	struct certs *certs;	   /* that we show; or NULL */
};

/* What the world is told: a failed health check looks like a drain. */
enum admin_state admin_context_state(const struct admin_context *context);

/* How many connections are open. */
unsigned int admin_context_connections(const struct admin_context *context);

/* "LIVE", "DRAINING", "INITIALIZING" */
const char *admin_context_words(const struct admin_context *context);

/* plan is what is served from now on; it must last until the next one. */
void admin_context_follow(struct admin_context *context,
			  const struct plan *plan);

/* What belongs to admin/; the rest is the caller's. */
void admin_context_fini(struct admin_context *context);

#endif
