/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <math.h>

#include "load/histogram.h"

#define COUNT 20000

static struct histogram histogram;
static uint64_t values[COUNT];

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What the sorted samples say, or at most a step more. */
static void compare(size_t count)
{
	static const double shares[] = {0,    0.001, 0.25,   0.5, 0.9,
					0.99, 0.999, 0.9999, 1};

	qsort(values, count, sizeof(values[0]), by_size);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		double rank = ceil(shares[i] * (double)count);
		uint64_t exact = values[rank < 1 ? 0 : (size_t)rank - 1];
		uint64_t told = histogram_quantile(&histogram, shares[i]);

		if (told < exact || told - exact > exact / HISTOGRAM_STEPS)
			fail_msg("share %f of %zu: %llu, sorted %llu",
				 shares[i], count, (unsigned long long)told,
				 (unsigned long long)exact);
	}
}

static void test_samples(void **state)
{
	unsigned int seed = 7;

	(void)state;
	/* From a few to 2^63: every length of number. */
	for (unsigned int bits = 1; bits <= 64; bits++) {
		memset(&histogram, 0, sizeof(histogram));
		for (size_t i = 0; i < COUNT; i++) {
			uint64_t random = (uint64_t)rand_r(&seed) << 42 ^
					  (uint64_t)rand_r(&seed) << 21 ^
					  (uint64_t)rand_r(&seed);

			/* Few are large, as latencies are. */
			values[i] = random >> (64 - bits) >> (i % 8);
			histogram_add(&histogram, values[i]);
		}
		compare(COUNT);
	}
}

static void test_edges(void **state)
{
	uint64_t edges[] = {0,
			    1,
			    2 * HISTOGRAM_STEPS - 1,
			    2 * HISTOGRAM_STEPS,
			    2 * HISTOGRAM_STEPS + 1,
			    UINT64_MAX - 1,
			    UINT64_MAX};

	(void)state;
	memset(&histogram, 0, sizeof(histogram));
	assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		memset(&histogram, 0, sizeof(histogram));
		values[0] = edges[i];
		histogram_add(&histogram, edges[i]);
		compare(1);
		/* The largest is known exactly. */
		assert_true(histogram_quantile(&histogram, 1) == edges[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
