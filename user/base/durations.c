/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/durations.h"

#define DECADE(unit)                                                     \
	12 * (unit), 15 * (unit), 18 * (unit), 20 * (unit), 25 * (unit), \
		30 * (unit), 36 * (unit), 40 * (unit), 50 * (unit),      \
		60 * (unit), 70 * (unit), 80 * (unit), 90 * (unit),      \
		100 * (unit)

static const unsigned long long bounds[DURATIONS_BUCKETS - 1] = {
	0,
	1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	DECADE(1ull),
	DECADE(10ull),
	DECADE(100ull),
	DECADE(1000ull),
	DECADE(10000ull),
	DECADE(100000ull),
	DECADE(1000000ull),
};

unsigned long long durations_bound(size_t bucket)
{
	return bounds[bucket];
}

/* The first whose bound is not below ms. */
static size_t bucket_of(unsigned long long ms)
{
	size_t low = 0, high = DURATIONS_BUCKETS - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (bounds[middle] < ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void durations_add(struct durations *durations, unsigned long long ms)
{
	durations->sum_ms += ms;
	durations->buckets[bucket_of(ms)]++;
}

unsigned long long durations_count(const struct durations *durations)
{
	unsigned long long count = 0;

	for (size_t i = 0; i < DURATIONS_BUCKETS; i++)
		count += durations->buckets[i];
	return count;
}

/* Of what is in the bucket, below of them left out, the rank-th. */
static unsigned long long within(const struct durations *durations,
				 size_t bucket, unsigned long long below,
				 unsigned long long rank)
{
	unsigned long long low, high;

	low = bucket ? bounds[bucket - 1] + 1 : 0;
	high = bucket < DURATIONS_BUCKETS - 1 ? bounds[bucket] : low;
	return low + (high - low) * (rank - below) / durations->buckets[bucket];
}

void durations_quantiles(const struct durations *durations,
			 const unsigned int *shares, size_t count,
			 unsigned long long *ret_values)
{
	unsigned long long total = durations_count(durations), below = 0;
	size_t bucket = 0;

	for (size_t i = 0; total && i < count; i++) {
		unsigned long long rank = (total * shares[i] + 999) / 1000;

		while (!durations->buckets[bucket] ||
		       below + durations->buckets[bucket] < rank)
			below += durations->buckets[bucket++];
		ret_values[i] = within(durations, bucket, below, rank);
	}
}
