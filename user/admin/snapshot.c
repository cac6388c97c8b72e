/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/certs.h"
#include "admin/sites.h"
#include "admin/snapshot_parts.h"
#include "base/give_way.h"

static void append(struct snapshot *snapshot, struct snapshot_stat **stats,
		   size_t *count, size_t *room,
		   const struct snapshot_stat *stat)
{
	if (*count == *room) {
		size_t wanted = *room ? 2 * *room : 1024;
		struct snapshot_stat *found =
			realloc(*stats, wanted * sizeof(*found));

		if (!found) {
			snapshot->short_of_memory = true;
			return;
		}
		*stats = found;
		*room = wanted;
	}
	(*stats)[(*count)++] = *stat;
}

void snapshot_add(struct snapshot *snapshot, const struct snapshot_stat *stat)
{
	append(snapshot, &snapshot->stats, &snapshot->count, &snapshot->room,
	       stat);
}

void snapshot_add_histogram(struct snapshot *snapshot,
			    const struct snapshot_stat *stat)
{
	append(snapshot, &snapshot->histograms, &snapshot->histogram_count,
	       &snapshot->histogram_room, stat);
}

static void add_site(struct snapshot *snapshot,
		     const struct admin_context *context,
		     const struct stat_scope *scope)
{
	unsigned long long *values = calloc(sites_count(), sizeof(*values));

	if (!values) {
		snapshot->short_of_memory = true;
		return;
	}
	sites_read(context->intercept, scope->index, values);
	for (size_t i = 0; i < sites_count(); i++) {
		struct snapshot_stat stat = {
			.scope = scope,
			.name = sites_name(i),
			.help = sites_help(i),
			.value = values[i],
			.order = ORDER_SITE + (unsigned int)i,
			.used = values[i] != 0,
		};

		snapshot_add(snapshot, &stat);
	}
	free(values);
}

/* ---- scopes */

static int by_scope(const void *a, const void *b)
{
	const struct stat_scope *x = a, *y = b;
	size_t size = x->size < y->size ? x->size : y->size;
	/* with the dot that follows */
	int r = memcmp(x->text, y->text, size + 1);

	return r ? r : (x->size > y->size) - (x->size < y->size);
}

static void add_scope(struct snapshot *snapshot, enum stat_owner owner,
		      size_t index, const char *kind, const char *name)
{
	struct stat_scope *scope = &snapshot->scopes[snapshot->scope_count];
	int size = asprintf(&scope->text, "%s%s.", kind, name);

	if (size < 0) {
		snapshot->short_of_memory = true;
		return;
	}
	/* The dot stays behind the end, for by_scope(). */
	scope->size = (size_t)size - 1;
	scope->name = scope->text + strlen(kind);
	scope->owner = owner;
	scope->index = index;
	snapshot->scope_count++;
}

static void add_scopes(struct snapshot *snapshot,
		       const struct admin_context *context)
{
	const struct config *config = context->config;
	const struct intercept_spec *spec =
		context->intercept ? config->intercept : NULL;
	size_t sites = spec ? spec->site_count : 0;
	char address[ADDR_TEXT_MAX];

	snapshot->scopes = calloc(
		config->cluster_count + 2 * config->listener_count + sites + 2,
		sizeof(*snapshot->scopes));
	if (!snapshot->scopes) {
		snapshot->short_of_memory = true;
		return;
	}
	for (size_t i = 0; i < config->cluster_count; i++)
		add_scope(snapshot, STAT_CLUSTER, i, "cluster.",
			  config->clusters[i].name);
	for (size_t i = 0; i < config->listener_count; i++)
		add_scope(snapshot, STAT_LISTENER, i, "listener.",
			  addr_format_stat(&config->listeners[i].listen,
					   address));
	for (size_t i = 0; i < config->listener_count; i++)
		add_scope(snapshot, STAT_TCP, i, "tcp.",
			  config->listeners[i].name);
	for (size_t i = 0; i < sites; i++)
		add_scope(snapshot, STAT_SITE, i, "millrace.intercept.",
			  spec->sites[i].name);
	add_scope(snapshot, STAT_SERVER, 0, "", "listener_manager");
	add_scope(snapshot, STAT_SERVER, 1, "", "server");
	qsort(snapshot->scopes, snapshot->scope_count,
	      sizeof(*snapshot->scopes), by_scope);
}

static int by_name(const void *a, const void *b)
{
	const struct snapshot_stat *x = a, *y = b;
	char left[STAT_NAME_MAX], right[STAT_NAME_MAX];
	size_t size = x->scope->size < y->scope->size ? x->scope->size
						      : y->scope->size;
	int r = memcmp(x->scope->text, y->scope->text, size + 1);

	if (r)
		return r;
	if (x->scope->size == y->scope->size)
		return strcmp(x->name, y->name);
	return strcmp(stat_name(x, left), stat_name(y, right));
}

static void sort_all(struct snapshot *snapshot)
{
	if (snapshot->count)
		qsort(snapshot->stats, snapshot->count,
		      sizeof(*snapshot->stats), by_name);
	if (snapshot->histogram_count)
		qsort(snapshot->histograms, snapshot->histogram_count,
		      sizeof(*snapshot->histograms), by_name);
}

/* A cluster's name may be the beginning of another's, up to a dot: only
 * then do their numbers interleave. */
static void sort(struct snapshot *snapshot)
{
	for (size_t i = 1; i < snapshot->scope_count; i++) {
		const struct stat_scope *a = &snapshot->scopes[i - 1];
		const struct stat_scope *b = &snapshot->scopes[i];

		if (b->size > a->size &&
		    memcmp(a->text, b->text, a->size + 1) == 0) {
			sort_all(snapshot);
			return;
		}
	}
}

char *stat_name(const struct snapshot_stat *stat,
		char text[static STAT_NAME_MAX])
{
	snprintf(text, STAT_NAME_MAX, "%.*s.%s", (int)stat->scope->size,
		 stat->scope->text, stat->name);
	return text;
}

static int take(const struct admin_context *context, struct snapshot *ret)
{
	*ret = (struct snapshot){.context = context};
	snapshot_rows_init();
	add_scopes(ret, context);
	for (size_t i = 0; i < ret->scope_count; i++) {
		const struct stat_scope *scope = &ret->scopes[i];

		give_way(i, SCOPES_AT_ONCE);
		if (scope->owner == STAT_SITE)
			add_site(ret, context, scope);
		else if (scope->owner == STAT_SERVER)
			snapshot_server(ret, context, scope);
		else
			snapshot_rows(ret, context, scope);
	}
	if (ret->short_of_memory) {
		snapshot_free(ret);
		return -ENOMEM;
	}
	sort(ret);
	return 0;
}

/* Both are in the same order. A row that began anew is below its baseline,
 * and tells what it has. */
static void subtract(struct snapshot *snapshot, const struct snapshot *base)
{
	size_t b = 0;

	for (size_t i = 0; i < snapshot->count && b < base->count; i++) {
		struct snapshot_stat *stat = &snapshot->stats[i];
		int r = -1;

		while (b < base->count &&
		       (r = by_name(stat, &base->stats[b])) > 0)
			b++;
		if (r != 0 || stat->gauge)
			continue;
		if (stat->value >= base->stats[b].value)
			stat->value -= base->stats[b].value;
	}
}

int snapshot_take(const struct admin_context *context, struct snapshot *ret)
{
	int r = take(context, ret);

	if (!r && context->baseline)
		subtract(ret, context->baseline);
	return r;
}

/* Gauges are left out: their names may not last. Histograms go on, as they
 * do with Envoy. */
static void keep_counters(struct snapshot *snapshot)
{
	size_t kept = 0;

	free(snapshot->histograms);
	snapshot->histograms = NULL;
	snapshot->histogram_count = 0;
	for (size_t i = 0; i < snapshot->count; i++)
		if (!snapshot->stats[i].gauge && snapshot->stats[i].value)
			snapshot->stats[kept++] = snapshot->stats[i];
	snapshot->count = kept;
}

int snapshot_reset(struct admin_context *context)
{
	struct snapshot *base = calloc(1, sizeof(*base));
	int r = base ? take(context, base) : -ENOMEM;

	if (r) {
		free(base);
		return r;
	}
	keep_counters(base);
	if (context->baseline)
		snapshot_free(context->baseline);
	free(context->baseline);
	context->baseline = base;
	return 0;
}

void snapshot_free(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->scope_count; i++)
		free(snapshot->scopes[i].text);
	free(snapshot->scopes);
	free(snapshot->stats);
	free(snapshot->histograms);
	*snapshot = (struct snapshot){0};
}
