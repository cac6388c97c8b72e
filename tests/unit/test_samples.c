/* SPDX-License-Identifier: BSD-2-Clause */
/* samples: what /stats tells, and its rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "cli/samples.h"

static struct samples parsed(const char *text, uint64_t at_ms)
{
	struct samples samples;

	assert_int_equal(samples_parse(strdup(text), at_ms, &samples), 0);
	return samples;
}

static void reads(void **state)
{
	struct samples samples = parsed("b.x: 2\na: 18446744073709551615\n", 5);

	(void)state;
	assert_int_equal(samples.count, 2);
	assert_string_equal(samples.items[0].name, "a");
	assert_true(samples_find(&samples, "a")->value == UINT64_MAX);
	assert_int_equal(samples_find(&samples, "b.x")->value, 2);
	assert_null(samples_find(&samples, "b"));
	samples_fini(&samples);
	samples = parsed("", 5);
	assert_int_equal(samples.count, 0);
	assert_null(samples_find(&samples, "b"));
	samples_fini(&samples);
}

static void refuses(void **state)
{
	static const char *const texts[] = {"a",       "a: ",	"a: -1\n",
					    "a: 1x\n", "a:1\n", "<html>\n"};
	struct samples samples;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(samples_parse(strdup(texts[i]), 0, &samples),
				 -EPROTO);
}

static void rates(void **state)
{
	static const struct {
		const char *name;
		double rate;
	} table[] = {
		{"listener.x.downstream_cx_total", 20},
		{"listener.x.downstream_cx_active", 0}, /* a gauge */
		{"listener.x.reset", 0},		/* was reset */
		{"listener.x.new", 0},
		{"server.uptime", 0},
	};
	struct samples before = parsed("listener.x.downstream_cx_total: 10\n"
				       "listener.x.downstream_cx_active: 1\n"
				       "listener.x.reset: 9\n"
				       "server.uptime: 1\n",
				       1000);
	struct samples now = parsed("listener.x.downstream_cx_total: 20\n"
				    "listener.x.downstream_cx_active: 9\n"
				    "listener.x.new: 9\n"
				    "listener.x.reset: 1\n"
				    "server.uptime: 9\n",
				    1500);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		double got = samples_rate(&before, &now,
					  samples_find(&now, table[i].name));

		if (got < table[i].rate || got > table[i].rate)
			fail_msg("%s: %f", table[i].name, got);
	}
	samples_fini(&before);
	samples_fini(&now);
}

static void formats(void **state)
{
	static const struct {
		double rate;
		const char *text;
	} table[] = {
		{0, ""},	   {0.25, "0.2/s"},	   {12.4, "12/s"},
		{9999, "9999/s"},  {12345, "12.3k/s"},	   {3.4e8, "340.0M/s"},
		{5e10, "50.0G/s"}, {1.8e19, "18000.0P/s"},
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(samples_rate_format(table[i].rate, text),
				    table[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(rates),
		cmocka_unit_test(formats),
	};

	return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
