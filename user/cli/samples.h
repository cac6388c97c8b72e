/* SPDX-License-Identifier: BSD-2-Clause */
/* samples: what /stats told at one moment, and how fast it moves. */
#ifndef MILLRACE_CLI_SAMPLES_H
#define MILLRACE_CLI_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sample {
	const char *name; /* in the text */
	unsigned long long value;
};

struct samples {
	char *text;
	uint64_t at_ms;
	struct sample *items; /* in the order of /stats: by name */
	size_t count;
};

/* Takes text, lines of "name: value"; histograms, which have no rate, are left
 * out. 0, -EPROTO (it is freed), -ENOMEM. The
 * caller ends it with samples_fini(). */
int samples_parse(char *text, uint64_t at_ms, struct samples *ret)
	__attribute__((warn_unused_result));

void samples_fini(struct samples *samples);

/* NULL: there is none of this name. */
const struct sample *samples_find(const struct samples *samples,
				  const char *name);

/* Whether it goes down as well: it has no rate. */
bool samples_is_gauge(const char *name);

/*
 * What was added per second since before; 0 for one that is new, or smaller
 * than it was: it began anew.
 */
double samples_rate(const struct samples *before, const struct samples *now,
		    const struct sample *sample);

/* "1.2M" of a rate, for a column of 9; "" for 0. Returns text. */
char *samples_rate_format(double rate, char text[static 16]);

#endif
