/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/build.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mounts.h"
#include "config/build_intercept.h"
#include "config/build_tls.h"
#include "config/hostname.h"

#define NAME_MAX_SIZE 63
#define WORKERS_MAX 256
#define UNIX_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)
#define PIN_FOLDER "/sys/fs/bpf/millrace"

static void check_name(struct build *build, const struct place *place,
		       const struct schema_text *name)
{
	if (!name->text)
		return;
	for (const char *at = name->text; *at; at++) {
		if (isalnum((unsigned char)*at) || strchr("._-", *at))
			continue;
		TELL(build, name->line, place, "name",
		     "a name may hold letters, digits, dots, underscores and "
		     "dashes only");
		return;
	}
	if (strlen(name->text) > NAME_MAX_SIZE)
		TELL(build, name->line, place, "name",
		     "a name has at most %d characters", NAME_MAX_SIZE);
}

static struct config_rekey rekey_of(int required,
				    const struct document_rekey_limit *limit)
{
	return (struct config_rekey){
		.required = required != 0,
		.records_max = limit->records,
		.blocks_max = limit->blocks,
	};
}

/* ---- clusters and listeners */

static void check_original(struct build *build, const struct place *place,
			   const struct document_cluster *from)
{
	if (from->type != CONFIG_CLUSTER_ORIGINAL)
		return;
	if (from->endpoints.line || from->discovery.line)
		TELL(build, from->line, place, "endpoints",
		     "the type is original-destination: connections go where "
		     "they were meant to; leave endpoints and discovery out");
}

static struct addr *build_addrs(struct build *build,
				const struct schema_addrs *from,
				size_t *ret_count)
{
	struct addr *addrs = calloc(from->count + 1, sizeof(*addrs));

	if (!addrs) {
		build->errors->out_of_memory = true;
		return NULL;
	}
	for (size_t i = 0; i < from->count; i++)
		addrs[i] = from->items[i].addr;
	*ret_count = from->count;
	return addrs;
}

static void build_discovery(struct build *build, const struct place *place,
			    const struct document_cluster *from,
			    struct config_cluster *cluster)
{
	const struct document_discovery_dns *dns = &from->discovery.dns;
	struct config_discovery *discovery = &cluster->discovery;

	if (!from->discovery.line) {
		if (!from->endpoints.line &&
		    from->type == CONFIG_CLUSTER_STATIC)
			TELL(build, from->line, place, "endpoints",
			     "the field is missing; a list of addresses such "
			     "as [\"127.0.0.1:8080\"], or discovery: { dns: { "
			     "hostname: NAME, port: PORT } }");
		return;
	}
	if (from->endpoints.line)
		TELL(build, from->discovery.line, place, "discovery",
		     "endpoints are given as well, on line %d; keep one",
		     from->endpoints.line);
	discovery->hostname = build_copy(build, dns->hostname.text);
	discovery->port = (uint16_t)dns->port;
	discovery->in_turn = dns->in_turn != 0;
	discovery->family = (enum config_family)dns->family;
	if (discovery->hostname && !hostname_valid(discovery->hostname))
		TELL(build, dns->hostname.line, place, "discovery.dns.hostname",
		     "\"%.80s\" is no name that DNS could know",
		     discovery->hostname);
}

static void build_cluster(struct build *build, size_t i)
{
	const struct document_cluster *from =
		(const struct document_cluster *)
			build->document->clusters.items +
		i;
	struct config_cluster *cluster = &build->config->clusters[i];
	struct place place = build_place("clusters", i);

	check_name(build, &place, &from->name);
	cluster->name = build_copy(build, from->name.text);
	cluster->type = (enum config_cluster_type)from->type;
	check_original(build, &place, from);
	cluster->endpoints =
		build_addrs(build, &from->endpoints, &cluster->endpoint_count);
	build_discovery(build, &place, from, cluster);
	cluster->engine = (enum config_engine)from->engine;
	cluster->rekey = rekey_of(from->rekey_required, &from->rekey_limit);
	cluster->connect_timeout_ms = (uint32_t)from->timeouts.connect;
	cluster->handshake_timeout_ms = (uint32_t)from->timeouts.handshake;
	cluster->tls = from->tls.line != 0;
	if (!cluster->tls)
		return;
	build_cluster_tls(build, &place, &from->tls, cluster);
}

size_t build_find_cluster(struct build *build, const struct place *place,
			  const char *field, const struct schema_text *name)
{
	const struct config *config = build->config;
	char known[256] = "";
	size_t used = 0;

	for (size_t i = 0; name->text && i < config->cluster_count; i++) {
		const char *other = config->clusters[i].name;

		if (!other)
			continue;
		if (strcmp(other, name->text) == 0)
			return i;
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used,
						 sizeof(known) - used, "%s%s",
						 used ? ", " : "", other);
	}
	if (name->text)
		TELL(build, name->line, place, field,
		     "there is no cluster \"%s\"; known are %s", name->text,
		     known);
	return 0;
}

static void build_listener(struct build *build, size_t i)
{
	const struct document_listener *from =
		(const struct document_listener *)
			build->document->listeners.items +
		i;
	struct config_listener *listener = &build->config->listeners[i];
	struct place place = build_place("listeners", i);

	check_name(build, &place, &from->name);
	listener->name = build_copy(build, from->name.text);
	listener->listen = from->listen.addr;
	listener->engine = (enum config_engine)from->engine;
	listener->rekey = rekey_of(from->rekey_required, &from->rekey_limit);
	listener->connections_max = (uint32_t)from->limits.connections;
	listener->handshakes_max = (uint32_t)from->limits.handshakes;
	listener->ahead_max = (uint32_t)from->limits.dialled_ahead;
	listener->server_first_wait_ms = (uint32_t)from->tls.server_first_wait;
	listener->handshake_timeout_ms = (uint32_t)from->timeouts.handshake;
	listener->idle_timeout_ms = (uint32_t)from->timeouts.idle;
	if (from->tls.line)
		build_listener_tls(build, &place, &from->tls, listener);
	build_routes(build, &place, from, listener);
}

/* ---- what must be unique */

static void check_same_name(struct build *build, const char *list, size_t i,
			    const struct schema_text *name,
			    const struct schema_text *earlier)
{
	struct place place = build_place(list, i);

	if (name->text && earlier->text &&
	    strcmp(name->text, earlier->text) == 0)
		TELL(build, name->line, &place, "name",
		     "the name \"%s\" is taken, on line %d", name->text,
		     earlier->line);
}

static void check_same_addr(struct build *build, const struct place *place,
			    const struct schema_addr *addr,
			    const struct schema_addr *earlier)
{
	char text[ADDR_TEXT_MAX];

	if (addr->line && earlier->line &&
	    addr_equal(&addr->addr, &earlier->addr))
		TELL(build, addr->line, place, "listen",
		     "%s is taken, on line %d", addr_format(&addr->addr, text),
		     earlier->line);
}

static void check_unique(struct build *build)
{
	const struct document *document = build->document;
	const struct document_listener *listeners = document->listeners.items;
	const struct document_cluster *clusters = document->clusters.items;
	const struct schema_addr admin = {
		.addr = build->config->admin_listen,
		.line = document->admin.listen.line,
	};

	for (size_t i = 0; i < document->listeners.count; i++) {
		struct place place = build_place("listeners", i);

		check_same_addr(build, &place, &listeners[i].listen, &admin);
		for (size_t j = 0; j < i; j++) {
			check_same_name(build, "listeners", i,
					&listeners[i].name, &listeners[j].name);
			check_same_addr(build, &place, &listeners[i].listen,
					&listeners[j].listen);
		}
	}
	for (size_t i = 0; i < document->clusters.count; i++)
		for (size_t j = 0; j < i; j++)
			check_same_name(build, "clusters", i, &clusters[i].name,
					&clusters[j].name);
}

/* ---- the whole */

static void build_workers(struct build *build)
{
	const struct schema_text *workers = &build->document->workers;
	char *rest;
	unsigned long count;

	if (!workers->text || strcmp(workers->text, "auto") == 0)
		return;
	count = strtoul(workers->text, &rest, 10);
	if (*rest || !isdigit((unsigned char)workers->text[0]) || !count ||
	    count > WORKERS_MAX)
		schema_error(build->errors, workers->line, "workers",
			     "\"%.40s\" is neither auto (one per CPU) nor a "
			     "number from 1 to %d",
			     workers->text, WORKERS_MAX);
	else
		build->config->workers = (unsigned int)count;
}

/* A service manager may show us no more of the bpffs than our own folder. */
static bool folder_is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static void build_pin(struct build *build)
{
	const char *pin = build->document->counters.pin.text;
	char bpffs[PATH_MAX];

	if (pin && strcmp(pin, "none") == 0)
		return;
	if (pin && strcmp(pin, "auto") != 0) {
		build->config->pin_path = build_absolute(build, pin);
		return;
	}
	if (folder_is_bpffs(PIN_FOLDER))
		build->config->pin_path = build_copy(build, PIN_FOLDER);
	else if (mounts_find("bpf", bpffs, sizeof(bpffs)) == 0 &&
		 asprintf(&build->config->pin_path, "%s/millrace", bpffs) < 0) {
		build->config->pin_path = NULL;
		build->errors->out_of_memory = true;
	}
}

static bool is_loopback(const struct addr *addr)
{
	if (addr->any.sa_family == AF_INET)
		return ntohl(addr->v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&addr->v6.sin6_addr);
}

/* Whoever reaches it may end the daemon: it asks nobody who he is. */
static void check_access(struct build *build)
{
	const struct document_admin *admin = &build->document->admin;
	const struct config *config = build->config;

	if (admin->access == DOCUMENT_ACCESS_CLIENT_CERTIFICATE)
		schema_error(build->errors, admin->line, "admin.access",
			     "a listener with tls.validation asks for "
			     "certificates: leave admin.listen at 127.0.0.1, "
			     "and let such a listener forward to a cluster "
			     "with that endpoint");
	else if (admin->access == DOCUMENT_ACCESS_LOCAL &&
		 !config->admin_path && !is_loopback(&config->admin_listen))
		schema_error(build->errors, admin->listen.line, "admin.listen",
			     "%s is not a loopback address, and the endpoint "
			     "asks nobody who he is; use 127.0.0.1, [::1] or "
			     "unix:PATH, or write access: open-read-only (GET "
			     "alone, for everybody)",
			     admin->listen.text);
}

static void build_admin(struct build *build)
{
	const struct schema_text *listen = &build->document->admin.listen;
	struct config *config = build->config;
	struct err why = {""};

	if (!listen->text)
		return;
	config->admin = true;
	config->admin_read_only =
		build->document->admin.access == DOCUMENT_ACCESS_OPEN_READ_ONLY;
	if (strncmp(listen->text, "unix:", 5) == 0) {
		config->admin_path = build_absolute(build, listen->text + 5);
		if (config->admin_path &&
		    strlen(config->admin_path) >= UNIX_PATH_SIZE)
			schema_error(build->errors, listen->line,
				     "admin.listen",
				     "a socket's path has at most %zu bytes",
				     UNIX_PATH_SIZE - 1);
	} else if (addr_parse(listen->text, &config->admin_listen, &why)) {
		schema_error(build->errors, listen->line, "admin.listen", "%s",
			     why.text);
		return;
	}
	check_access(build);
}

static void build_access_log(struct build *build)
{
	const struct document_access_log *from = &build->document->access_log;
	struct config_access_log *log = &build->config->access_log;
	char folder[PATH_MAX], *slash;

	if (from->line && from->journal == (from->file.line != 0))
		schema_error(build->errors, from->line, "access_log",
			     "write either file: PATH (/dev/stdout and "
			     "/dev/stderr too) or journal: true");
	log->format = from->journal ? LINE_JOURNAL
		      : from->json  ? LINE_JSON
				    : LINE_TEXT;
	if (from->journal) {
		log->path = build_copy(build, CONFIG_JOURNAL);
		return;
	}
	log->path = build_absolute(build, from->file.text);
	if (!log->path)
		return;
	snprintf(folder, sizeof(folder), "%s", log->path);
	slash = strrchr(folder, '/');
	*slash = '\0';
	if (slash != folder && access(folder, F_OK) != 0)
		schema_error(build->errors, from->file.line, "access_log.file",
			     "the folder %.200s: %s", folder, strerror(errno));
}

static void find_folder(struct build *build, const char *path)
{
	char resolved[PATH_MAX];
	char *slash;

	if (!realpath(path, resolved))
		snprintf(resolved, sizeof(resolved), "./%.4000s", path);
	slash = strrchr(resolved, '/');
	if (slash)
		*slash = '\0';
	memcpy(build->folder, resolved, sizeof(build->folder));
}

struct config *build_config(const char *path, const struct document *document,
			    struct schema_errors *errors)
{
	struct build build = {.document = document, .errors = errors};
	struct config *config = calloc(1, sizeof(*config));

	build.config = config;
	if (config) {
		atomic_store(&config->refs, 1);
		config->path = build_copy(&build, path);
		config->listeners = calloc(document->listeners.count + 1,
					   sizeof(*config->listeners));
		config->clusters = calloc(document->clusters.count + 1,
					  sizeof(*config->clusters));
	}
	if (!config || !config->listeners || !config->clusters) {
		errors->out_of_memory = true;
		return config;
	}
	find_folder(&build, path);
	config->listener_count = document->listeners.count;
	config->cluster_count = document->clusters.count;
	config->drain_timeout_ms = (uint32_t)document->drain_timeout;
	config->node = build_copy(&build, document->node.text);
	config->tickets_path =
		build_absolute(&build, document->tickets.file.text);
	config->tickets_rotate_ms = (uint32_t)document->tickets.rotate;
	config->log_level = (enum log_level)document->log.level;
	config->log_format = (enum line_format)document->log.format;
	config->log_rate = (uint32_t)document->log.rate;
	build_workers(&build);
	build_pin(&build);
	build_admin(&build);
	build_access_log(&build);
	config->dns.timeout_ms = (uint32_t)document->dns.timeout;
	config->dns.servers = build_addrs(&build, &document->dns.servers,
					  &config->dns.server_count);
	for (size_t i = 0; i < config->cluster_count; i++)
		build_cluster(&build, i);
	for (size_t i = 0; i < config->listener_count; i++)
		build_listener(&build, i);
	check_unique(&build);
	build_intercept(&build);
	return config;
}

struct config *config_ref(struct config *config)
{
	atomic_fetch_add(&config->refs, 1);
	return config;
}

void config_free(struct config *config)
{
	if (!config || atomic_fetch_sub(&config->refs, 1) != 1)
		return;
	for (size_t i = 0; config->listeners && i < config->listener_count;
	     i++) {
		struct config_listener *listener = &config->listeners[i];

		free(listener->name);
		for (size_t j = 0; j < listener->identity_count; j++)
			build_identity_free(&listener->identities[j]);
		free(listener->identities);
		build_routes_free(listener);
		build_tls_free(&listener->protocol, &listener->validation);
	}
	for (size_t i = 0; config->clusters && i < config->cluster_count; i++) {
		struct config_cluster *cluster = &config->clusters[i];

		free(cluster->name);
		free(cluster->endpoints);
		free(cluster->discovery.hostname);
		free(cluster->server_name);
		build_identity_free(&cluster->identity);
		build_tls_free(&cluster->protocol, &cluster->validation);
	}
	free(config->listeners);
	free(config->clusters);
	intercept_spec_free(config->intercept);
	free(config->path);
	free(config->pin_path);
	free(config->node);
	free(config->tickets_path);
	free(config->admin_path);
	free(config->dump);
	free(config->access_log.path);
	free(config->dns.servers);
	free(config);
}
