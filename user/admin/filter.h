/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter: which numbers were asked for: /stats?filter=REGEX&usedonly, and
 * how a histogram is to be told.
 */
#ifndef MILLRACE_ADMIN_FILTER_H
#define MILLRACE_ADMIN_FILTER_H

#include <regex.h>
#include <stdbool.h>

#include "admin/snapshot.h"
#include "base/err.h"

/* ?histogram_buckets: what to tell of a histogram. */
enum stats_buckets {
	STATS_BUCKETS_NONE, /* its quantiles */
	STATS_BUCKETS_CUMULATIVE,
	STATS_BUCKETS_DISJOINT,
};

struct stats_query {
	const char *filter; /* POSIX extended, matches anywhere; or NULL */
	bool used_only;	    /* leave out what has always been 0 */
	enum stats_buckets buckets; /* not for Prometheus, which has its own */
};

struct filter {
	bool used_only;
	bool matches;
	regex_t regex;
};

/* 0 and filter_fini() is due, or -EINVAL with words: no regular expression,
 * or one that could cost too much. */
int filter_init(struct filter *filter, const struct stats_query *query,
		struct err *err) __attribute__((warn_unused_result));

void filter_fini(struct filter *filter);

bool filter_passes(const struct filter *filter,
		   const struct snapshot_stat *stat);

#endif
