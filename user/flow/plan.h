/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan: one generation of what the daemon does: a configuration and what all
 * workers share for it.
 *
 * Immutable but for the limits' counts. Made by the control thread; each
 * worker that serves it holds a reference, and the last one to go frees it,
 * the configuration included.
 */
#ifndef MILLRACE_FLOW_PLAN_H
#define MILLRACE_FLOW_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/counters.h"
#include "config/config.h"
#include "flow/access_log.h"
#include "flow/doors.h"
#include "identity/credentials.h"
#include "mesh/membership.h"
#include "tls/tickets.h"

/* What all workers together hold for one listener, across generations. */
struct listener_limits {
	atomic_uint refs;
	atomic_uint connections;
	atomic_uint handshakes;
};

struct plan {
	atomic_uint refs;
	struct config *config;
	struct counters *counters;	 /* must outlive the plan */
	struct access_log *access_log;	 /* so must this; or NULL */
	struct listener_limits **limits; /* one per listener */
	struct credentials *credentials;
	struct tickets *tickets;
	struct membership **memberships; /* per cluster; NULL: given */
	struct doors doors;
};

/*
 * Takes config and credentials (read for it) over when it succeeds. previous
 * (or NULL) is the plan that this one follows: listeners of the same name go
 * on with the same counts, clusters that are found by the same name with the
 * same membership, tickets with the same keys. intercept is NULL or has
 * claimed config's sites. The caller holds the first reference.
 */
int plan_new(struct config *config, struct credentials *credentials,
	     struct counters *counters, struct intercept *intercept,
	     const struct plan *previous, struct plan **ret_plan,
	     struct err *err) __attribute__((warn_unused_result));

struct plan *plan_ref(struct plan *plan);

/* Any thread. NULL is allowed. */
void plan_unref(struct plan *plan);

#endif
