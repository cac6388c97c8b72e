/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>

#include "base/durations.h"

#define SAMPLES 20000

/* What Envoy tells buckets by: 0.5 holds 0 alone. */
static const unsigned long long envoys[] = {
	0,    1,    5,	   10,	  25,	 50,	 100,	 250,	  500,	  1000,
	2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

static void bounds_rise_and_hold_envoys(void **state)
{
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < DURATIONS_BUCKETS - 1; i++) {
		unsigned long long bound = durations_bound(i);
		unsigned long long before = i ? durations_bound(i - 1) : 0;

		assert_true(!i || bound > before);
		assert_true(bound <= 10 || 4 * (bound - before) <= bound);
		if (found < sizeof(envoys) / sizeof(envoys[0]))
			found += bound == envoys[found];
	}
	assert_int_equal(found, sizeof(envoys) / sizeof(envoys[0]));
}

static void each_value_is_in_its_bucket(void **state)
{
	(void)state;
	for (size_t i = 0; i < DURATIONS_BUCKETS; i++) {
		struct durations durations = {0};
		unsigned long long low = i ? durations_bound(i - 1) + 1 : 0;

		durations_add(&durations, low);
		if (i < DURATIONS_BUCKETS - 1)
			durations_add(&durations, durations_bound(i));
		else
			durations_add(&durations, 1ull << 60);
		assert_int_equal(durations.buckets[i], 2);
		assert_int_equal(durations_count(&durations), 2);
	}
}

static int rising(const void *a, const void *b)
{
	const unsigned long long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Against the sorted samples: never off by more than a bucket's width. */
static void quantiles_are_near(void **state)
{
	static const unsigned int shares[] = {0, 250, 500, 900, 990, 999, 1000};
	static unsigned long long samples[SAMPLES];
	struct durations durations = {0};
	unsigned long long told[7], sum = 0;

	(void)state;
	srandom(7);
	for (size_t i = 0; i < SAMPLES; i++) {
		samples[i] = (unsigned long long)(random() % 1000) *
			     (unsigned long long)(random() % 1000) / 10;
		sum += samples[i];
		durations_add(&durations, samples[i]);
	}
	assert_int_equal(durations.sum_ms, sum);
	qsort(samples, SAMPLES, sizeof(samples[0]), rising);
	durations_quantiles(&durations, shares, 7, told);
	for (size_t i = 0; i < 7; i++) {
		size_t rank = (SAMPLES * shares[i] + 999) / 1000;
		unsigned long long is = samples[rank ? rank - 1 : 0];
		unsigned long long off =
			told[i] > is ? told[i] - is : is - told[i];

		assert_true(4 * off <= is + 4);
		assert_true(!i || told[i] >= told[i - 1]);
	}
}

static void nothing_is_told_of_nothing(void **state)
{
	static const unsigned int shares[] = {500};
	struct durations durations = {0};
	unsigned long long told = 77;

	(void)state;
	durations_quantiles(&durations, shares, 1, &told);
	assert_int_equal(told, 77);
	durations_add(&durations, 12);
	durations_quantiles(&durations, shares, 1, &told);
	assert_in_range(told, 11, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_rise_and_hold_envoys),
		cmocka_unit_test(each_value_is_in_its_bucket),
		cmocka_unit_test(quantiles_are_near),
		cmocka_unit_test(nothing_is_told_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
