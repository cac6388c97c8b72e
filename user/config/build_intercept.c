/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/build_intercept.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "base/mounts.h"

#define SITE_NAME_MAX 40
#define SSH_PORT 22
#define ONLY_SITE "host"

/* Where clouds tell instances and tasks who they are. */
static const char *const metadata[] = {"169.254.169.254/32", "169.254.170.2/32",
				       "fd00:ec2::254/128"};

static void *room(struct build *build, size_t count, size_t size)
{
	void *items = calloc(count ? count : 1, size);

	if (!items)
		build->errors->out_of_memory = true;
	return items;
}

/* ---- lists */

static void numbers(struct build *build, const struct place *place,
		    const char *field, const struct schema_texts *from,
		    unsigned long min, unsigned long max,
		    struct intercept_numbers *ret)
{
	ret->items = room(build, from->count, sizeof(*ret->items));
	for (size_t i = 0; ret->items && i < from->count; i++) {
		const char *text = from->items[i].text;
		unsigned long value;
		char *rest;

		if (!text)
			continue;
		errno = 0;
		value = strtoul(text, &rest, 10);
		if (!isdigit((unsigned char)text[0]) || *rest || errno ||
		    value < min || value > max)
			TELL(build, from->items[i].line, place, field,
			     "\"%.40s\" is not a number from %lu to %lu", text,
			     min, max);
		else
			ret->items[ret->count++] = (uint32_t)value;
	}
}

void build_ports(struct build *build, const struct place *place,
		 const char *field, const struct schema_texts *from,
		 struct intercept_numbers *ret)
{
	numbers(build, place, field, from, 1, 65535, ret);
}

static bool network(struct build *build, const struct place *place,
		    const char *field, const struct schema_text *from,
		    struct intercept_network *ret)
{
	struct err err;

	if (!from->text)
		return false;
	if (!intercept_network_parse(from->text, ret, &err))
		return true;
	TELL(build, from->line, place, field, "%s", err.text);
	return false;
}

static void ignored_networks(struct build *build, const struct place *place,
			     const struct schema_texts *from,
			     struct intercept_networks *ret)
{
	size_t presets = sizeof(metadata) / sizeof(metadata[0]);

	ret->items = room(build, from->line ? from->count : presets,
			  sizeof(*ret->items));
	for (size_t i = 0; ret->items && from->line && i < from->count; i++)
		if (network(build, place, "egress.ignore.cidrs",
			    &from->items[i], &ret->items[ret->count]))
			ret->count++;
	for (size_t i = 0; ret->items && !from->line && i < presets; i++) {
		struct err err;

		if (intercept_network_parse(metadata[i], &ret->items[i], &err))
			abort();
		ret->count++;
	}
}

/* ---- what is named */

static char *cgroup_of(struct build *build, const struct place *place,
		       const char *field, const struct schema_text *from)
{
	struct err err;
	int fd;

	if (!from->text)
		return NULL;
	if (cgroups_open(from->text, &fd, &err))
		TELL(build, from->line, place, field, "%s", err.text);
	else
		close(fd);
	return build_copy(build, from->text);
}

static size_t listener_of(struct build *build, const struct place *place,
			  const char *field, const struct schema_text *name)
{
	const struct config *config = build->config;

	for (size_t i = 0; name->text && i < config->listener_count; i++)
		if (config->listeners[i].name &&
		    strcmp(config->listeners[i].name, name->text) == 0)
			return i;
	if (name->text)
		TELL(build, name->line, place, field,
		     "there is no listener \"%s\"", name->text);
	return config->listener_count;
}

static void add_door(struct build *build, size_t site,
		     enum abi_direction direction, size_t listener)
{
	struct intercept_spec *spec = build->config->intercept;

	spec->doors[spec->door_count++] = (struct intercept_door){
		.site = site, .direction = direction, .listener = listener};
}

/* ---- the directions of a site */

static void build_egress(struct build *build, const struct place *place,
			 const struct document_egress *from, size_t i)
{
	struct intercept_spec *spec = build->config->intercept;
	struct intercept_egress *egress = &spec->sites[i].egress;
	const struct config_listener *listener;
	size_t index =
		listener_of(build, place, "egress.listener", &from->listener);
	uint32_t *ports;

	egress->cgroup =
		cgroup_of(build, place, "egress.cgroup", &from->cgroup);
	egress->fail_open = from->fail_open != 0;
	numbers(build, place, "egress.ignore.uids", &from->ignore.uids, 0,
		UINT32_MAX, &egress->uids);
	numbers(build, place, "egress.ignore.gids", &from->ignore.gids, 0,
		UINT32_MAX, &egress->gids);
	build_ports(build, place, "egress.ignore.ports", &from->ignore.ports,
		    &egress->ports);
	ports = realloc(egress->ports.items,
			(egress->ports.count + 1) * sizeof(*ports));
	if (ports) {
		ports[egress->ports.count++] = SSH_PORT;
		egress->ports.items = ports;
	}
	ignored_networks(build, place, &from->ignore.cidrs, &egress->networks);
	if (index == build->config->listener_count)
		return;
	listener = &build->config->listeners[index];
	if (listener->tls_mode == CONFIG_TLS_STRICT)
		TELL(build, from->listener.line, place, "egress.listener",
		     "listener \"%s\" expects TLS, and applications send "
		     "plaintext; its tls.mode must be disabled",
		     listener->name);
	/* The same place in either family. */
	egress->port = ntohs(listener->listen.v4.sin_port);
	add_door(build, i, ABI_EGRESS, index);
}

static void build_ingress(struct build *build, const struct place *place,
			  const struct document_ingress *from, size_t i)
{
	struct intercept_site *site = &build->config->intercept->sites[i];
	struct intercept_ingress *ingress = &site->ingress;
	size_t index =
		listener_of(build, place, "ingress.listener", &from->listener);

	build_ports(build, place, "ingress.ports", &from->ports,
		    &ingress->ports);
	ingress->fail_open = from->fail_open != 0;
	ingress->transparent = from->transparent != 0;
	for (size_t k = 0; site->egress.port && k < ingress->ports.count; k++)
		if (ingress->ports.items[k] == site->egress.port)
			TELL(build, from->ports.line, place, "ingress.ports",
			     "%u is the port of the egress listener",
			     site->egress.port);
	if (index < build->config->listener_count)
		add_door(build, i, ABI_INGRESS, index);
}

static void build_guard(struct build *build, const struct place *place,
			const struct document_guard *from,
			struct intercept_site *site)
{
	const struct document_protected *items = from->protect.items;
	struct intercept_guard *guard = &site->guard;

	guard->mode = (enum abi_guard_mode)from->mode;
	guard->cgroup = cgroup_of(build, place, "guard.cgroup", &from->cgroup);
	guard->protected =
		room(build, from->protect.count, sizeof(*guard->protected));
	for (size_t i = 0; guard->protected && i < from->protect.count; i++) {
		struct intercept_protected *protected =
			&guard->protected[guard->protected_count++];

		network(build, place, "guard.protect.cidr", &items[i].cidr,
			&protected->network);
		build_ports(build, place, "guard.protect.ports",
			    &items[i].ports, &protected->ports);
	}
	if (guard->cgroup && site->egress.cgroup &&
	    !cgroups_covers(guard->cgroup, site->egress.cgroup))
		TELL(build, from->cgroup.line, place, "guard.cgroup",
		     "must be the cgroup of egress or lie above it: else what "
		     "egress redirects would be judged before it is");
}

/* ---- sites */

static void site_name(struct build *build, const struct place *place,
		      const struct schema_text *from,
		      struct intercept_site *site)
{
	const struct intercept_spec *spec = build->config->intercept;

	site->name = build_copy(build, from->text ? from->text : ONLY_SITE);
	if (!site->name)
		return;
	for (const char *at = site->name; *at; at++) {
		if (isalnum((unsigned char)*at) || strchr("_-", *at))
			continue;
		TELL(build, from->line, place, "name",
		     "a name may hold letters, digits, underscores and dashes "
		     "only");
		break;
	}
	if (strlen(site->name) > SITE_NAME_MAX)
		TELL(build, from->line, place, "name",
		     "a name has at most %d characters", SITE_NAME_MAX);
	for (const struct intercept_site *other = spec->sites; other < site;
	     other++)
		if (other->name && strcmp(other->name, site->name) == 0)
			TELL(build, from->line, place, "name",
			     "the name \"%s\" is taken", site->name);
}

/* Said for the site, or (as short as can be) for ingress. */
static void site_netns(struct build *build, const struct place *place,
		       const struct document_site *from,
		       struct intercept_site *site)
{
	const struct schema_text *netns = &from->netns;

	if (from->ingress.netns.text) {
		if (netns->text &&
		    strcmp(netns->text, from->ingress.netns.text) != 0)
			TELL(build, from->ingress.netns.line, place,
			     "ingress.netns",
			     "differs from the site's; a site is in one");
		netns = &from->ingress.netns;
	}
	if (!netns->text || strcmp(netns->text, "self") == 0)
		return;
	site->netns = build_copy(build, netns->text);
	if (access(netns->text, R_OK) != 0)
		TELL(build, netns->line, place, "netns", "%s: %s", netns->text,
		     strerror(errno));
}

static void build_site(struct build *build, const struct place *place,
		       const struct document_site *from, size_t i)
{
	struct intercept_site *site = &build->config->intercept->sites[i];

	site_name(build, place, &from->name, site);
	site_netns(build, place, from, site);
	if (from->egress.line)
		build_egress(build, place, &from->egress, i);
	if (from->ingress.line)
		build_ingress(build, place, &from->ingress, i);
	if (from->guard.line)
		build_guard(build, place, &from->guard, site);
	if (!from->egress.line && !from->ingress.line && !from->guard.line)
		schema_error(build->errors, from->line, place->text,
			     "there is none of egress, ingress and guard, so "
			     "nothing would be done");
}

/* One steered port has one site, and one loopback port one listener. */
static void check_meeting(struct build *build, const struct place *place,
			  int line, size_t i)
{
	const struct intercept_site *sites = build->config->intercept->sites;
	const struct intercept_site *site = &sites[i];

	for (size_t j = 0; j < i; j++) {
		const struct intercept_numbers *a = &site->ingress.ports;
		const struct intercept_numbers *b = &sites[j].ingress.ports;

		if (!site->netns != !sites[j].netns ||
		    (site->netns && strcmp(site->netns, sites[j].netns) != 0))
			continue;
		if (site->egress.port &&
		    site->egress.port == sites[j].egress.port)
			TELL(build, line, place, "egress.listener",
			     "site \"%s\" has it too, in the same namespace",
			     sites[j].name);
		for (size_t k = 0; k < a->count; k++)
			for (size_t l = 0; l < b->count; l++)
				if (a->items[k] == b->items[l])
					TELL(build, line, place,
					     "ingress.ports",
					     "site \"%s\" has %u too, in the "
					     "same namespace",
					     sites[j].name, a->items[k]);
	}
}

/* ---- where it is kept */

static void pin_dir(struct build *build, const struct place *place,
		    const struct document_intercept *from)
{
	struct intercept_spec *spec = build->config->intercept;
	char bpffs[PATH_MAX];

	if (from->pin.text && strcmp(from->pin.text, "auto") != 0) {
		spec->pin_dir = build_absolute(build, from->pin.text);
		return;
	}
	if (mounts_find("bpf", bpffs, sizeof(bpffs)) != 0) {
		TELL(build, from->pin.line ? from->pin.line : from->line, place,
		     "pin",
		     "no bpf file system is mounted; mount one (mount -t bpf "
		     "bpf /sys/fs/bpf)");
		return;
	}
	if (asprintf(&spec->pin_dir, "%s/millrace-intercept", bpffs) < 0) {
		spec->pin_dir = NULL;
		build->errors->out_of_memory = true;
	}
}

static void own_cgroup(struct build *build, const struct place *place,
		       const struct document_intercept *from)
{
	struct intercept_spec *spec = build->config->intercept;
	char path[PATH_MAX];
	struct err err;

	if (from->cgroup.text) {
		spec->cgroup = cgroup_of(build, place, "cgroup", &from->cgroup);
		return;
	}
	if (cgroups_own_parent(path, sizeof(path), &err))
		TELL(build, from->line, place, "cgroup", "%s", err.text);
	else
		spec->cgroup = build_copy(build, path);
}

static void build_all(struct build *build,
		      const struct document_intercept *from)
{
	const struct document_site only = {
		.line = from->line,
		.name = {.line = from->line},
		.netns = from->netns,
		.egress = from->egress,
		.ingress = from->ingress,
		.guard = from->guard,
	};
	const struct document_site *sites = from->sites.items;
	struct intercept_spec *spec = build->config->intercept;
	struct place place = {"intercept"};

	if (!from->sites.line) {
		build_site(build, &place, &only, 0);
		return;
	}
	if (from->netns.text || from->egress.line || from->ingress.line ||
	    from->guard.line)
		TELL(build, from->sites.line, &place, "sites",
		     "netns, egress, ingress and guard stand in each of the "
		     "sites, not beside them");
	for (size_t i = 0; i < spec->site_count; i++) {
		place = build_place("intercept.sites", i);
		build_site(build, &place, &sites[i], i);
		check_meeting(build, &place, sites[i].line, i);
	}
}

void build_intercept(struct build *build)
{
	const struct document_intercept *from = &build->document->intercept;
	const struct place place = {"intercept"};
	struct intercept_spec *spec;
	size_t count = from->sites.line ? from->sites.count : 1;

	if (!from->line)
		return;
	spec = room(build, 1, sizeof(*spec));
	build->config->intercept = spec;
	if (!spec)
		return;
	spec->sites = room(build, count, sizeof(*spec->sites));
	spec->doors = room(build, 2 * count, sizeof(*spec->doors));
	if (!spec->sites || !spec->doors)
		return;
	spec->site_count = count;
	if (count > ABI_SITES_MAX)
		TELL(build, from->sites.line, &place, "sites",
		     "there are more than %d", ABI_SITES_MAX);
	pin_dir(build, &place, from);
	own_cgroup(build, &place, from);
	build_all(build, from);
}
