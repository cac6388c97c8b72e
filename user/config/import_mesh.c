/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_mesh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	enum mesh_kind kind;
	const char *crd;   /* Kubernetes' kind */
	const char *shape; /* the field of what the AWS CLI prints */
	const char *name;
} kinds[] = {
	/* Those that name what they belong to as well come first. */
	{MESH_GATEWAY_ROUTE, "GatewayRoute", "gatewayRoute",
	 "gatewayRouteName"},
	{MESH_ROUTE, NULL, "route", "routeName"},
	{MESH_ROUTER, "VirtualRouter", "virtualRouter", "virtualRouterName"},
	{MESH_NODE, "VirtualNode", "virtualNode", "virtualNodeName"},
	{MESH_GATEWAY, "VirtualGateway", "virtualGateway",
	 "virtualGatewayName"},
	{MESH_SERVICE, "VirtualService", "virtualService",
	 "virtualServiceName"},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int add(struct mesh *mesh, const struct mesh_resource *resource)
{
	struct mesh_resource *items =
		realloc(mesh->items, (mesh->count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	mesh->items = items;
	items[mesh->count] = *resource;
	if (!items[mesh->count].name)
		items[mesh->count].name = "?";
	mesh->count++;
	return 0;
}

static void take_crd(struct mesh_resource *resource, const char *kind)
{
	struct tree *tree = resource->tree;
	const char *api =
		tree_text(tree_get(tree, resource->whole, "apiVersion"));

	resource->word = kind;
	resource->name = tree_text(
		tree_at(tree, resource->whole, "metadata", "name", NULL));
	resource->aws_name =
		tree_text(tree_get(tree, resource->spec, "awsName"));
	if (!api || strncmp(api, "appmesh.k8s.aws/", 16) != 0)
		return;
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].crd && strcmp(kinds[i].crd, kind) == 0)
			resource->kind = kinds[i].kind;
}

/* What the CLI prints has the resource in a field of its kind's name; what it
 * takes (--cli-input-json) is the resource itself. */
static void take_aws(struct mesh_resource *resource)
{
	struct tree *tree = resource->tree;
	size_t i;

	resource->word = "document";
	for (i = 0; i < KINDS; i++) {
		yaml_node_t *inner =
			tree_get(tree, resource->whole, kinds[i].shape);

		if (!inner || inner->type != YAML_MAPPING_NODE)
			continue;
		resource->whole = inner;
		break;
	}
	for (i = 0; i < KINDS; i++)
		if (tree_get(tree, resource->whole, kinds[i].name))
			break;
	resource->spec = tree_get(tree, resource->whole, "spec");
	if (i == KINDS || !resource->spec)
		return;
	resource->kind = kinds[i].kind;
	resource->word = kinds[i].shape;
	resource->name =
		tree_text(tree_get(tree, resource->whole, kinds[i].name));
}

static int take(struct mesh *mesh, struct tree *tree, yaml_node_t *node)
{
	struct mesh_resource resource = {
		.kind = MESH_OTHER,
		.tree = tree,
		.whole = node,
	};
	const char *kind = tree_text(tree_get(tree, node, "kind"));
	yaml_node_t *items = tree_get(tree, node, "items");
	int r = 0;

	if (kind && items) {
		for (size_t i = 0; !r && i < tree_count(items); i++)
			r = take(mesh, tree, tree_item(tree, items, i));
		return r;
	}
	resource.spec = tree_get(tree, node, "spec");
	if (kind)
		take_crd(&resource, kind);
	else
		take_aws(&resource);
	return add(mesh, &resource);
}

int mesh_find(struct tree *trees, struct mesh *ret_mesh)
{
	int r = 0;

	*ret_mesh = (struct mesh){NULL, 0};
	for (struct tree *tree = trees; !r && tree; tree = tree->next)
		r = take(ret_mesh, tree,
			 yaml_document_get_root_node(&tree->document));
	return r;
}

void mesh_fini(struct mesh *mesh)
{
	free(mesh->items);
}

const char *mesh_reference(struct tree *tree, const yaml_node_t *node,
			   const char *name, const char *ref)
{
	const char *text = tree_text(tree_get(tree, node, name));
	yaml_node_t *reference = tree_get(tree, node, ref);

	if (text)
		return text;
	/* Another namespace's object has a namespace in the reference. */
	tree_get(tree, reference, "namespace");
	return tree_text(tree_get(tree, reference, "name"));
}

static const struct mesh_resource *find(const struct mesh *mesh,
					enum mesh_kind kind, const char *name)
{
	for (size_t i = 0; name && i < mesh->count; i++) {
		const struct mesh_resource *item = &mesh->items[i];

		if (item->kind == kind &&
		    (strcmp(item->name, name) == 0 ||
		     (item->aws_name && strcmp(item->aws_name, name) == 0)))
			return item;
	}
	return NULL;
}

/* The nodes that one route leads to: the first, and whether there are more. */
static const char *route_target(struct tree *tree, const yaml_node_t *route,
				bool *ret_more)
{
	static const char *const types[] = {"tcpRoute", "httpRoute",
					    "http2Route", "grpcRoute"};
	const char *first = NULL;

	for (size_t i = 0; i < 4; i++) {
		yaml_node_t *targets = tree_at(tree, route, types[i], "action",
					       "weightedTargets", NULL);

		for (size_t j = 0; j < tree_count(targets); j++) {
			const char *name = mesh_reference(
				tree, tree_item(tree, targets, j),
				"virtualNode", "virtualNodeRef");

			if (first && name && strcmp(first, name) != 0)
				*ret_more = true;
			else if (!first)
				first = name;
		}
	}
	return first;
}

static const char *router_target(const struct mesh *mesh, const char *router,
				 bool *ret_more)
{
	const struct mesh_resource *own = find(mesh, MESH_ROUTER, router);
	const char *first = NULL;

	for (size_t i = 0; i < mesh->count; i++) {
		const struct mesh_resource *item = &mesh->items[i];
		const char *of =
			item->kind == MESH_ROUTE
				? tree_text(tree_get(item->tree, item->whole,
						     "virtualRouterName"))
				: NULL;
		const char *name;

		if (!of || !router || strcmp(of, router) != 0)
			continue;
		name = route_target(item->tree, item->spec, ret_more);
		*ret_more |= first && name && strcmp(first, name) != 0;
		first = first ? first : name;
	}
	if (own) {
		yaml_node_t *routes = tree_get(own->tree, own->spec, "routes");

		for (size_t i = 0; i < tree_count(routes); i++) {
			const char *name = route_target(
				own->tree, tree_item(own->tree, routes, i),
				ret_more);

			*ret_more |= first && name && strcmp(first, name) != 0;
			first = first ? first : name;
		}
	}
	return first;
}

/* Where there is no virtual service, a node of this very host name is it. */
static const struct mesh_resource *node_of_hostname(const struct mesh *mesh,
						    const char *hostname)
{
	for (size_t i = 0; i < mesh->count; i++) {
		const struct mesh_resource *item = &mesh->items[i];
		const char *name = tree_text(tree_at(item->tree, item->spec,
						     "serviceDiscovery", "dns",
						     "hostname", NULL));

		if (item->kind == MESH_NODE && name &&
		    strcmp(name, hostname) == 0)
			return item;
	}
	return NULL;
}

const struct mesh_resource *mesh_node_behind(const struct mesh *mesh,
					     const char *service,
					     bool *ret_more)
{
	const struct mesh_resource *own = find(mesh, MESH_SERVICE, service);
	yaml_node_t *provider;
	const char *node, *router;

	if (!own)
		return node_of_hostname(mesh, service);
	provider = tree_get(own->tree, own->spec, "provider");
	node = mesh_reference(own->tree,
			      tree_get(own->tree, provider, "virtualNode"),
			      "virtualNodeName", "virtualNodeRef");
	router = mesh_reference(own->tree,
				tree_get(own->tree, provider, "virtualRouter"),
				"virtualRouterName", "virtualRouterRef");
	if (!node)
		node = router_target(mesh, router, ret_more);
	return find(mesh, MESH_NODE, node);
}

const char *mesh_gateway_target(const struct mesh *mesh, bool *ret_more)
{
	static const char *const types[] = {"httpRoute", "http2Route",
					    "grpcRoute"};
	const char *first = NULL;

	for (size_t i = 0; i < mesh->count; i++) {
		const struct mesh_resource *item = &mesh->items[i];

		for (size_t t = 0; item->kind == MESH_GATEWAY_ROUTE && t < 3;
		     t++) {
			const char *name = mesh_reference(
				item->tree,
				tree_at(item->tree, item->spec, types[t],
					"action", "target", "virtualService",
					NULL),
				"virtualServiceName", "virtualServiceRef");

			*ret_more |= first && name && strcmp(first, name) != 0;
			first = first ? first : name;
		}
	}
	return first;
}
