/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters in plain memory and in pinned maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpffs.h"

static bool bpftool_prints(const char *path, const char *map, const char *text)
{
	char command[320];

	snprintf(command, sizeof(command),
		 "PATH=\"$PATH:/usr/sbin\" bpftool map dump pinned %s/%s | "
		 "grep -qF '%s'",
		 path, map, text);
	return system(command) == 0;
}

static void plain_memory_when_no_pin_is_asked_for(void **state)
{
	struct config config = {
		.listeners = listeners,
		.listener_count = 3,
		.clusters = clusters,
		.cluster_count = 1,
	};
	struct counters *counters;
	struct listener_row *row;

	(void)state;
	assert_int_equal(counters_open(&config, 2, &counters, NULL), 0);
	assert_false(counters_pinned(counters));
	assert_int_equal(counters_workers(counters), 2);
	for (size_t i = 0; i < 6; i++) {
		row = counters_listener(counters, i / 2, i % 2);
		assert_int_equal((uintptr_t)row % 128, 0);
		assert_string_equal(row->name, names[i / 2]);
		assert_string_equal(row->address, "127.0.0.1_8443");
		assert_int_equal(row->worker, i % 2);
		assert_int_equal(row->cx_total, 0);
		row->cx_total = i + 1;
	}
	/* no two of them are one */
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(
			counters_listener(counters, i / 2, i % 2)->cx_total,
			i + 1);
	counters_close(counters);
}

static void names_that_were_negotiated_have_a_field(void **state)
{
	struct negotiated_row row = {.used = 0};

	(void)state;
	assert_ptr_equal(counters_negotiated_field(&row, "versions", "TLSv1.3"),
			 &row.tls13);
	assert_ptr_equal(counters_negotiated_field(&row, "versions", "SSLv3"),
			 &row.versions_other);
	assert_ptr_equal(
		counters_negotiated_field(&row, "ciphers",
					  "TLS_CHACHA20_POLY1305_SHA256"),
		&row.chacha20_sha256);
	assert_ptr_equal(counters_negotiated_field(&row, "ciphers", "x25519"),
			 &row.ciphers_other);
	assert_ptr_equal(counters_negotiated_field(&row, "curves", "X25519"),
			 &row.x25519);
	assert_ptr_equal(counters_negotiated_field(&row, "curves", ""),
			 &row.curves_other);
}

static void no_bpf_file_system_means_plain_memory(void **state)
{
	char folder[] = "/tmp/test_counters_plain_XXXXXX";
	char path[64];
	struct config config = {
		.pin_path = path,
		.listeners = listeners,
		.listener_count = 1,
	};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/millrace", folder);
	expect_plain(&config, "not in a bpf file system");
	/* nothing is left behind */
	assert_int_equal(files_in(folder), 0);
	assert_int_equal(rmdir(folder), 0);
	expect_plain(&config, "No such file");
}

static void no_right_means_plain_memory(void **state)
{
	char path[64];
	struct config config = config_in(path, "denied", 1);
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(mkdir(path, 0755), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct counters *counters;
		struct err err = {""};

		if (setresuid(65534, 65534, 65534) != 0 ||
		    counters_open(&config, 1, &counters, &err) != 0)
			_exit(1);
		_exit(counters_pinned(counters) || !*err.text ? 2 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(files_in(path), 0);
}

static void pinned_rows_are_what_bpftool_prints(void **state)
{
	char path[64];
	struct config config = config_in(path, "printed", 2);
	struct counters *counters = open_pinned(&config, 2);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		counters_listener(counters, i / 2, i % 2)->ssl_handshake =
			1ull << (16 * i);
		counters_listener_negotiated(counters, i / 2, i % 2)->tls13 =
			100 + i;
	}
	counters_cluster(counters, 0, 1)->rx_bytes = 1234567890123;
	counters_cluster_negotiated(counters, 0, 0)->p256 = 9;
	counters_cluster_times(counters, 0, 1)->cx_connect_ms.buckets[3] = 11;
	assert_int_equal(files_in(path), 6);
	assert_int_equal(sum_by_bpftool(path, "listeners", "ssl_handshake"),
			 0x1000100010001);
	assert_int_equal(sum_by_bpftool(path, "listener_tls", "tls13"), 406);
	assert_int_equal(sum_by_bpftool(path, "clusters", "rx_bytes"),
			 1234567890123);
	assert_int_equal(sum_by_bpftool(path, "cluster_tls", "p256"), 9);
	assert_true(bpftool_prints(path, "cluster_times", "cx_connect_ms"));
	assert_true(bpftool_prints(path, "listeners", "\"name\": \"l1\""));
	assert_true(bpftool_prints(path, "listeners",
				   "\"address\": \"127.0.0.1_8443\""));
	counters_close(counters);
}

static void a_restart_keeps_counters_and_not_gauges(void **state)
{
	char path[64];
	struct config config = config_in(path, "adopted", 3);
	struct counters *counters = open_pinned(&config, 2);
	struct listener_row *row;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		row = counters_listener(counters, i, 1);
		row->cx_total = 7 + i;
		row->cx_active = 3;
		row->handshakes = 2;
		assert_int_equal(row->generation, 0);
	}
	counters_cluster(counters, 0, 0)->cx_total = 70;
	counters_cluster(counters, 0, 0)->cx_active = 1;
	counters_listener_negotiated(counters, 2, 0)->x448 = 4;
	counters_close(counters);

	/* the first listener is gone, the others have other indexes */
	config.listeners = listeners + 1;
	config.listener_count = 2;
	counters = open_pinned(&config, 2);
	for (size_t i = 0; i < 2; i++) {
		row = counters_listener(counters, i, 1);
		assert_string_equal(row->name, names[i + 1]);
		assert_int_equal(row->cx_total, 8 + i);
		assert_int_equal(row->cx_active, 0);
		assert_int_equal(row->handshakes, 0);
		assert_int_equal(row->generation, 1);
		assert_int_equal(counters_listener(counters, i, 0)->cx_total,
				 0);
	}
	assert_int_equal(counters_cluster(counters, 0, 0)->cx_total, 70);
	assert_int_equal(counters_cluster(counters, 0, 0)->cx_active, 0);
	assert_int_equal(counters_listener_negotiated(counters, 1, 0)->x448, 4);
	assert_int_equal(sum_by_bpftool(path, "listeners", "cx_total"), 17);
	counters_close(counters);

	/* it comes back, and begins anew; one worker is gone */
	config.listeners = listeners;
	config.listener_count = 3;
	counters = open_pinned(&config, 1);
	assert_int_equal(counters_listener(counters, 0, 0)->cx_total, 0);
	assert_int_equal(sum_by_bpftool(path, "listeners", "cx_total"), 0);
	assert_int_equal(counters_cluster(counters, 0, 0)->cx_total, 70);
	counters_close(counters);
}

static void a_larger_configuration_gets_a_larger_map(void **state)
{
	char path[64];
	struct config config = config_in(path, "larger", 2);
	struct counters *counters = open_pinned(&config, 2);

	(void)state;
	counters_listener(counters, 1, 1)->cx_total = 11;
	counters_close(counters);
	config.listener_count = NAMES_MAX;
	counters = open_pinned(&config, 2);
	assert_int_equal(counters_listener(counters, 1, 1)->cx_total, 11);
	counters_listener(counters, NAMES_MAX - 1, 1)->cx_total = 12;
	counters_close(counters);
	assert_int_equal(files_in(path), 6);

	/* what stands far behind is found by a small one */
	config.listeners = listeners + NAMES_MAX - 1;
	config.listener_count = 1;
	counters = open_pinned(&config, 2);
	assert_int_equal(counters_listener(counters, 0, 1)->cx_total, 12);
	assert_int_equal(sum_by_bpftool(path, "listeners", "cx_total"), 12);
	counters_close(counters);
}

static void a_reload_finds_room_or_changes_nothing(void **state)
{
	char path[64];
	struct config config = config_in(path, "followed", 2);
	struct counters *counters = open_pinned(&config, 2);
	struct listener_row *row = counters_listener(counters, 1, 0);
	struct config next = config;
	struct err err = {""};

	(void)state;
	row->cx_active = 6;
	next.listeners = listeners + 1;
	next.listener_count = 3;
	assert_int_equal(counters_follow(counters, &next, &err), 0);
	/* the same row: its connections are still open */
	assert_ptr_equal(counters_listener(counters, 0, 0), row);
	assert_int_equal(row->cx_active, 6);
	assert_string_equal(counters_listener(counters, 2, 1)->name, "l3");
	next.listener_count = NAMES_MAX - 1;
	assert_int_equal(counters_follow(counters, &next, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "a restart makes room"));
	assert_ptr_equal(counters_listener(counters, 0, 0), row);
	assert_string_equal(counters_listener(counters, 2, 1)->name, "l3");
	/* nor did what there was no room for take any */
	next.listener_count = 30;
	assert_int_equal(counters_follow(counters, &next, &err), 0);
	assert_string_equal(counters_listener(counters, 29, 1)->name, "l30");
	counters_close(counters);
}

static void two_daemons_do_not_share_a_folder(void **state)
{
	char path[64], other_path[64];
	struct config config = config_in(path, "one", 1);
	struct config other = config_in(other_path, "two", 1);
	struct counters *first = open_pinned(&config, 1);
	struct counters *second = open_pinned(&other, 1);

	(void)state;
	expect_plain(&config, "another daemon counts in");
	counters_listener(first, 0, 0)->cx_total = 1;
	assert_int_equal(counters_listener(second, 0, 0)->cx_total, 0);
	counters_close(first);
	first = open_pinned(&config, 1);
	assert_int_equal(counters_listener(first, 0, 0)->cx_total, 1);
	counters_close(first);
	counters_close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_memory_when_no_pin_is_asked_for),
		cmocka_unit_test(names_that_were_negotiated_have_a_field),
		cmocka_unit_test(no_bpf_file_system_means_plain_memory),
		cmocka_unit_test(no_right_means_plain_memory),
		cmocka_unit_test(pinned_rows_are_what_bpftool_prints),
		cmocka_unit_test(a_restart_keeps_counters_and_not_gauges),
		cmocka_unit_test(a_larger_configuration_gets_a_larger_map),
		cmocka_unit_test(a_reload_finds_room_or_changes_nothing),
		cmocka_unit_test(two_daemons_do_not_share_a_folder),
	};

	return cmocka_run_group_tests(tests, mount_bpffs, unmount_bpffs);
}
