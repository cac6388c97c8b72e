/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * discovery: keeps the memberships of clusters whose endpoints go by a DNS
 * name, by asking again whenever an answer's time to live is over.
 *
 * All of it runs in the control thread's loop (resolver.h); nothing waits. A
 * lookup that fails, or finds nothing, keeps the addresses found last, is
 * counted (update_failure, update_empty) and tried again, after one second
 * and then ever later, up to RETRY_MS_MAX.
 */
#ifndef MILLRACE_MESH_DISCOVERY_H
#define MILLRACE_MESH_DISCOVERY_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "bpf/counters.h"
#include "config/config.h"
#include "mesh/membership.h"

struct discovery;

/* changed(data) is called after each first answer, failed ones included, and
 * after each change of a membership. */
struct discovery_hooks {
	void (*changed)(void *data);
	void *data;
};

int discovery_new(sd_event *loop, const struct discovery_hooks *hooks,
		  struct discovery **ret, struct err *err)
	__attribute__((warn_unused_result));

/* NULL is allowed. */
void discovery_free(struct discovery *discovery);

/*
 * config is what is served from now on; memberships has one per cluster, or
 * NULL where endpoints are given. What was being kept already goes on.
 * counters follow config already. 0 or -errno.
 */
int discovery_follow(struct discovery *discovery, const struct config *config,
		     struct membership *const *memberships,
		     struct counters *counters, struct err *err)
	__attribute__((warn_unused_result));

#endif
