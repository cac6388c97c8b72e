/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * durations: a histogram of milliseconds in a fixed number of counters (as
 * they lie in a row of counters.h): one writer, any number of readers.
 *
 * A bucket counts the values above the bound before it, up to its own. Exact
 * up to 10 ms, from there on no bucket is wider than a quarter of its bound,
 * and every bound that Envoy tells buckets by is one of these, so that what
 * /stats says of those is exact too.
 */
#ifndef MILLRACE_BASE_DURATIONS_H
#define MILLRACE_BASE_DURATIONS_H

#include <stddef.h>

#include <counters.h>

/* Up to DURATIONS_BUCKETS - 2: the largest value in the bucket. The last
 * bucket holds all above. */
unsigned long long durations_bound(size_t bucket);

void durations_add(struct durations *durations, unsigned long long ms);

unsigned long long durations_count(const struct durations *durations);

/*
 * The values that the shares (per mille, rising, count of them) of all do not
 * exceed, interpolated within a bucket. Nothing when there are no values.
 */
void durations_quantiles(const struct durations *durations,
			 const unsigned int *shares, size_t count,
			 unsigned long long *ret_values);

#endif
