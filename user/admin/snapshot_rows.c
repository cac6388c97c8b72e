/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "admin/certs.h"
#include "admin/snapshot_parts.h"

/* Envoy has such a number, and here nothing can count it. */
#define NOWHERE ((size_t)-1)

/* What a row holds. */
struct field {
	const char *name;
	const char *help;
	size_t offset;
	bool gauge;
	bool tls;	 /* only where the scope speaks TLS */
	bool negotiated; /* in the other row, and told once it was seen */
	bool staples;	 /* only where something can be stapled */
};

/* TLS_COUNTERS stand together, from ssl_connection_error to peer_alert. */
#define FIELD(row, at, stat, words, is_gauge)                         \
	{.name = stat,                                                \
	 .help = words,                                               \
	 .offset = offsetof(struct row, at),                          \
	 .gauge = is_gauge,                                           \
	 .tls = offsetof(struct row, at) >=                           \
			offsetof(struct row, ssl_connection_error) && \
		offsetof(struct row, at) <= offsetof(struct row, peer_alert)},
#define LISTENER_C(field, name, help) \
	FIELD(listener_row, field, name, help, false)
#define LISTENER_G(field, name, help) \
	FIELD(listener_row, field, name, help, true)
#define CLUSTER_C(field, name, help) \
	FIELD(cluster_row, field, name, help, false)
#define CLUSTER_G(field, name, help) FIELD(cluster_row, field, name, help, true)
#define NEGOTIATED_ENTRY(at, kind, openssl, stat)           \
	{.name = "ssl." #kind "." stat,                     \
	 .help = "completed handshakes that negotiated it", \
	 .offset = offsetof(struct negotiated_row, at),     \
	 .tls = true,                                       \
	 .negotiated = true},

static struct field listener_fields[] = {LISTENER_COUNTERS(
	LISTENER_C, LISTENER_G) NEGOTIATED_COUNTERS(NEGOTIATED_ENTRY){
	.name = "ssl.ocsp_staple_failed",
	.help = "never: no setting of ours demands a staple",
	.offset = NOWHERE,
	.tls = true}};
static struct field cluster_fields[] = {CLUSTER_COUNTERS(
	CLUSTER_C, CLUSTER_G) NEGOTIATED_COUNTERS(NEGOTIATED_ENTRY){
	.name = "upstream_cx_overflow",
	.help = "never: a cluster has no limit of its own",
	.offset = NOWHERE}};

/* A listener's again, by the names that Envoy's tcp_proxy tells them. */
#define TCP(stat, words, at)                                \
	{                                                   \
		.name = stat, .help = words,                \
		.offset = offsetof(struct listener_row, at) \
	}
static struct field tcp_fields[] = {
	TCP("downstream_cx_no_route", "connections refused: no route",
	    no_route),
	TCP("downstream_cx_rx_bytes_total", "application bytes from downstream",
	    rx_bytes),
	TCP("downstream_cx_total", "connections accepted", cx_total),
	TCP("downstream_cx_tx_bytes_total", "application bytes to downstream",
	    tx_bytes),
	TCP("idle_timeout", "connections closed: nothing moved for too long",
	    idle_timeout),
};

/* Of a scope: the last of its orders. */
#define ORDER_CERTIFICATE 255

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(COUNT(listener_fields) < ORDER_CERTIFICATE &&
		       COUNT(cluster_fields) < ORDER_CERTIFICATE,
	       "no two numbers have one order");

/* By enum stat_owner. */
static const struct table {
	struct field *fields;
	size_t count;
	unsigned int order;
} tables[] = {
	[STAT_CLUSTER] = {cluster_fields, COUNT(cluster_fields), ORDER_CLUSTER},
	[STAT_LISTENER] = {listener_fields, COUNT(listener_fields),
			   ORDER_LISTENER},
	[STAT_TCP] = {tcp_fields, COUNT(tcp_fields), ORDER_TCP},
};

/* How long what took: of clusters, then of listeners. counted: the number
 * that rises with it. */
static const struct times {
	enum stat_owner owner;
	const char *name;
	const char *help;
	size_t offset;
	size_t counted;
} times[] = {
#define CLUSTER_TIMES(field, name, help, count)                               \
	{STAT_CLUSTER, name, help, offsetof(struct cluster_times_row, field), \
	 offsetof(struct cluster_row, count)},
#define LISTENER_TIMES(field, name, help, count)     \
	{STAT_LISTENER, name, help,                  \
	 offsetof(struct listener_times_row, field), \
	 offsetof(struct listener_row, count)},
	CLUSTER_DURATIONS(CLUSTER_TIMES) LISTENER_DURATIONS(LISTENER_TIMES)};

_Static_assert(COUNT(times) <= HISTOGRAM_ORDERS,
	       "no two histograms have one order");

static int by_field(const void *a, const void *b)
{
	const struct field *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* So that a scope's numbers come out in their order: sorting tens of
 * thousands of names at each scrape would cost more than all the rest. */
static void prepare(const struct table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct field *field = &table->fields[i];

		field->tls |= begins(field->name, "tls_inspector.");
		field->staples = begins(field->name, "ssl.ocsp_");
	}
	qsort(table->fields, table->count, sizeof(struct field), by_field);
}

void snapshot_rows_init(void)
{
	static bool done;

	for (size_t i = 0; !done && i < COUNT(tables); i++)
		if (tables[i].count)
			prepare(&tables[i]);
	done = true;
}

/* One writer per row, and an aligned load of 64 bits is whole. */
static unsigned long long load(const void *row, size_t offset)
{
	const volatile unsigned long long *at =
		(const volatile unsigned long long
			 *)(const void *)((const char *)row + offset);

	return *at;
}

static const void *row_of(const struct admin_context *context,
			  const struct stat_scope *scope, bool negotiated,
			  unsigned int worker)
{
	struct counters *counters = context->counters;
	size_t i = scope->index;

	if (scope->owner != STAT_CLUSTER)
		return negotiated ? (const void *)counters_listener_negotiated(
					    counters, i, worker)
				  : counters_listener(counters, i, worker);
	return negotiated ? (const void *)counters_cluster_negotiated(counters,
								      i, worker)
			  : counters_cluster(counters, i, worker);
}

static unsigned long long sum(const struct admin_context *context,
			      const struct stat_scope *scope,
			      const struct field *field)
{
	unsigned int workers = counters_workers(context->counters);
	unsigned long long value = 0;

	for (unsigned int w = 0; field->offset != NOWHERE && w < workers; w++)
		value += load(row_of(context, scope, field->negotiated, w),
			      field->offset);
	return value;
}

/* Whether it has seen a connection, without which no gauge moves. */
static bool begun(const struct admin_context *context,
		  const struct stat_scope *scope)
{
	struct field total = {
		.offset = scope->owner == STAT_CLUSTER
				  ? offsetof(struct cluster_row, cx_total)
				  : offsetof(struct listener_row, cx_total)};

	return sum(context, scope, &total) != 0;
}

static bool speaks_tls(const struct config *config,
		       const struct stat_scope *scope)
{
	if (scope->owner != STAT_CLUSTER)
		return config->listeners[scope->index].tls_mode !=
		       CONFIG_TLS_DISABLED;
	return config->clusters[scope->index].tls;
}

/* When the certificates that it shows end. */
static void add_certificates(struct snapshot *snapshot,
			     const struct admin_context *context,
			     const struct stat_scope *scope)
{
	bool listener = scope->owner == STAT_LISTENER;
	struct snapshot_stat stat = {
		.scope = scope,
		.order = tables[scope->owner].order + ORDER_CERTIFICATE,
		.help = "when the certificate expires, in Unix time",
		.gauge = true,
		.used = true,
	};
	const struct cert *cert;

	for (size_t i = 0;
	     (cert = certs_own(context->certs, listener, scope->index, i));
	     i++) {
		stat.name = cert->stat;
		stat.value = cert->expires > 0
				     ? (unsigned long long)cert->expires
				     : 0;
		snapshot_add(snapshot, &stat);
	}
}

static bool may_staple(const struct config *config,
		       const struct stat_scope *scope)
{
	const struct config_listener *listener;

	if (scope->owner != STAT_LISTENER)
		return false;
	listener = &config->listeners[scope->index];
	for (size_t i = 0; i < listener->identity_count; i++)
		if (listener->identities[i].ocsp_path)
			return true;
	return false;
}

static void add_fields(struct snapshot *snapshot,
		       const struct admin_context *context,
		       const struct stat_scope *scope)
{
	const struct table *table = &tables[scope->owner];
	bool tls = speaks_tls(context->config, scope);
	bool staples = may_staple(context->config, scope);
	bool gauges_used = begun(context, scope);
	bool certificate = scope->owner == STAT_TCP;

	for (size_t f = 0; f < table->count; f++) {
		const struct field *field = &table->fields[f];
		struct snapshot_stat stat = {.scope = scope,
					     .name = field->name,
					     .help = field->help,
					     .order = table->order +
						      (unsigned int)f,
					     .gauge = field->gauge};

		if ((field->tls && !tls) || (field->staples && !staples))
			continue;
		if (!certificate && strcmp(field->name, CERTS_STAT) > 0) {
			add_certificates(snapshot, context, scope);
			certificate = true;
		}
		stat.value = sum(context, scope, field);
		if (field->negotiated && !stat.value)
			continue;
		stat.used = field->gauge ? gauges_used : stat.value != 0;
		snapshot_add(snapshot, &stat);
	}
}

/* ---- durations */

static const void *times_of(const struct admin_context *context,
			    const struct stat_scope *scope, unsigned int worker)
{
	struct counters *counters = context->counters;

	if (scope->owner == STAT_CLUSTER)
		return counters_cluster_times(counters, scope->index, worker);
	return counters_listener_times(counters, scope->index, worker);
}

/* Returns how many there are. */
static unsigned long long add_up(struct durations *all, const void *row,
				 size_t offset)
{
	unsigned long long count = 0;

	all->sum_ms += load(row, offset + offsetof(struct durations, sum_ms));
	for (size_t i = 0; i < DURATIONS_BUCKETS; i++) {
		unsigned long long value =
			load(row, offset + offsetof(struct durations, buckets) +
					  i * sizeof(all->buckets[0]));

		all->buckets[i] += value;
		count += value;
	}
	return count;
}

unsigned long long snapshot_durations(const struct snapshot *snapshot,
				      const struct snapshot_stat *histogram,
				      struct durations *ret)
{
	const struct admin_context *context = snapshot->context;
	unsigned int workers = counters_workers(context->counters);
	unsigned long long count = 0;

	*ret = (struct durations){0};
	for (unsigned int w = 0; histogram->used && w < workers; w++)
		count += add_up(ret, times_of(context, histogram->scope, w),
				times[histogram->order].offset);
	return count;
}

static void add_times(struct snapshot *snapshot,
		      const struct admin_context *context,
		      const struct stat_scope *scope)
{
	for (size_t i = 0; i < COUNT(times); i++) {
		struct field counted = {.offset = times[i].counted};
		struct snapshot_stat stat = {.scope = scope,
					     .name = times[i].name,
					     .help = times[i].help,
					     .order = (unsigned int)i};

		if (times[i].owner != scope->owner)
			continue;
		stat.used = sum(context, scope, &counted) != 0;
		snapshot_add_histogram(snapshot, &stat);
	}
}

void snapshot_rows(struct snapshot *snapshot,
		   const struct admin_context *context,
		   const struct stat_scope *scope)
{
	add_fields(snapshot, context, scope);
	add_times(snapshot, context, scope);
}
