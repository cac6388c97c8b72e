/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_appmesh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/import_backend.h"
#include "config/import_mesh.h"
#include "config/import_tls.h"

#define INGRESS_PORT 15000 /* of App Mesh's Envoy; its egress was 15001 */
#define IDLE_MS_MAX (30ULL * 24 * 3600 * 1000)
#define CONNECTIONS_MAX 10000000

/* ---- what is the same for nodes and gateways */

static const char *const protocols[] = {"tcp", "http", "http2", "grpc"};

static void put_idle(struct import *import, struct block *block,
		     yaml_node_t *listener, const char *place)
{
	unsigned long long ms = IMPORT_IDLE_MS;
	struct tree *tree = import->tree;

	for (size_t i = 0; i < 4; i++) {
		yaml_node_t *idle = tree_at(tree, listener, "timeout",
					    protocols[i], "idle", NULL);
		const char *unit = tree_text(tree_get(tree, idle, "unit"));

		if (!idle)
			continue;
		ms = import_number(tree_get(tree, idle, "value"));
		if (import_is(unit, "s"))
			ms *= 1000;
	}
	if (ms > IDLE_MS_MAX) {
		notes_add(&import->notes, place,
			  "an idle timeout is 30 days at most: so long it is");
		ms = IDLE_MS_MAX;
	}
	if (ms)
		fprintf(block->out, "    timeouts: { idle: %llums }\n", ms);
	else
		fprintf(block->out, "    timeouts: { idle: never }\n");
}

static void put_limit(struct import *import, struct block *block,
		      yaml_node_t *listener)
{
	struct tree *tree = import->tree;

	for (size_t i = 0; i < 4; i++) {
		unsigned long long max = import_number(
			tree_at(tree, listener, "connectionPool", protocols[i],
				"maxConnections", NULL));

		if (!max)
			continue;
		if (max > CONNECTIONS_MAX)
			max = CONNECTIONS_MAX;
		fprintf(block->out, "    limits: { connections: %llu }\n", max);
		return;
	}
}

static void put_protocol(struct import *import, yaml_node_t *listener,
			 const char *place)
{
	const char *protocol = tree_text(tree_at(
		import->tree, listener, "portMapping", "protocol", NULL));

	if (protocol && !import_is(protocol, "tcp"))
		notes_add(&import->notes, place,
			  "%s is forwarded as TCP: no routes, retries, request "
			  "timeouts or request statistics",
			  protocol);
}

static void put_listener_tls(struct import *import, struct block *block,
			     yaml_node_t *listener, const char *place)
{
	struct tree *tree = import->tree;
	yaml_node_t *node = tree_get(tree, listener, "tls");
	const char *mode = tree_text(tree_get(tree, node, "mode"));
	struct import_tls tls = {tree, &import->notes, block, 6,
				 import->elsewhere};
	yaml_node_t *validation;
	char path[IMPORT_PLACE_MAX + 32];

	if (!node || import_is(mode, "DISABLED")) {
		fprintf(block->out, "    tls: { mode: disabled }\n");
		if (node)
			notes_remark(&import->notes, place,
				     "tls is DISABLED: its certificate and "
				     "validation say nothing");
		tree_see_all(tree, node);
		return;
	}
	fprintf(block->out, "    tls:\n      mode: %s\n",
		import_is(mode, "PERMISSIVE") ? "permissive" : "strict");
	if (!import_is(mode, "PERMISSIVE") && !import_is(mode, "STRICT"))
		notes_add(&import->notes, place,
			  "the TLS mode %s is not known: strict",
			  mode ? mode : "(none)");
	snprintf(path, sizeof(path), "%s.tls.certificate", place);
	import_certificate(&tls, tree_get(tree, node, "certificate"), path);
	validation = tree_get(tree, node, "validation");
	snprintf(path, sizeof(path), "%s.tls.validation", place);
	if (validation)
		import_validation(&tls, validation, path);
}

/* ---- nodes */

static void put_ingress(struct import *import, size_t i, yaml_node_t *listener)
{
	unsigned int port = import_port(import->tree, listener);
	/* 15001 is where App Mesh sent what leaves. */
	size_t listen = i ? INGRESS_PORT + 1 + i : INGRESS_PORT;
	struct block block;
	char place[IMPORT_PLACE_MAX], number_text[16], name[64], app[64];

	snprintf(place, sizeof(place), "spec.listeners[%zu]", i);
	if (!port) {
		notes_add(&import->notes, place, "has no port: left out");
		return;
	}
	put_protocol(import, listener, place);
	block_begin(&block, &import->notes);
	snprintf(number_text, sizeof(number_text), "%u", port);
	import_claim(import, "app-", number_text, app);
	fprintf(block.out,
		"  - name: %s\n    listen: \"0.0.0.0:%zu\"\n"
		"    cluster: %s\n",
		import_claim(import, "ingress-", number_text, name), listen,
		app);
	put_listener_tls(import, &block, listener, place);
	put_limit(import, &block, listener);
	put_idle(import, &block, listener, place);
	import->live_listeners += !block.off;
	block_end(&block, import->listeners);
	fprintf(import->clusters,
		"  - name: %s\n    endpoints: [\"127.0.0.1:%u\"]\n", app, port);
	import->live_clusters++;
	notes_add(&import->notes, place,
		  "port %u was steered to the proxy; peers reach it at port "
		  "%zu now, unless interception steers them",
		  port, listen);
}

static void import_node(struct import *import)
{
	struct tree *tree = import->tree;
	yaml_node_t *spec = import->own->spec;
	yaml_node_t *listeners = tree_get(tree, spec, "listeners");
	yaml_node_t *backends = tree_get(tree, spec, "backends");

	for (size_t i = 0; i < tree_count(listeners); i++)
		put_ingress(import, i, tree_item(tree, listeners, i));
	for (size_t i = 0; i < tree_count(backends); i++)
		import_egress(import, i, tree_item(tree, backends, i));
	if (tree_count(backends))
		notes_add(&import->notes, "spec.backends",
			  "each has a port of its own on 127.0.0.1, from %d "
			  "on, where the application must dial it, unless "
			  "interception brings it there",
			  IMPORT_EGRESS_PORT);
	if (tree_get(tree, spec, "serviceDiscovery"))
		notes_remark(&import->notes, "spec.serviceDiscovery",
			     "says how others find this node; they need it, "
			     "this host does not");
}

/* ---- gateways */

static void import_gateway(struct import *import)
{
	struct tree *tree = import->tree;
	yaml_node_t *listeners = tree_get(tree, import->own->spec, "listeners");
	char cluster[64], place[IMPORT_PLACE_MAX];
	bool live = import_gateway_cluster(import, cluster);

	for (size_t i = 0; i < tree_count(listeners); i++) {
		yaml_node_t *listener = tree_item(tree, listeners, i);
		unsigned int port = import_port(tree, listener);
		struct block block;

		snprintf(place, sizeof(place), "spec.listeners[%zu]", i);
		put_protocol(import, listener, place);
		block_begin(&block, &import->notes);
		fprintf(block.out,
			"  - name: gateway-%u\n    listen: \"0.0.0.0:%u\"\n"
			"    cluster: %s\n",
			port, port, cluster);
		put_listener_tls(import, &block, listener, place);
		put_limit(import, &block, listener);
		put_idle(import, &block, listener, place);
		block.off |= !live || !port;
		import->live_listeners += !block.off;
		block_end(&block, import->listeners);
	}
}

/* ---- what is left */

static const struct {
	const char *key, *words;
	bool harmless;
} lost[] = {
	{"healthCheck",
	 "endpoints are not probed; one that refuses is passed over for the "
	 "next when it is dialled",
	 false},
	{"outlierDetection",
	 "endpoints are not ejected; one that refuses is passed over for the "
	 "next when it is dialled",
	 false},
	{"perRequest", "requests are not timed; the idle timeout goes on",
	 false},
	{"maxPendingRequests", "requests are not counted, connections are",
	 false},
	{"maxRequests", "requests are not counted, connections are", false},
	{"format", "the lines have millrace's own fields", false},
	{"text", "the lines have millrace's own fields", false},
	{"json", "the lines have millrace's own fields", false},
	{"backendGroups",
	 "what they list is not reached; list it under backends", false},
	{"podSelector", "says where the proxy runs", true},
	{"namespaceSelector", "says where the proxy runs", true},
	{"gatewayRouteSelector", "says whose routes they are", true},
	{"meshRef", "says which mesh this is of", true},
	{"awsName", "is a name in AWS", true},
};

static void unseen(void *data, const char *path, const char *key,
		   const yaml_node_t *value)
{
	struct import *import = data;

	(void)value;
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		if (strcmp(lost[i].key, key) != 0)
			continue;
		if (lost[i].harmless)
			notes_remark(&import->notes, path, lost[i].words);
		else
			notes_add(&import->notes, path, "%s", lost[i].words);
		return;
	}
	notes_add(&import->notes, path,
		  "has no equal here: left out, and nothing stands for it");
}

static void import_access_log(struct import *import)
{
	struct tree *tree = import->tree;
	yaml_node_t *file = tree_at(tree, import->own->spec, "logging",
				    "accessLog", "file", NULL);
	const char *path = tree_text(tree_get(tree, file, "path"));
	yaml_node_t *format = tree_get(tree, file, "format");
	char quoted[IMPORT_TEXT_MAX], folder[IMPORT_TEXT_MAX], *slash;
	bool json = false, here;

	if (!path)
		return;
	/* Its content is told as lost, by the key that it has. */
	for (size_t i = 0; format && format->type == YAML_MAPPING_NODE &&
			   format->data.mapping.pairs.start + i <
				   format->data.mapping.pairs.top;
	     i++)
		json |= import_is(
			tree_text(yaml_document_get_node(
				&tree->document,
				format->data.mapping.pairs.start[i].key)),
			"json");
	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash && slash != folder)
		*slash = '\0';
	here = !slash || access(slash == folder ? "/" : folder, F_OK) == 0;
	snprintf(import->access_log, sizeof(import->access_log),
		 "%saccess_log: { file: %s, format: %s }\n",
		 here || import->elsewhere ? "" : "# ",
		 import_quote(path, quoted), json ? "json" : "text");
	if (!here)
		notes_add(&import->notes, "spec.logging.accessLog.file.path",
			  "the folder %s is not on this machine%s", folder,
			  import->elsewhere
				  ? "; check refuses until it is there"
				  : ": written as a comment, the lines go to "
				    "the log");
}

static void told_others(struct import *import)
{
	for (size_t i = 0; i < import->mesh->count; i++) {
		const struct mesh_resource *item = &import->mesh->items[i];

		if (item->kind == MESH_OTHER)
			notes_add(&import->notes, item->tree->file,
				  "the %s %s is nothing that millrace takes: "
				  "left out",
				  item->word, item->name);
		else if (item != import->own && (item->kind == MESH_NODE ||
						 item->kind == MESH_GATEWAY))
			notes_remark(&import->notes, item->name,
				     "is looked at as a backend only; import "
				     "it first in its own host's command");
	}
}

/* Each backend may have a policy of its own. */
static void pass_defaults(struct import *import)
{
	yaml_node_t *defaults =
		tree_get(import->tree, import->own->spec, "backendDefaults");

	if (!defaults || import->defaults_used)
		return;
	notes_remark(&import->notes, "spec.backendDefaults",
		     "no backend goes by it");
	tree_see_all(import->tree, defaults);
}

static void write_all(struct import *import, FILE *out)
{
	fprintf(out,
		"# Written by millrace import appmesh, for the %s %s.\n"
		"# What is not as it was (!), and what changes nothing:\n%s"
		"admin: { listen: \"127.0.0.1:9901\" }\n%s",
		import->own->word, import->own->name,
		import->notes.text ? import->notes.text : "",
		import->access_log);
	fprintf(out, "listeners:%s\n%s", import->live_listeners ? "" : " []",
		import->listener_text ? import->listener_text : "");
	fprintf(out, "clusters:%s\n%s", import->live_clusters ? "" : " []",
		import->cluster_text ? import->cluster_text : "");
}

static int convert(struct import *import, FILE *out, struct err *err)
{
	bool failed;

	import->listeners =
		open_memstream(&import->listener_text, &import->listener_size);
	import->clusters =
		open_memstream(&import->cluster_text, &import->cluster_size);
	failed = !import->listeners || !import->clusters;
	if (!failed) {
		import_access_log(import);
		if (import->own->kind == MESH_NODE)
			import_node(import);
		else
			import_gateway(import);
		pass_defaults(import);
		tree_walk(import->tree, import->own->spec, "spec", unseen,
			  import);
		told_others(import);
	}
	if (import->listeners)
		failed |= fclose(import->listeners) != 0;
	if (import->clusters)
		failed |= fclose(import->clusters) != 0;
	notes_end(&import->notes);
	if (!failed && !import->notes.failed)
		write_all(import, out);
	free(import->listener_text);
	free(import->cluster_text);
	free(import->names);
	return failed || import->notes.failed
		       ? err_set(err, ENOMEM, "memory is short")
		       : 0;
}

static int import_first(const struct mesh *mesh, bool elsewhere, FILE *out,
			FILE *told, size_t *ret_notes, struct err *err)
{
	struct import import = {.mesh = mesh, .elsewhere = elsewhere};
	int r;

	for (size_t i = 0; !import.own && i < mesh->count; i++)
		if (mesh->items[i].kind == MESH_NODE ||
		    mesh->items[i].kind == MESH_GATEWAY)
			import.own = &mesh->items[i];
	if (!import.own || !import.own->spec)
		return err_set(err, EINVAL,
			       "there is neither a virtual node nor a virtual "
			       "gateway in these files; get one by aws appmesh "
			       "describe-virtual-node, or kubectl get "
			       "virtualnode -o yaml");
	import.tree = import.own->tree;
	notes_begin(&import.notes, told);
	r = convert(&import, out, err);
	*ret_notes = import.notes.count;
	notes_fini(&import.notes);
	return r;
}

int import_appmesh(char *const *paths, size_t count, bool elsewhere, FILE *out,
		   FILE *told, size_t *ret_notes, struct err *err)
{
	struct tree *trees = NULL;
	struct mesh mesh = {NULL, 0};
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = tree_read(paths[i], &trees, err);
	if (!r && mesh_find(trees, &mesh))
		r = err_set(err, ENOMEM, "memory is short");
	if (!r)
		r = import_first(&mesh, elsewhere, out, told, ret_notes, err);
	mesh_fini(&mesh);
	tree_free(trees);
	return r;
}
