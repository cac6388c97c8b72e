/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/certs.h"
#include "admin/histograms.h"
#include "base/give_way.h"

#define FAMILY_MAX 256

/* Parts of a name that are a label's value there: what follows the prefix,
 * up to the suffix. */
static const struct part {
	const char *prefix;
	const char *suffix;
	const char *listener_label;
	const char *cluster_label;
} parts[] = {
	{"ssl.ciphers.", "", "envoy_ssl_cipher", "cipher_suite"},
	{"ssl.curves.", "", "envoy_ssl_curve", "envoy_ssl_curve"},
	{"ssl.sigalgs.", "", "envoy_ssl_sigalg", "envoy_ssl_sigalg"},
	{"ssl.versions.", "", "envoy_ssl_version", "envoy_ssl_version"},
	{CERTS_STAT, ".expiration_unix_time_in_seconds",
	 "envoy_tls_certificate", "envoy_tls_certificate"},
};

static const struct part *part_of(const struct snapshot_stat *stat)
{
	if (stat->scope->owner == STAT_SERVER)
		return NULL;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strncmp(stat->name, parts[i].prefix,
			    strlen(parts[i].prefix)) == 0)
			return &parts[i];
	return NULL;
}

/* How an owner's families begin, and the label that tells whose it is. */
static const struct {
	const char *family;
	const char *label;
} owners[] = {
	[STAT_CLUSTER] = {"cluster", "envoy_cluster_name"},
	[STAT_LISTENER] = {"listener", "envoy_listener_address"},
	[STAT_TCP] = {"tcp", "envoy_tcp_prefix"},
	[STAT_SITE] = {"millrace_intercept", "millrace_site"},
	[STAT_SERVER] = {NULL, NULL},
};

/* envoy_listener_ssl_handshake: what is no letter or digit becomes '_'. */
static void name_family(const struct snapshot_stat *stat,
			const struct part *part, char family[static FAMILY_MAX])
{
	const char *owner = owners[stat->scope->owner].family;
	char name[FAMILY_MAX];

	if (part)
		snprintf(name, sizeof(name), "%.*s%s",
			 (int)strlen(part->prefix) - 1, part->prefix,
			 part->suffix);
	else
		snprintf(name, sizeof(name), "%s", stat->name);
	if (owner)
		snprintf(family, FAMILY_MAX, "envoy_%s_%.200s", owner, name);
	else
		snprintf(family, FAMILY_MAX, "envoy_%.*s_%.200s",
			 (int)stat->scope->size, stat->scope->text, name);
	for (char *c = family; *c; c++)
		if (strchr(".-:", *c))
			*c = '_';
}

static void put_label(struct text *text, const char *before, const char *label,
		      const char *value, size_t size)
{
	text_word(text, before);
	text_word(text, label);
	text_put(text, "=\"", 2);
	for (size_t i = 0, plain; i < size; i += plain) {
		bool escaped = value[i] == '\\' || value[i] == '"';

		if (escaped)
			text_put(text, "\\", 1);
		plain = escaped + strcspn(value + i + escaped, "\\\"");
		if (plain > size - i)
			plain = size - i;
		text_put(text, value + i, plain);
	}
	text_put(text, "\"", 1);
}

static void put_labels(struct text *text, const struct snapshot_stat *stat,
		       const struct part *part)
{
	bool listener = stat->scope->owner == STAT_LISTENER;
	const char *label = owners[stat->scope->owner].label;
	const char *before = "{";

	if (!label)
		return;
	if (part) {
		const char *value = stat->name + strlen(part->prefix);

		put_label(text, before,
			  listener ? part->listener_label : part->cluster_label,
			  value, strlen(value) - strlen(part->suffix));
		before = ",";
	}
	/* The scope's text goes on with a dot. */
	put_label(text, before, label, stat->scope->name,
		  stat->scope->size -
			  (size_t)(stat->scope->name - stat->scope->text));
	text_put(text, "}", 1);
}

static void put_type(struct text *text, const char *family, const char *help,
		     const char *type)
{
	text_format(text, "# HELP %s %s\n# TYPE %s %s\n", family, help, family,
		    type);
}

/* The lines of a family must stand together: by order, then as they came. */
static const struct snapshot_stat **in_families(const struct snapshot *snapshot)
{
	const struct snapshot_stat **sorted =
		calloc(snapshot->count + 1, sizeof(*sorted));
	size_t starts[STAT_ORDERS + 1] = {0};

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < snapshot->count; i++)
		starts[snapshot->stats[i].order + 1]++;
	for (size_t i = 1; i <= STAT_ORDERS; i++)
		starts[i] += starts[i - 1];
	for (size_t i = 0; i < snapshot->count; i++)
		sorted[starts[snapshot->stats[i].order]++] =
			&snapshot->stats[i];
	return sorted;
}

static void print_stats(const struct snapshot *snapshot,
			const struct filter *filter, struct text *text)
{
	const struct snapshot_stat **sorted = in_families(snapshot);
	char family[FAMILY_MAX] = "", told[FAMILY_MAX] = "";
	const struct part *part = NULL;
	unsigned int order = STAT_ORDERS;

	if (!sorted) {
		text->short_of_memory = true;
		return;
	}
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct snapshot_stat *stat = sorted[i];

		give_way(i, STATS_AT_ONCE);
		if (!filter_passes(filter, stat))
			continue;
		if (stat->order != order) {
			order = stat->order;
			part = part_of(stat);
			name_family(stat, part, family);
		}
		if (strcmp(family, told) != 0) {
			strcpy(told, family);
			put_type(text, family, stat->help,
				 stat->gauge ? "gauge" : "counter");
		}
		text_word(text, family);
		put_labels(text, stat, part);
		text_put(text, " ", 1);
		text_number(text, stat->value);
		text_put(text, "\n", 1);
	}
	free(sorted);
}

/* family_bucket{...,le="5"} 17: what is before the bound is the same in every
 * line. */
static void put_histogram(struct text *text, const char *family,
			  const struct snapshot *snapshot,
			  const struct snapshot_stat *stat)
{
	unsigned long long counts[HISTOGRAM_BOUNDS], count;
	struct durations durations;
	struct text labels = {0};

	count = snapshot_durations(snapshot, stat, &durations);
	histograms_cumulate(&durations, counts);
	put_labels(&labels, stat, NULL);
	if (!labels.at) {
		text->short_of_memory = true;
		return;
	}
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		bool all = i == HISTOGRAM_BOUNDS;

		text_word(text, family);
		text_word(text, "_bucket");
		text_put(text, labels.at, labels.size - 1);
		text_word(text, ",le=\"");
		text_word(text, all ? "+Inf" : histograms_bound(i));
		text_word(text, "\"} ");
		text_number(text, all ? count : counts[i]);
		text_word(text, "\n");
	}
	for (int sum = 1; sum >= 0; sum--) {
		text_word(text, family);
		text_word(text, sum ? "_sum" : "_count");
		text_put(text, labels.at, labels.size);
		text_word(text, " ");
		text_number(text, sum ? durations.sum_ms : count);
		text_word(text, "\n");
	}
	text->short_of_memory |= labels.short_of_memory;
	free(labels.at);
}

static void print_histograms(const struct snapshot *snapshot,
			     const struct filter *filter, unsigned int order,
			     struct text *text)
{
	char family[FAMILY_MAX] = "";

	for (size_t i = 0; i < snapshot->histogram_count; i++) {
		const struct snapshot_stat *stat = &snapshot->histograms[i];

		give_way(i, HISTOGRAMS_AT_ONCE);
		if (stat->order != order || !filter_passes(filter, stat))
			continue;
		if (!*family) {
			name_family(stat, NULL, family);
			put_type(text, family, stat->help, "histogram");
		}
		put_histogram(text, family, snapshot, stat);
	}
}

void prometheus_print(const struct snapshot *snapshot,
		      const struct filter *filter, struct text *text)
{
	print_stats(snapshot, filter, text);
	for (unsigned int order = 0; order < HISTOGRAM_ORDERS; order++)
		print_histograms(snapshot, filter, order, text);
}
