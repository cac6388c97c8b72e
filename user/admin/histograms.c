/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/histograms.h"

#include "base/durations.h"
#include "base/give_way.h"

/* Envoy's, all of which are bounds of durations.h: nothing but 0 is at most
 * half a millisecond. */
static const struct bound {
	const char *text;
	unsigned long long ms;
} bounds[HISTOGRAM_BOUNDS] = {
	{"0.5", 0},	      {"1", 1},		  {"5", 5},
	{"10", 10},	      {"25", 25},	  {"50", 50},
	{"100", 100},	      {"250", 250},	  {"500", 500},
	{"1000", 1000},	      {"2500", 2500},	  {"5000", 5000},
	{"10000", 10000},     {"30000", 30000},	  {"60000", 60000},
	{"300000", 300000},   {"600000", 600000}, {"1800000", 1800000},
	{"3600000", 3600000},
};

#define QUANTILES 10
static const unsigned int shares[QUANTILES] = {0,   250, 500, 750, 900,
					       950, 990, 995, 999, 1000};
static const char *const share_texts[QUANTILES] = {
	"0", "25", "50", "75", "90", "95", "99", "99.5", "99.9", "100"};

const char *histograms_bound(size_t i)
{
	return bounds[i].text;
}

void histograms_cumulate(const struct durations *durations,
			 unsigned long long ret[static HISTOGRAM_BOUNDS])
{
	unsigned long long seen = 0;
	size_t bucket = 0;

	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		while (durations_bound(bucket) <= bounds[i].ms)
			seen += durations->buckets[bucket++];
		ret[i] = seen;
	}
}

static void count_buckets(const struct durations *durations,
			  enum stats_buckets buckets,
			  unsigned long long ret[static HISTOGRAM_BOUNDS])
{
	histograms_cumulate(durations, ret);
	if (buckets == STATS_BUCKETS_CUMULATIVE)
		return;
	for (size_t i = HISTOGRAM_BOUNDS - 1; i > 0; i--)
		ret[i] -= ret[i - 1];
}

static void text_buckets(const struct durations *durations,
			 enum stats_buckets buckets, struct text *text)
{
	unsigned long long counts[HISTOGRAM_BOUNDS];

	count_buckets(durations, buckets, counts);
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		text_word(text, i ? " B" : "B");
		text_word(text, bounds[i].text);
		text_word(text, "(0,");
		text_number(text, counts[i]);
		text_word(text, ")");
	}
}

static void text_quantiles(const struct durations *durations, struct text *text)
{
	unsigned long long values[QUANTILES] = {0};

	durations_quantiles(durations, shares, QUANTILES, values);
	for (size_t i = 0; i < QUANTILES; i++) {
		text_word(text, i ? " P" : "P");
		text_word(text, share_texts[i]);
		text_word(text, "(nan,");
		text_number(text, values[i]);
		text_word(text, ")");
	}
}

void histograms_text(const struct snapshot *snapshot,
		     const struct filter *filter, enum stats_buckets buckets,
		     struct text *text)
{
	for (size_t i = 0; i < snapshot->histogram_count; i++) {
		const struct snapshot_stat *stat = &snapshot->histograms[i];
		struct durations durations;

		give_way(i, HISTOGRAMS_AT_ONCE);
		if (!filter_passes(filter, stat))
			continue;
		text_put(text, stat->scope->text, stat->scope->size + 1);
		text_word(text, stat->name);
		text_word(text, ": ");
		if (!snapshot_durations(snapshot, stat, &durations))
			text_word(text, "No recorded values");
		else if (buckets == STATS_BUCKETS_NONE)
			text_quantiles(&durations, text);
		else
			text_buckets(&durations, buckets, text);
		text_word(text, "\n");
	}
}

/* ---- JSON */

static void json_buckets(const struct durations *durations,
			 enum stats_buckets buckets, struct text *text)
{
	unsigned long long counts[HISTOGRAM_BOUNDS];

	count_buckets(durations, buckets, counts);
	text_word(text, ",\"buckets\":[");
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		text_word(text, i ? ",{\"upper_bound\":" : "{\"upper_bound\":");
		text_word(text, bounds[i].text);
		text_word(text, ",\"interval\":0,\"cumulative\":");
		text_number(text, counts[i]);
		text_word(text, "}");
	}
	text_word(text, "]");
}

/* count: of values in all */
static void json_quantiles(const struct durations *durations,
			   unsigned long long count, struct text *text)
{
	unsigned long long values[QUANTILES] = {0};

	durations_quantiles(durations, shares, QUANTILES, values);
	text_word(text, ",\"values\":[");
	for (size_t i = 0; i < QUANTILES; i++) {
		text_word(text, i ? "," : "");
		text_word(text, "{\"interval\":null,\"cumulative\":");
		if (count)
			text_number(text, values[i]);
		else
			text_word(text, "null");
		text_word(text, "}");
	}
	text_word(text, "]");
}

static void json_supported(struct text *text)
{
	text_word(text, "{\"supported_quantiles\":[");
	for (size_t i = 0; i < QUANTILES; i++) {
		text_word(text, i ? "," : "");
		text_word(text, share_texts[i]);
	}
	text_word(text, "],\"computed_quantiles\":");
}

void histograms_json(const struct snapshot *snapshot,
		     const struct filter *filter, enum stats_buckets buckets,
		     struct text *text)
{
	const char *before = "[";

	text_word(text, "{\"histograms\":");
	if (buckets == STATS_BUCKETS_NONE)
		json_supported(text);
	for (size_t i = 0; i < snapshot->histogram_count; i++) {
		const struct snapshot_stat *stat = &snapshot->histograms[i];
		struct durations durations;
		unsigned long long count;

		give_way(i, HISTOGRAMS_AT_ONCE);
		if (!filter_passes(filter, stat))
			continue;
		count = snapshot_durations(snapshot, stat, &durations);
		text_word(text, before);
		text_word(text, "{\"name\":\"");
		text_json_part(text, stat->scope->text);
		text_json_part(text, stat->name);
		text_word(text, "\"");
		if (buckets == STATS_BUCKETS_NONE)
			json_quantiles(&durations, count, text);
		else
			json_buckets(&durations, buckets, text);
		text_word(text, "}");
		before = ",\n";
	}
	text_word(text, *before == '[' ? "[]" : "]");
	text_word(text, buckets == STATS_BUCKETS_NONE ? "}}" : "}");
}
