/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "config/build_intercept.h"
#include "config/build_tls.h"

/* What a name in a route may look like: "a.local", "*.apps.local". */
static bool plausible(const char *name)
{
	const char *star = strchr(name, '*');

	return *name && (!star || (star == name && name[1] == '.' && name[2] &&
				   !strchr(name + 1, '*')));
}

static void check_passthrough(struct build *build, const struct place *place,
			      const char *field, int line, size_t cluster)
{
	const struct config *config = build->config;

	if (config->cluster_count && config->clusters[cluster].tls)
		TELL(build, line, place, field,
		     "passes TLS through to a cluster that would begin its "
		     "own; leave out the cluster's tls, or write tls: "
		     "terminate");
}

static void build_route(struct build *build, const struct place *place,
			const struct document_route *from,
			const struct config_listener *listener,
			struct config_route *route)
{
	build_names(build, &from->names, &route->names);
	for (size_t i = 0; i < from->names.count; i++)
		if (from->names.items[i].text &&
		    !plausible(from->names.items[i].text))
			TELL(build, from->names.items[i].line, place,
			     "routes.server_names",
			     "\"%.80s\" is neither a name nor *.NAME",
			     from->names.items[i].text);
	route->cluster = build_find_cluster(build, place, "routes.cluster",
					    &from->cluster);
	route->passthrough = from->passthrough ||
			     listener->tls_mode == CONFIG_TLS_PASSTHROUGH;
	if (route->passthrough)
		check_passthrough(build, place, "routes", from->line,
				  route->cluster);
}

static void build_destinations(struct build *build, const struct place *place,
			       const struct schema_maps *from,
			       struct config_listener *listener)
{
	const struct document_destination *items = from->items;

	listener->destinations =
		calloc(from->count + 1, sizeof(*listener->destinations));
	if (!listener->destinations) {
		build->errors->out_of_memory = true;
		return;
	}
	listener->destination_count = from->count;
	for (size_t i = 0; i < from->count; i++) {
		struct config_destination *to = &listener->destinations[i];
		struct err err;

		to->any_network = !items[i].cidr.text;
		if (items[i].cidr.text &&
		    intercept_network_parse(items[i].cidr.text, &to->network,
					    &err))
			TELL(build, items[i].cidr.line, place,
			     "destinations.cidr", "%s", err.text);
		build_ports(build, place, "destinations.ports", &items[i].ports,
			    &to->ports);
		to->cluster =
			build_find_cluster(build, place, "destinations.cluster",
					   &items[i].cluster);
		if (!items[i].cidr.line && !items[i].ports.line)
			TELL(build, items[i].line, place, "destinations",
			     "neither cidr nor ports say which connections "
			     "are meant");
		if (listener->tls_mode == CONFIG_TLS_PASSTHROUGH)
			check_passthrough(build, place, "destinations",
					  items[i].line, to->cluster);
	}
}

void build_routes(struct build *build, const struct place *place,
		  const struct document_listener *from,
		  struct config_listener *listener)
{
	const struct document_route *items = from->routes.items;
	size_t count = from->routes.count;

	build_destinations(build, place, &from->destinations, listener);
	listener->has_cluster = from->cluster.text != NULL;
	if (listener->has_cluster)
		listener->cluster = build_find_cluster(build, place, "cluster",
						       &from->cluster);
	if (listener->has_cluster &&
	    listener->tls_mode == CONFIG_TLS_PASSTHROUGH)
		check_passthrough(build, place, "cluster", from->cluster.line,
				  listener->cluster);
	if (!listener->has_cluster && !count)
		TELL(build, from->line, place, "cluster",
		     "is missing: the name of the cluster to forward to");
	if (listener->tls_mode == CONFIG_TLS_PASSTHROUGH && count == 0)
		TELL(build, from->line, place, "tls.mode",
		     "is passthrough, and there are no routes; to hand "
		     "everything on as it is, write mode: disabled");
	if (!count)
		return;
	if (listener->tls_mode == CONFIG_TLS_DISABLED ||
	    listener->tls_mode == CONFIG_TLS_PERMISSIVE)
		TELL(build, from->routes.line, place, "routes",
		     "go by the name in a ClientHello: tls.mode must be "
		     "strict or passthrough");
	listener->routes = calloc(count, sizeof(*listener->routes));
	if (!listener->routes) {
		build->errors->out_of_memory = true;
		return;
	}
	listener->route_count = count;
	for (size_t i = 0; i < count; i++)
		build_route(build, place, &items[i], listener,
			    &listener->routes[i]);
}

void build_routes_free(struct config_listener *listener)
{
	for (size_t i = 0; i < listener->route_count; i++)
		build_names_free(&listener->routes[i].names);
	free(listener->routes);
	for (size_t i = 0; i < listener->destination_count; i++)
		free(listener->destinations[i].ports.items);
	free(listener->destinations);
}
