/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <counters.h>

static int parse_line(char *line, struct sample *ret)
{
	char *colon = strstr(line, ": "), *end;

	if (!colon || colon[2] < '0' || colon[2] > '9')
		return -EPROTO;
	*colon = '\0';
	ret->name = line;
	ret->value = strtoull(colon + 2, &end, 10);
	return *end ? -EPROTO : 0;
}

/* "name: P0(nan,1) ..." or "name: No recorded values" */
static bool is_histogram(const char *line)
{
	const char *value = strstr(line, ": ");

	return value && (strncmp(value, ": P0(", 5) == 0 ||
			 strcmp(value, ": No recorded values") == 0);
}

static int by_name(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int samples_parse(char *text, uint64_t at_ms, struct samples *ret)
{
	struct samples samples = {.text = text, .at_ms = at_ms};
	char *line, *rest = text;
	size_t lines = 1;
	int r = 0;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	samples.items = calloc(lines, sizeof(*samples.items));
	if (!samples.items)
		r = -ENOMEM;
	while (!r && (line = strsep(&rest, "\n")) != NULL) {
		if (!*line || is_histogram(line))
			continue;
		r = parse_line(line, &samples.items[samples.count++]);
	}
	if (r) {
		samples_fini(&samples);
		return r;
	}
	qsort(samples.items, samples.count, sizeof(*samples.items), by_name);
	*ret = samples;
	return 0;
}

void samples_fini(struct samples *samples)
{
	free(samples->items);
	free(samples->text);
	*samples = (struct samples){0};
}

const struct sample *samples_find(const struct samples *samples,
				  const char *name)
{
	struct sample key = {.name = name};

	if (!samples->count)
		return NULL;
	return bsearch(&key, samples->items, samples->count, sizeof(key),
		       by_name);
}

bool samples_is_gauge(const char *name)
{
#define SKIP(field, name, help)
#define GAUGE(field, name, help) "." name,
	static const char *const ends[] = {
		LISTENER_COUNTERS(SKIP, GAUGE) CLUSTER_COUNTERS(SKIP, GAUGE)};
#undef SKIP
#undef GAUGE
	static const char *const begins[] = {"server.", "listener_manager.",
					     "cluster_manager."};
	size_t size = strlen(name);

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (size > end && strcmp(name + size - end, ends[i]) == 0)
			return true;
	}
	return false;
}

double samples_rate(const struct samples *before, const struct samples *now,
		    const struct sample *sample)
{
	const struct sample *old = samples_find(before, sample->name);
	uint64_t ms = now->at_ms - before->at_ms;

	if (!ms || !old || old->value >= sample->value ||
	    samples_is_gauge(sample->name))
		return 0;
	return (double)(sample->value - old->value) * 1000 / (double)ms;
}

char *samples_rate_format(double rate, char text[static 16])
{
	static const char units[] = " kMGTP";
	size_t unit = 0;

	while (rate >= 9999.5 && unit < sizeof(units) - 2) {
		rate /= 1000;
		unit++;
	}
	if (rate <= 0)
		*text = '\0';
	else if (unit)
		snprintf(text, 16, "%.1f%c/s", rate, units[unit]);
	else
		snprintf(text, 16, rate < 10 ? "%.1f/s" : "%.0f/s", rate);
	return text;
}
