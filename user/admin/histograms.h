/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histograms: a snapshot's histograms as Envoy tells them: quantiles, or
 * buckets by Envoy's bounds. Of two values per entry, one of the last interval
 * and one of all time, there is only the second: nothing is flushed here.
 */
#ifndef MILLRACE_ADMIN_HISTOGRAMS_H
#define MILLRACE_ADMIN_HISTOGRAMS_H

#include "admin/filter.h"
#include "admin/snapshot.h"
#include "base/text.h"

#define HISTOGRAM_BOUNDS 19

/* Of the i-th below HISTOGRAM_BOUNDS, in milliseconds: "0.5". */
const char *histograms_bound(size_t i);

/* How many were at most each bound. */
void histograms_cumulate(const struct durations *durations,
			 unsigned long long ret[static HISTOGRAM_BOUNDS]);

void histograms_text(const struct snapshot *snapshot,
		     const struct filter *filter, enum stats_buckets buckets,
		     struct text *text);

/* {"histograms": ...} */
void histograms_json(const struct snapshot *snapshot,
		     const struct filter *filter, enum stats_buckets buckets,
		     struct text *text);

#endif
