/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>

#include "base/line.h"

static const struct {
	const char *value, *pairs, *json;
} values[] = {
	{"plain", "k=plain n=7\n", "{\"k\":\"plain\",\"n\":7}\n"},
	{NULL, "k=- n=7\n", "{\"k\":null,\"n\":7}\n"},
	{"", "k=\"\" n=7\n", "{\"k\":\"\",\"n\":7}\n"},
	{"-", "k=\"-\" n=7\n", "{\"k\":\"-\",\"n\":7}\n"},
	{"two words", "k=\"two words\" n=7\n",
	 "{\"k\":\"two words\",\"n\":7}\n"},
	{"a=b", "k=\"a=b\" n=7\n", "{\"k\":\"a=b\",\"n\":7}\n"},
	{"q\"b\\", "k=\"q\\\"b\\\\\" n=7\n",
	 "{\"k\":\"q\\\"b\\\\\",\"n\":7}\n"},
	{"x\ny", "k=\"x\\x0ay\" n=7\n", "{\"k\":\"x\\\\x0ay\",\"n\":7}\n"},
	{"\xff\x7f", "k=\"\\xff\\x7f\" n=7\n",
	 "{\"k\":\"\\\\xff\\\\x7f\",\"n\":7}\n"},
};

static void check(const char *value, bool json, const char *expected)
{
	char text[128];
	struct line line;
	size_t size;

	line_begin(&line, text, sizeof(text), json ? LINE_JSON : LINE_TEXT);
	line_text(&line, "k", value);
	line_number(&line, "n", 7);
	size = line_end(&line);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(text, expected, size);
}

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		check(values[i].value, false, values[i].pairs);
		check(values[i].value, true, values[i].json);
	}
}

/* Cut wherever the buffer ends: never half an escape, always a whole line. */
static void test_cut(void **state)
{
	char value[200], text[256];

	(void)state;
	memset(value, '\n', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (size_t size = LINE_SIZE_MIN; size < sizeof(text); size++) {
		struct line line;
		size_t used;

		memset(text, 'Z', sizeof(text));
		line_begin(&line, text, size, LINE_JSON);
		line_text(&line, "key", value);
		line_text(&line, "more", "x");
		line_number(&line, "last", ~0ULL);
		used = line_end(&line);
		assert_true(used <= size);
		assert_memory_equal(text + used - 2, "}\n", 2);
		assert_int_equal(text[size], 'Z');
		/* {"key":"\\x0a...": five bytes each */
		assert_int_equal((strcspn(text + 8, "\"") % 5), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
