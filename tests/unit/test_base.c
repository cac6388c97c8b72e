/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <errno.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/mounts.h"

static const struct {
	const char *text;
	int r;
	const char *formatted; /* as it comes back */
	const char *stat;
} addrs[] = {
	{"127.0.0.1:80", 0, "127.0.0.1:80", "127.0.0.1_80"},
	{"0.0.0.0:15000", 0, "0.0.0.0:15000", "0.0.0.0_15000"},
	{"[::1]:10000", 0, "[::1]:10000", "[__1]_10000"},
	{"[0:0:0:0:0:0:0:1]:1", 0, "[::1]:1", "[__1]_1"},
	{"[::ffff:1.2.3.4]:65535", 0, "[::ffff:1.2.3.4]:65535",
	 "[__ffff_1.2.3.4]_65535"},
	{"localhost:80", -EDESTADDRREQ, NULL, NULL},
	{"a.b-c.d:80", -EDESTADDRREQ, NULL, NULL},
	{"127.0.0.1", -EINVAL, NULL, NULL},
	{"127.0.0.1:", -EINVAL, NULL, NULL},
	{"127.0.0.1:0", -EINVAL, NULL, NULL},
	{"127.0.0.1:65536", -EINVAL, NULL, NULL},
	{"127.0.0.1:80x", -EINVAL, NULL, NULL},
	{"127.0.0.1:-1", -EINVAL, NULL, NULL},
	{"::1:80", -EINVAL, NULL, NULL},
	{"[::1]80", -EINVAL, NULL, NULL},
	{"[::1", -EINVAL, NULL, NULL},
	{"[127.0.0.1]:80", -EINVAL, NULL, NULL},
	{"", -EINVAL, NULL, NULL},
	{":80", -EINVAL, NULL, NULL},
};

static void test_addr(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		struct addr addr = {.size = 0};
		struct err err = {""};
		char text[ADDR_TEXT_MAX];
		int r = addr_parse(addrs[i].text, &addr, &err);

		if (r != addrs[i].r)
			fail_msg("%s: %d, %s", addrs[i].text, r, err.text);
		if (r) {
			assert_int_equal(addr.size, 0);
			assert_true(err.text[0]);
			continue;
		}
		assert_string_equal(addr_format(&addr, text),
				    addrs[i].formatted);
		assert_string_equal(addr_format_stat(&addr, text),
				    addrs[i].stat);
	}
}

static void test_addr_equal(void **state)
{
	static const char *const texts[] = {
		"1.2.3.4:5", "1.2.3.4:6", "1.2.3.5:5",	  "[::1]:5",
		"[::1]:6",   "[::2]:5",	  "[::1.2.3.4]:5"};
	struct addr a, b;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		for (size_t j = 0; j < 7; j++) {
			assert_int_equal(addr_parse(texts[i], &a, NULL), 0);
			assert_int_equal(addr_parse(texts[j], &b, NULL), 0);
			assert_int_equal(addr_equal(&a, &b), i == j);
		}
}

struct alarm {
	struct timer timer;
	uint64_t due_ms;
	uint64_t fired_ms;
	unsigned int count;
};

static uint64_t now_ms;
static struct wheel wheel;

static void fired(struct timer *timer)
{
	struct alarm *alarm = list_entry(timer, struct alarm, timer);

	alarm->fired_ms = now_ms;
	alarm->count++;
}

/* Each fires once, never early, and at most a tick after the turn that could
 * have seen it; waiting for as long as the wheel says misses none. */
static void test_wheel(void **state)
{
	enum {
		COUNT = 2000
	};
	static struct alarm alarms[COUNT];
	unsigned int seed = 3;

	(void)state;
	now_ms = 12345;
	wheel_init(&wheel, now_ms);
	for (int i = 0; i < COUNT; i++) {
		timer_init(&alarms[i].timer, fired);
		/* Far more than one round of the wheel. */
		alarms[i].due_ms = now_ms + (uint64_t)rand_r(&seed) % 20000;
		timer_arm(&wheel, &alarms[i].timer, alarms[i].due_ms);
	}
	for (int i = 0; i < COUNT; i += 7)
		timer_cancel(&wheel, &alarms[i].timer);
	while (now_ms < 12345 + 21000) {
		uint64_t wait_ms = wheel_wait_ms(&wheel, now_ms, 500);

		assert_true(wait_ms <= 500);
		now_ms += wait_ms ? wait_ms : 1;
		wheel_run(&wheel, now_ms);
	}
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(alarms[i].count, i % 7 != 0);
		if (i % 7 == 0)
			continue;
		assert_true(alarms[i].fired_ms >= alarms[i].due_ms);
		assert_true(alarms[i].fired_ms <=
			    alarms[i].due_ms + 2 * CLOCK_TICK_MS);
	}
	assert_int_equal(wheel_wait_ms(&wheel, now_ms, 500), 500);
}

static struct alarm again;

static void arm_again(struct timer *timer)
{
	fired(timer);
	if (again.count < 5)
		timer_arm(&wheel, timer, now_ms + 10);
}

static void test_arming_in_a_callback(void **state)
{
	(void)state;
	now_ms = 1000;
	wheel_init(&wheel, now_ms);
	timer_init(&again.timer, arm_again);
	timer_arm(&wheel, &again.timer, now_ms + 10);
	/* Arming anew replaces. */
	timer_arm(&wheel, &again.timer, now_ms + 20);
	for (int i = 0; i < 200; i++)
		wheel_run(&wheel, ++now_ms);
	assert_int_equal(again.count, 5);
	assert_false(timer_armed(&again.timer));
}

/* A machine that slept wakes up to everything that is due. */
static void test_a_long_sleep(void **state)
{
	struct alarm late = {.count = 0};

	(void)state;
	now_ms = 1000;
	wheel_init(&wheel, now_ms);
	timer_init(&late.timer, fired);
	timer_arm(&wheel, &late.timer, now_ms + 5000);
	now_ms += 3600 * 1000;
	wheel_run(&wheel, now_ms);
	assert_int_equal(late.count, 1);
}

static void test_mounts(void **state)
{
	char path[4096];

	(void)state;
	assert_int_equal(mounts_find("proc", path, sizeof(path)), 0);
	assert_string_equal(path, "/proc");
	assert_int_equal(mounts_find("nosuchfs", path, sizeof(path)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr),
		cmocka_unit_test(test_addr_equal),
		cmocka_unit_test(test_wheel),
		cmocka_unit_test(test_arming_in_a_callback),
		cmocka_unit_test(test_a_long_sleep),
		cmocka_unit_test(test_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
