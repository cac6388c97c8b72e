/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_backend.h"

#include <string.h>

#include "config/hostname.h"
#include "config/import_tls.h"

/* What is known of where a backend stands. */
struct backend {
	const char *service; /* the virtual service */
	const char *place;
	char name[64];
	const struct mesh_resource *node; /* behind it, or NULL */
	yaml_node_t *listener;		  /* of that node */
	unsigned int port;		  /* 0: not known */
	yaml_node_t *policy;		  /* clientPolicy.tls, or NULL */
	char policy_place[IMPORT_PLACE_MAX];
	bool enforced; /* ... and it is for this port */
};

static bool names_port(struct tree *tree, const yaml_node_t *policy,
		       unsigned int port)
{
	yaml_node_t *ports = tree_get(tree, policy, "ports");

	for (size_t i = 0; i < tree_count(ports); i++)
		if (import_number(tree_item(tree, ports, i)) == port)
			return true;
	return tree_count(ports) == 0;
}

/* One listener of the backend's: that which the policy names, else the
 * first. */
static void find_listener(struct import *import, struct backend *backend)
{
	struct tree *tree = backend->node->tree;
	yaml_node_t *list = tree_get(tree, backend->node->spec, "listeners");
	bool named = false;

	for (size_t i = 0; !named && i < tree_count(list); i++) {
		yaml_node_t *listener = tree_item(tree, list, i);
		unsigned int port = import_port(tree, listener);

		named = names_port(import->tree, backend->policy, port);
		if (i && !named)
			continue;
		backend->listener = listener;
		backend->port = port;
	}
	if (tree_count(list) > 1)
		notes_add(&import->notes, backend->place,
			  "%s has several listeners; only port %u is reached",
			  backend->node->name, backend->port);
}

static void find_backend(struct import *import, struct backend *backend)
{
	const char *enforce =
		tree_text(tree_get(import->tree, backend->policy, "enforce"));
	yaml_node_t *ports = tree_get(import->tree, backend->policy, "ports");
	bool more = false;

	backend->node = mesh_node_behind(import->mesh, backend->service, &more);
	if (more)
		notes_add(&import->notes, backend->place,
			  "%s is routed to several virtual nodes; all of it "
			  "goes to %s",
			  backend->service,
			  backend->node ? backend->node->name : "none");
	if (backend->node)
		find_listener(import, backend);
	else if (tree_count(ports))
		backend->port = (unsigned int)import_number(
			tree_item(import->tree, ports, 0));
	backend->enforced =
		backend->policy && !import_is(enforce, "false") &&
		names_port(import->tree, backend->policy, backend->port);
}

static const char *family_word(struct import *import, const char *place,
			       const char *preference)
{
	static const struct {
		const char *app_mesh, *ours;
	} words[] = {
		{"IPv4_ONLY", "ipv4"},
		{"IPv6_ONLY", "ipv6"},
		{"IPv4_PREFERRED", "ipv4-preferred"},
		{"IPv6_PREFERRED", "ipv6-preferred"},
	};

	if (!preference)
		return "any";
	for (size_t i = 0; i < 4; i++)
		if (import_is(preference, words[i].app_mesh))
			return words[i].ours;
	notes_add(&import->notes, place, "ipPreference %s is not known: any",
		  preference);
	return "any";
}

static void put_dns(struct import *import, struct block *block,
		    const char *hostname, const struct backend *backend,
		    const char *type, const char *family)
{
	char quoted[IMPORT_TEXT_MAX];

	if (!hostname_valid(hostname)) {
		block->off = true;
		notes_add(&import->notes, backend->place,
			  "%s is no name that DNS could know: written as a "
			  "comment and not served",
			  hostname);
	}
	fprintf(block->out,
		"    discovery:\n      dns:\n        hostname: %s\n"
		"        port: %u\n        type: %s\n        family: %s\n",
		import_quote(hostname, quoted), backend->port, type, family);
}

static void put_cloud_map(struct import *import, struct block *block,
			  const struct backend *backend, yaml_node_t *map)
{
	struct tree *tree = backend->node->tree;
	const char *service = tree_text(tree_get(tree, map, "serviceName"));
	const char *space = tree_text(tree_get(tree, map, "namespaceName"));
	char hostname[256];

	snprintf(hostname, sizeof(hostname), "%.120s.%.120s",
		 service ? service : "?", space ? space : "?");
	notes_add(&import->notes, backend->place,
		  "Cloud Map is asked through its DNS name %s; a namespace "
		  "without DNS cannot be",
		  hostname);
	if (tree_count(tree_get(tree, map, "attributes")))
		notes_add(&import->notes, backend->place,
			  "Cloud Map's attributes choose no instances: all of "
			  "%s are used",
			  hostname);
	put_dns(import, block, hostname, backend, "endpoints",
		family_word(import, backend->place,
			    tree_text(tree_get(tree, map, "ipPreference"))));
}

static void put_discovery(struct import *import, struct block *block,
			  const struct backend *backend)
{
	struct tree *tree = backend->node ? backend->node->tree : NULL;
	yaml_node_t *found =
		tree ? tree_get(tree, backend->node->spec, "serviceDiscovery")
		     : NULL;
	yaml_node_t *dns = found ? tree_get(tree, found, "dns") : NULL;
	yaml_node_t *map = found ? tree_get(tree, found, "awsCloudMap") : NULL;
	const char *hostname =
		dns ? tree_text(tree_get(tree, dns, "hostname")) : NULL;

	if (map) {
		put_cloud_map(import, block, backend, map);
		return;
	}
	if (!hostname) {
		notes_add(&import->notes, backend->place,
			  "where %s stands is not said in these files (the "
			  "virtual node behind it would): its own name is "
			  "looked up in DNS",
			  backend->service);
		put_dns(import, block, backend->service, backend, "endpoints",
			"any");
		return;
	}
	put_dns(import, block, hostname, backend,
		import_is(tree_text(tree_get(tree, dns, "responseType")),
			  "ENDPOINTS")
			? "endpoints"
			: "loadbalancer",
		family_word(import, backend->place,
			    tree_text(tree_get(tree, dns, "ipPreference"))));
}

/* Without a policy the backend's own listener decided: with a file
 * certificate the client encrypted and did not validate. */
static void put_unasked_tls(struct import *import, struct block *block,
			    const struct backend *backend)
{
	struct tree *tree = backend->node->tree;
	yaml_node_t *tls = tree_get(tree, backend->listener, "tls");
	const char *mode = tree_text(tree_get(tree, tls, "mode"));

	if (!tls || import_is(mode, "DISABLED"))
		return;
	if (tree_at(tree, tls, "certificate", "acm", NULL)) {
		block->off = true;
		notes_add(&import->notes, backend->place,
			  "%s has a certificate from ACM, and nothing here "
			  "says whom to trust: written as a comment; name the "
			  "private CA's certificate in trust.file, and take "
			  "the comment signs away",
			  backend->service);
		fprintf(block->out, "    tls:\n      validation:\n"
				    "        trust:\n"
				    "          file: \"acm/ca.pem\"\n");
		return;
	}
	notes_add(&import->notes, backend->place,
		  "no client policy is enforced for %s, so App Mesh encrypted "
		  "and did not validate: so does this (validation: { mode: "
		  "none }); better name whom to trust",
		  backend->service);
	fprintf(block->out,
		"    tls:\n      validation:\n        mode: none\n");
}

static void put_policy(struct import *import, struct block *block,
		       const struct backend *backend)
{
	struct tree *tree = import->tree;
	struct import_tls tls = {tree, &import->notes, block, 6,
				 import->elsewhere};
	yaml_node_t *certificate =
		tree_get(tree, backend->policy, "certificate");
	char path[IMPORT_PLACE_MAX + 32];

	fprintf(block->out, "    tls:\n");
	snprintf(path, sizeof(path), "%s.validation", backend->policy_place);
	import_validation(&tls, tree_get(tree, backend->policy, "validation"),
			  path);
	snprintf(path, sizeof(path), "%s.certificate", backend->policy_place);
	if (certificate)
		import_certificate(&tls, certificate, path);
}

/* A policy that is not enforced, or for other ports, is looked at all the
 * same: it is not lost. */
static void pass_policy(struct import *import, const struct backend *backend)
{
	if (!backend->policy)
		return;
	notes_remark(&import->notes, backend->policy_place,
		     "is not enforced here, or for other ports: the backend's "
		     "own listener decides");
	tree_see_all(import->tree, backend->policy);
}

/* Writes the cluster; true when it can be served. */
static bool put_cluster(struct import *import, const struct backend *backend)
{
	struct block block;
	bool live;

	block_begin(&block, &import->notes);
	fprintf(block.out, "  - name: %s\n", backend->name);
	put_discovery(import, &block, backend);
	if (!backend->port) {
		block.off = true;
		notes_add(&import->notes, backend->place,
			  "the port of %s is not said in these files: written "
			  "as a comment and not served; import the virtual "
			  "node behind it as well",
			  backend->service);
	}
	if (backend->enforced) {
		put_policy(import, &block, backend);
	} else {
		pass_policy(import, backend);
		if (backend->node)
			put_unasked_tls(import, &block, backend);
	}
	if (!backend->enforced && !backend->node && !block.off) {
		block.off = true;
		notes_add(&import->notes, backend->place,
			  "no client policy is enforced for %s, and whether it "
			  "speaks TLS is not said in these files: written as a "
			  "comment and not served",
			  backend->service);
	}
	live = !block.off;
	import->live_clusters += live;
	block_end(&block, import->clusters);
	return live;
}

static void take_policy(struct import *import, struct backend *backend,
			yaml_node_t *service, const char *place)
{
	struct tree *tree = import->tree;
	yaml_node_t *own = tree_at(tree, service, "clientPolicy", "tls", NULL);
	yaml_node_t *common =
		tree_at(tree, import->own->spec, "backendDefaults",
			"clientPolicy", "tls", NULL);

	backend->policy = own ? own : common;
	import->defaults_used |= !own;
	snprintf(backend->policy_place, sizeof(backend->policy_place), "%s",
		 own ? place : "spec.backendDefaults");
	strncat(backend->policy_place, ".clientPolicy.tls",
		sizeof(backend->policy_place) - strlen(backend->policy_place) -
			1);
}

void import_egress(struct import *import, size_t i, yaml_node_t *item)
{
	struct tree *tree = import->tree;
	yaml_node_t *service = tree_get(tree, item, "virtualService");
	struct backend backend = {0};
	char place[IMPORT_PLACE_MAX], name[64];
	struct block block;

	snprintf(place, sizeof(place), "spec.backends[%zu].virtualService", i);
	backend.service = mesh_reference(tree, service, "virtualServiceName",
					 "virtualServiceRef");
	backend.place = place;
	if (!backend.service) {
		notes_add(&import->notes, place,
			  "names no virtual service (an ARN alone is no "
			  "name): left out");
		return;
	}
	import_claim(import, "", backend.service, backend.name);
	take_policy(import, &backend, service, place);
	find_backend(import, &backend);
	block_begin(&block, &import->notes);
	block.off = !put_cluster(import, &backend);
	fprintf(block.out,
		"  - name: %s\n    listen: \"127.0.0.1:%zu\"\n"
		"    tls: { mode: disabled }\n    cluster: %s\n"
		"    timeouts: { idle: %dms }\n",
		import_claim(import, "egress-", backend.service, name),
		IMPORT_EGRESS_PORT + i, backend.name, IMPORT_IDLE_MS);
	import->live_listeners += !block.off;
	block_end(&block, import->listeners);
}

bool import_gateway_cluster(struct import *import, char name[static 64])
{
	struct backend backend = {.place = "gatewayRoute"};
	bool more = false;

	backend.service = mesh_gateway_target(import->mesh, &more);
	import_claim(import, "", backend.service ? backend.service : "unknown",
		     name);
	if (!backend.service) {
		notes_add(&import->notes, "spec.listeners",
			  "no gateway route among these files says where to: "
			  "written as a comment and not served");
		return false;
	}
	if (more)
		notes_add(&import->notes, "gatewayRoute",
			  "there are several targets, and HTTP is not looked "
			  "into: everything goes to %s",
			  backend.service);
	memcpy(backend.name, name, sizeof(backend.name));
	take_policy(import, &backend, NULL, "");
	find_backend(import, &backend);
	return put_cluster(import, &backend);
}
