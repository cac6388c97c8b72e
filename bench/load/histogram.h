/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histogram: counts of values of 64 bits, log-linear: exact below
 * 2 * HISTOGRAM_STEPS, above that in buckets no wider than 1/HISTOGRAM_STEPS
 * of the value. Plain bytes of a fixed size: recording never allocates.
 */
#ifndef MILLRACE_BENCH_HISTOGRAM_H
#define MILLRACE_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 8
#define HISTOGRAM_STEPS (1U << HISTOGRAM_BITS)
/* Two rows of steps are exact, then one more for each power of two. */
#define HISTOGRAM_BUCKETS ((65 - HISTOGRAM_BITS) * HISTOGRAM_STEPS)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);

/*
 * The value that a share (0 to 1) of all values does not exceed: the upper
 * end of its bucket, so never less than the true one, and at most
 * 1/HISTOGRAM_STEPS more. 0 when there are none.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
