/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/stats.h"

#include <string.h>

#include "admin/histograms.h"
#include "admin/prometheus.h"
#include "admin/snapshot.h"
#include "base/give_way.h"
#include "base/text.h"

static void print_text(const struct snapshot *snapshot,
		       const struct filter *filter, enum stats_buckets buckets,
		       struct text *text)
{
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct snapshot_stat *stat = &snapshot->stats[i];

		give_way(i, STATS_AT_ONCE);
		if (!filter_passes(filter, stat))
			continue;
		text_put(text, stat->scope->text, stat->scope->size + 1);
		text_word(text, stat->name);
		text_put(text, ": ", 2);
		text_number(text, stat->value);
		text_put(text, "\n", 1);
	}
	histograms_text(snapshot, filter, buckets, text);
}

static void print_json(const struct snapshot *snapshot,
		       const struct filter *filter, enum stats_buckets buckets,
		       struct text *text)
{
	text_word(text, "{\"stats\":[");
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct snapshot_stat *stat = &snapshot->stats[i];

		give_way(i, STATS_AT_ONCE);
		if (!filter_passes(filter, stat))
			continue;
		text_word(text, "{\"name\":\"");
		text_json_part(text, stat->scope->text);
		text_json_part(text, stat->name);
		text_word(text, "\",\"value\":");
		text_number(text, stat->value);
		text_word(text, "},\n");
	}
	/* Readers of Envoy's expect it as the last one. */
	histograms_json(snapshot, filter, buckets, text);
	text_word(text, "]}\n");
}

int stats_print(const struct admin_context *context, enum stats_format format,
		const struct stats_query *query, char **ret_text,
		size_t *ret_size, struct err *err)
{
	struct snapshot snapshot;
	struct text text = {0};
	struct filter filter;
	int r = filter_init(&filter, query, err);

	if (r)
		return r;
	r = snapshot_take(context, &snapshot);
	if (!r) {
		if (format == STATS_TEXT)
			print_text(&snapshot, &filter, query->buckets, &text);
		else if (format == STATS_JSON)
			print_json(&snapshot, &filter, query->buckets, &text);
		else
			prometheus_print(&snapshot, &filter, &text);
		snapshot_free(&snapshot);
		r = text_take(&text, ret_text, ret_size);
	}
	filter_fini(&filter);
	return r;
}
