/* SPDX-License-Identifier: BSD-2-Clause */
#include "mesh/discovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "mesh/resolver.h"

/* Seconds; a TTL outside counts as the nearer one. */
#define TTL_MIN 1
#define TTL_MAX 3600
#define RETRY_MS_MAX 30000

enum verdict {
	VERDICT_FAILED,
	VERDICT_EMPTY, /* the name has no address of this family */
	VERDICT_FOUND,
};

/* What was found last for one family. */
struct answer {
	struct target *target;
	bool asked;
	enum verdict verdict; /* of the last lookup */
	int status;	      /* c-ares' */
	int ttl;	      /* seconds */
	struct members found;
};

/* A cluster's name. */
struct target {
	struct list node;
	struct discovery *discovery;
	struct membership *membership;
	struct cluster_row *row; /* the control thread's fields of it */
	struct config_discovery dns;
	char *cluster;
	sd_event_source *timer;
	struct answer answers[2]; /* AF_INET, AF_INET6 */
	unsigned int in_flight;
	unsigned int failures; /* in a row */
	bool ended;	       /* freed with the last lookup in flight */
	bool kept;	       /* while a configuration is followed */
	struct members now;    /* as the membership has it */
};

struct discovery {
	sd_event *loop;
	struct discovery_hooks hooks;
	struct resolver *resolver;
	struct config_dns dns; /* the resolver's */
	struct list targets;
};

static const int families[] = {AF_INET, AF_INET6};

static void lookup(struct target *target);

/* ---- targets */

static void target_release(struct target *target)
{
	if (!target->ended || target->in_flight)
		return;
	for (int i = 0; i < 2; i++)
		free(target->answers[i].found.items);
	free(target->now.items);
	free(target->dns.hostname);
	free(target->cluster);
	membership_unref(target->membership);
	free(target);
}

static void target_end(struct target *target)
{
	list_del(&target->node);
	sd_event_source_disable_unref(target->timer);
	target->timer = NULL;
	target->ended = true;
	target_release(target);
}

static int due(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	lookup(data);
	return 0;
}

static void later(struct target *target, uint64_t wait_ms)
{
	sd_event_source_set_time_relative(target->timer, wait_ms * 1000);
	sd_event_source_set_enabled(target->timer, SD_EVENT_ONESHOT);
}

/* ---- what an answer makes of the membership */

/* It was made for as many as there can be. */
static void shrink(struct members *members)
{
	struct addr *items =
		realloc(members->items, (members->count + 1) * sizeof(*items));

	if (items)
		members->items = items;
}

static bool has(const struct members *members, const struct addr *addr)
{
	for (size_t i = 0; i < members->count; i++)
		if (addr_equal(&members->items[i], addr))
			return true;
	return false;
}

/* By the set: resolvers turn the order of their answers. */
static bool same_set(const struct members *a, const struct members *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!has(b, &a->items[i]))
			return false;
	return true;
}

static bool same_order(const struct members *a, const struct members *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!addr_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}

static bool counts(const struct target *target, int family)
{
	size_t v4 = target->answers[0].found.count;
	size_t v6 = target->answers[1].found.count;

	switch (target->dns.family) {
	case CONFIG_FAMILY_IPV4_PREFERRED:
		return family == 0 || !v4;
	case CONFIG_FAMILY_IPV6_PREFERRED:
		return family == 1 || !v6;
	default:
		return true;
	}
}

static int merge(const struct target *target, struct members *ret)
{
	ret->items = calloc(MEMBERSHIP_MAX, sizeof(*ret->items));
	ret->count = 0;
	if (!ret->items)
		return -ENOMEM;
	for (int f = 0; f < 2; f++) {
		const struct members *found = &target->answers[f].found;

		for (size_t i = 0; counts(target, f) && i < found->count &&
				   ret->count < MEMBERSHIP_MAX;
		     i++)
			if (!has(ret, &found->items[i]))
				ret->items[ret->count++] = found->items[i];
	}
	shrink(ret);
	return 0;
}

static void tell_change(const struct target *target)
{
	char count[24];

	snprintf(count, sizeof(count), "%zu", target->now.count);
	log_line(LOG_LEVEL_INFO, "endpoints changed", "cluster",
		 target->cluster, "hostname", target->dns.hostname, "count",
		 count, NULL);
}

static void publish(struct target *target)
{
	struct members merged = {0};
	bool changed;

	if (merge(target, &merged))
		return;
	changed = !same_set(&merged, &target->now);
	/* Endpoints that are taken in turn have no order. */
	if (target->dns.in_turn ? !changed
				: same_order(&merged, &target->now)) {
		free(merged.items);
		return;
	}
	if (membership_set(target->membership, merged.items, merged.count)) {
		free(merged.items);
		return;
	}
	merged.version = 1;
	free(target->now.items);
	target->now = merged;
	target->row->membership_total = merged.count;
	target->row->membership_healthy = merged.count;
	if (changed) {
		target->row->membership_change++;
		tell_change(target);
	}
	target->discovery->hooks.changed(target->discovery->hooks.data);
}

/* Whoever waits for a first answer waits no longer: there is none. */
static void say_none(struct target *target)
{
	if (target->now.version || membership_set(target->membership, NULL, 0))
		return;
	target->now.version = 1;
	target->discovery->hooks.changed(target->discovery->hooks.data);
}

static void failed(struct target *target, const char *why)
{
	uint64_t wait_ms = target->failures < 5 ? 1000ULL << target->failures
						: RETRY_MS_MAX;

	if (!target->failures++)
		log_line(LOG_LEVEL_WARNING,
			 "a name was not resolved; the addresses found last "
			 "stay in use",
			 "cluster", target->cluster, "hostname",
			 target->dns.hostname, "why", why, NULL);
	say_none(target);
	later(target, wait_ms);
}

static void concluded(struct target *target)
{
	int ttl = TTL_MAX, status = ARES_ENODATA;
	bool found = false, lost = false;

	for (int i = 0; i < 2; i++) {
		struct answer *answer = &target->answers[i];

		if (!answer->asked)
			continue;
		found |= answer->verdict == VERDICT_FOUND;
		lost |= answer->verdict == VERDICT_FAILED;
		if (answer->verdict == VERDICT_FAILED)
			status = answer->status;
		if (answer->verdict == VERDICT_FOUND && answer->ttl < ttl)
			ttl = answer->ttl;
	}
	if (!found) {
		*(lost ? &target->row->update_failure
		       : &target->row->update_empty) += 1;
		failed(target, ares_strerror(status));
		return;
	}
	/* It has addresses, only none of this family any more. */
	for (int i = 0; i < 2; i++)
		if (target->answers[i].verdict == VERDICT_EMPTY)
			target->answers[i].found.count = 0;
	target->row->update_success++;
	target->failures = 0;
	publish(target);
	later(target, (uint64_t)(ttl > TTL_MIN ? ttl : TTL_MIN) * 1000);
}

/* ---- lookups */

static int take_node(struct members *found, const struct sockaddr *from,
		     uint16_t port)
{
	struct addr *addr = &found->items[found->count];

	memset(addr, 0, sizeof(*addr));
	if (from->sa_family == AF_INET) {
		memcpy(&addr->v4, from, sizeof(addr->v4));
		addr->v4.sin_port = htons(port);
		addr->size = sizeof(addr->v4);
	} else if (from->sa_family == AF_INET6) {
		memcpy(&addr->v6, from, sizeof(addr->v6));
		addr->v6.sin6_port = htons(port);
		addr->size = sizeof(addr->v6);
	} else {
		return -EAFNOSUPPORT;
	}
	found->count++;
	return 0;
}

static void take(struct answer *answer, const struct ares_addrinfo *result)
{
	const struct ares_addrinfo_node *node;
	const struct ares_addrinfo_cname *alias;
	struct members found = {0};

	found.items = calloc(MEMBERSHIP_MAX, sizeof(*found.items));
	answer->verdict = VERDICT_FAILED;
	answer->status = ARES_ENOMEM;
	if (!found.items)
		return;
	answer->ttl = TTL_MAX;
	for (node = result->nodes; node && found.count < MEMBERSHIP_MAX;
	     node = node->ai_next) {
		if (take_node(&found, node->ai_addr, answer->target->dns.port))
			continue;
		if (node->ai_ttl < answer->ttl)
			answer->ttl = node->ai_ttl;
	}
	for (alias = result->cnames; alias; alias = alias->next)
		if (alias->ttl < answer->ttl)
			answer->ttl = alias->ttl;
	answer->verdict = found.count ? VERDICT_FOUND : VERDICT_EMPTY;
	if (!found.count) {
		free(found.items);
		return;
	}
	shrink(&found);
	free(answer->found.items);
	answer->found = found;
}

static void answered(void *data, int status, int timeouts,
		     struct ares_addrinfo *result)
{
	struct answer *answer = data;
	struct target *target = answer->target;

	(void)timeouts;
	target->in_flight--;
	answer->status = status;
	if (target->ended) {
		ares_freeaddrinfo(result);
		target_release(target);
		return;
	}
	if (status == ARES_SUCCESS)
		take(answer, result);
	else
		answer->verdict =
			status == ARES_ENODATA ? VERDICT_EMPTY : VERDICT_FAILED;
	ares_freeaddrinfo(result);
	if (target->in_flight)
		return;
	/* The resolver gave way to another one: ask that. */
	if (status == ARES_EDESTRUCTION)
		later(target, 0);
	else
		concluded(target);
}

static void lookup(struct target *target)
{
	struct discovery *discovery = target->discovery;
	enum config_family family = target->dns.family;

	target->answers[0].asked = family != CONFIG_FAMILY_IPV6;
	target->answers[1].asked = family != CONFIG_FAMILY_IPV4;
	/* Counted beforehand: an answer may come before the call returns. */
	target->in_flight = (unsigned int)target->answers[0].asked +
			    (unsigned int)target->answers[1].asked;
	target->row->update_attempt++;
	for (int i = 0; i < 2; i++)
		if (target->answers[i].asked)
			resolver_ask(discovery->resolver, target->dns.hostname,
				     families[i], answered,
				     &target->answers[i]);
}

/* ---- following the configuration */

static struct target *find(struct discovery *discovery,
			   const struct membership *membership)
{
	struct list *node;

	list_for_each (node, &discovery->targets) {
		struct target *target = list_entry(node, struct target, node);

		if (target->membership == membership)
			return target;
	}
	return NULL;
}

static int begin(struct discovery *discovery,
		 const struct config_cluster *cluster,
		 struct membership *membership, struct cluster_row *row)
{
	struct target *target = calloc(1, sizeof(*target));
	int r;

	if (!target)
		return -ENOMEM;
	list_add_tail(&target->node, &discovery->targets);
	target->discovery = discovery;
	target->membership = membership_ref(membership);
	target->row = row;
	target->kept = true;
	target->dns = cluster->discovery;
	target->dns.hostname = strdup(cluster->discovery.hostname);
	target->cluster = strdup(cluster->name);
	for (int i = 0; i < 2; i++)
		target->answers[i].target = target;
	r = sd_event_add_time_relative(discovery->loop, &target->timer,
				       CLOCK_MONOTONIC, 0, CLOCK_ACCURACY_US,
				       due, target);
	if (r >= 0 && target->dns.hostname && target->cluster)
		return 0;
	target_end(target);
	return r < 0 ? r : -ENOMEM;
}

static bool same_servers(const struct config_dns *a, const struct config_dns *b)
{
	if (a->server_count != b->server_count ||
	    a->timeout_ms != b->timeout_ms)
		return false;
	for (size_t i = 0; i < a->server_count; i++)
		if (!addr_equal(&a->servers[i], &b->servers[i]))
			return false;
	return true;
}

static int follow_resolver(struct discovery *discovery,
			   const struct config_dns *dns, struct err *err)
{
	struct resolver *next = NULL, *old = discovery->resolver;
	struct addr *servers;
	int r;

	/* What /etc/resolv.conf says may have changed as well. */
	if (old && dns->server_count && same_servers(dns, &discovery->dns))
		return 0;
	servers = calloc(dns->server_count + 1, sizeof(*servers));
	if (!servers)
		return err_set(err, ENOMEM, "memory is short");
	if (dns->server_count)
		memcpy(servers, dns->servers,
		       dns->server_count * sizeof(*servers));
	r = resolver_new(discovery->loop, dns, &next, err);
	if (r) {
		free(servers);
		return r;
	}
	free(discovery->dns.servers);
	discovery->dns = *dns;
	discovery->dns.servers = servers;
	discovery->resolver = next;
	/* What it had in flight fails, and is asked of the next one. */
	resolver_free(old);
	return 0;
}

int discovery_follow(struct discovery *discovery, const struct config *config,
		     struct membership *const *memberships,
		     struct counters *counters, struct err *err)
{
	struct list *node, *after;
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < config->cluster_count; i++)
		any |= memberships[i] != NULL;
	if (any)
		r = follow_resolver(discovery, &config->dns, err);
	if (r)
		return r;
	list_for_each (node, &discovery->targets)
		list_entry(node, struct target, node)->kept = false;
	for (size_t i = 0; !r && i < config->cluster_count; i++) {
		const struct config_cluster *cluster = &config->clusters[i];
		struct cluster_row *row = counters_cluster(counters, i, 0);
		struct target *target;

		if (!memberships[i]) {
			row->membership_total = cluster->endpoint_count;
			row->membership_healthy = cluster->endpoint_count;
			continue;
		}
		target = find(discovery, memberships[i]);
		if (target) {
			target->kept = true;
			target->row = row;
		} else {
			r = begin(discovery, cluster, memberships[i], row);
		}
	}
	list_for_each_safe (node, after, &discovery->targets) {
		struct target *target = list_entry(node, struct target, node);

		if (!target->kept)
			target_end(target);
	}
	return r ? err_set(err, -r, "discovery: %s", strerror(-r)) : 0;
}

int discovery_new(sd_event *loop, const struct discovery_hooks *hooks,
		  struct discovery **ret, struct err *err)
{
	struct discovery *discovery = calloc(1, sizeof(*discovery));

	if (!discovery)
		return err_set(err, ENOMEM, "memory is short");
	discovery->loop = loop;
	discovery->hooks = *hooks;
	list_init(&discovery->targets);
	*ret = discovery;
	return 0;
}

void discovery_free(struct discovery *discovery)
{
	struct list *node, *after;

	if (!discovery)
		return;
	list_for_each_safe (node, after, &discovery->targets)
		target_end(list_entry(node, struct target, node));
	resolver_free(discovery->resolver);
	free(discovery->dns.servers);
	free(discovery);
}
