/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct listener_limits *limits_of(const struct plan *previous,
					 const char *name)
{
	for (size_t i = 0; previous && i < previous->config->listener_count;
	     i++) {
		if (strcmp(previous->config->listeners[i].name, name) != 0)
			continue;
		atomic_fetch_add(&previous->limits[i]->refs, 1);
		return previous->limits[i];
	}
	return NULL;
}

static struct listener_limits *limits_new(void)
{
	struct listener_limits *limits = calloc(1, sizeof(*limits));

	if (limits)
		atomic_store(&limits->refs, 1);
	return limits;
}

static void limits_unref(struct listener_limits *limits)
{
	if (limits && atomic_fetch_sub(&limits->refs, 1) == 1)
		free(limits);
}

static int fill_limits(struct plan *plan, const struct plan *previous,
		       const struct config *config)
{
	plan->limits = calloc(config->listener_count, sizeof(*plan->limits));
	if (!plan->limits)
		return -ENOMEM;
	for (size_t i = 0; i < config->listener_count; i++) {
		plan->limits[i] =
			limits_of(previous, config->listeners[i].name);
		if (!plan->limits[i])
			plan->limits[i] = limits_new();
		if (!plan->limits[i])
			return -ENOMEM;
	}
	return 0;
}

static bool same_discovery(const struct config_cluster *a,
			   const struct config_cluster *b)
{
	return strcmp(a->name, b->name) == 0 && a->discovery.hostname &&
	       b->discovery.hostname &&
	       strcmp(a->discovery.hostname, b->discovery.hostname) == 0 &&
	       a->discovery.port == b->discovery.port &&
	       a->discovery.in_turn == b->discovery.in_turn &&
	       a->discovery.family == b->discovery.family;
}

static struct membership *membership_of(const struct plan *previous,
					const struct config_cluster *cluster)
{
	for (size_t i = 0; previous && i < previous->config->cluster_count; i++)
		if (same_discovery(&previous->config->clusters[i], cluster))
			return membership_ref(previous->memberships[i]);
	return membership_new();
}

static int fill_memberships(struct plan *plan, const struct plan *previous,
			    const struct config *config)
{
	plan->memberships =
		calloc(config->cluster_count + 1, sizeof(struct membership *));
	if (!plan->memberships)
		return -ENOMEM;
	for (size_t i = 0; i < config->cluster_count; i++) {
		if (!config->clusters[i].discovery.hostname)
			continue;
		plan->memberships[i] =
			membership_of(previous, &config->clusters[i]);
		if (!plan->memberships[i])
			return -ENOMEM;
	}
	return 0;
}

static void plan_free(struct plan *plan, const struct config *config)
{
	for (size_t i = 0; plan->limits && i < config->listener_count; i++)
		limits_unref(plan->limits[i]);
	free(plan->limits);
	for (size_t i = 0; plan->memberships && i < config->cluster_count; i++)
		membership_unref(plan->memberships[i]);
	free(plan->memberships);
	tickets_unref(plan->tickets);
	doors_fini(&plan->doors);
	free(plan);
}

int plan_new(struct config *config, struct credentials *credentials,
	     struct counters *counters, struct intercept *intercept,
	     const struct plan *previous, struct plan **ret_plan,
	     struct err *err)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return err_set(err, ENOMEM, "memory is short");
	atomic_store(&plan->refs, 1);
	plan->counters = counters;
	plan->access_log = previous ? previous->access_log : NULL;
	plan->doors.home = -1;
	r = fill_limits(plan, previous, config);
	if (!r)
		r = fill_memberships(plan, previous, config);
	if (r < 0) {
		err_set(err, ENOMEM, "memory is short");
	} else if (previous) {
		plan->tickets = tickets_ref(previous->tickets);
	} else {
		r = tickets_new(&plan->tickets, err);
		if (!r && config->tickets_path)
			r = tickets_load(plan->tickets, config->tickets_path,
					 err);
	}
	if (!r)
		r = doors_init(&plan->doors, intercept, config, err);
	if (r < 0) {
		plan_free(plan, config);
		return r;
	}
	plan->config = config;
	plan->credentials = credentials;
	*ret_plan = plan;
	return 0;
}

struct plan *plan_ref(struct plan *plan)
{
	atomic_fetch_add(&plan->refs, 1);
	return plan;
}

void plan_unref(struct plan *plan)
{
	struct config *config;

	if (!plan || atomic_fetch_sub(&plan->refs, 1) != 1)
		return;
	config = plan->config;
	credentials_unref(plan->credentials);
	plan_free(plan, config);
	config_free(config);
}
