/* SPDX-License-Identifier: BSD-2-Clause */
/* What reaches standard error, and what is held back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define OUT_MAX 8192

static int pipe_ends[2];
static int stderr_kept;

static int catch_lines(void **state)
{
	(void)state;
	assert_int_equal(pipe2(pipe_ends, O_NONBLOCK), 0);
	stderr_kept = dup(STDERR_FILENO);
	assert_int_equal(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
	return 0;
}

static int let_go(void **state)
{
	(void)state;
	dup2(stderr_kept, STDERR_FILENO);
	close(stderr_kept);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	unsetenv("JOURNAL_STREAM");
	log_begin(LINE_TEXT);
	log_level_set(LOG_LEVEL_INFO);
	log_rate_set(LOG_RATE_DEFAULT);
	return 0;
}

/* What was written since the last time. */
static const char *written(void)
{
	static char out[OUT_MAX];
	ssize_t size = read(pipe_ends[0], out, sizeof(out) - 1);

	out[size > 0 ? size : 0] = '\0';
	return out;
}

/* A line without the time, with which it begins. */
static const char *untimed(const char *begin, const char *after)
{
	const char *line = written();

	if (strncmp(line, begin, strlen(begin)) != 0 || !strstr(line, after))
		fail_msg("%s", line);
	return strstr(line, after);
}

static void values_cannot_forge_a_line(void **state)
{
	static const struct {
		const char *value, *pairs, *json;
	} cases[] = {
		{"plain", "k=plain", "\"k\":\"plain\""},
		{"", "k=\"\"", "\"k\":\"\""},
		{"two words", "k=\"two words\"", "\"k\":\"two words\""},
		{"a=b", "k=\"a=b\"", "\"k\":\"a=b\""},
		{"a\nlevel=error", "k=\"a\\x0alevel=error\"",
		 "\"k\":\"a\\\\x0alevel=error\""},
		{"-", "k=-", "\"k\":null"},
		{"\"\\", "k=\"\\\"\\\\\"", "\"k\":\"\\\"\\\\\""},
		{"\x01\x7f", "k=\"\\x01\\x7f\"", "\"k\":\"\\\\x01\\\\x7f\""},
		{"\xff", "k=\"\\xff\"", "\"k\":\"\\\\xff\""},
	};
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		log_begin(LINE_TEXT);
		log_line(LOG_LEVEL_INFO, "m", "k", cases[i].value, NULL);
		snprintf(line, sizeof(line), "level=info msg=m %s\n",
			 cases[i].pairs);
		assert_string_equal(untimed("time=2", "level"), line);
		log_begin(LINE_JSON);
		log_line(LOG_LEVEL_INFO, "m", "k", cases[i].value, NULL);
		snprintf(line, sizeof(line),
			 "\"level\":\"info\",\"msg\":\"m\",%s}\n",
			 cases[i].json);
		assert_string_equal(untimed("{\"time\":\"2", "\"level"), line);
	}
}

static void a_pair_without_a_value_is_left_out(void **state)
{
	(void)state;
	log_line(LOG_LEVEL_ERROR, "m", "a", NULL, "b", "1", NULL);
	assert_string_equal(untimed("time=", "level"),
			    "level=error msg=m b=1\n");
}

/* However long the values are: one line, whole pairs, closed quotes. */
static void a_long_line_is_cut_between_characters(void **state)
{
	char value[5000];

	(void)state;
	for (int json = 0; json < 2; json++) {
		const char *line;
		size_t size;

		log_begin(json ? LINE_JSON : LINE_TEXT);
		for (size_t size_in = 1900; size_in < 2100; size_in++) {
			memset(value, '\n', size_in);
			value[size_in] = '\0';
			log_line(LOG_LEVEL_INFO, "m", "k", value, "z", "1",
				 NULL);
			line = written();
			size = strlen(line);
			assert_in_range(size, 1900, 2048);
			assert_ptr_equal(strchr(line, '\n'), line + size - 1);
			assert_non_null(strstr(line + size - 8,
					       json ? "x0a\"}\n" : "x0a\"\n"));
		}
	}
}

static void levels_are_obeyed(void **state)
{
	static const char *const words[] = {"error", "warning", "info",
					    "debug"};
	enum log_level level = LOG_LEVEL_DEBUG;

	(void)state;
	assert_false(log_level_parse("loud", &level));
	assert_false(log_level_parse("", &level));
	for (unsigned int i = 0; i < 4; i++) {
		assert_true(log_level_parse(words[i], &level));
		assert_int_equal(level, i);
		assert_string_equal(log_level_name(level), words[i]);
		log_level_set(level);
		assert_int_equal(log_level_get(), i);
		for (unsigned int j = 0; j < 4; j++) {
			assert_int_equal(log_on((enum log_level)j), j <= i);
			log_line((enum log_level)j, "m", NULL);
			assert_int_equal(*written() != '\0', j <= i);
		}
	}
}

/* sd-daemon(3): a priority, and no time of its own. */
static void the_journal_is_told_the_priority(void **state)
{
	char stream[64];
	struct stat stat;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &stat), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
		 (unsigned long long)stat.st_dev,
		 (unsigned long long)stat.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_begin(LINE_TEXT);
	log_line(LOG_LEVEL_WARNING, "m", NULL);
	assert_string_equal(written(), "<4>level=warning msg=m\n");
	log_begin(LINE_JSON);
	log_line(LOG_LEVEL_ERROR, "m", NULL);
	assert_string_equal(written(), "<3>{\"level\":\"error\",\"msg\":"
				       "\"m\"}\n");
	/* the journal is somewhere else */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_begin(LINE_TEXT);
	log_line(LOG_LEVEL_INFO, "m", NULL);
	untimed("time=", "level=info msg=m\n");
}

static void what_is_held_back_is_counted(void **state)
{
	static struct log_limit limit, other;
	unsigned long long before = log_held();
	unsigned int passed = 0, held;

	(void)state;
	log_rate_set(1);
	for (unsigned int i = 0; i < 100; i++) {
		held = 7;
		if (log_limit_pass(&limit, &held)) {
			passed++;
			assert_int_equal(held, 0);
		} else {
			assert_int_equal(held, 7);
		}
	}
	assert_int_equal(passed, LOG_BURST);
	assert_int_equal(log_held() - before, 100 - LOG_BURST);
	assert_true(log_limit_pass(&other, &held));
	assert_int_equal(held, 0);
	/* at a higher rate there is room again */
	log_rate_set(1000000);
	limit.full_us = 0;
	assert_true(log_limit_pass(&limit, &held));
	assert_int_equal(held, 100 - LOG_BURST);
	assert_true(log_limit_pass(&limit, &held));
	assert_int_equal(held, 0);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, catch_lines, let_go)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(values_cannot_forge_a_line),
		CASE(a_pair_without_a_value_is_left_out),
		CASE(a_long_line_is_cut_between_characters),
		CASE(levels_are_obeyed),
		CASE(the_journal_is_told_the_priority),
		CASE(what_is_held_back_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
