/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bpffs: for tests that pin counters: a bpf file system of the test's own, in
 * a mount namespace of its own, so that both end with it. Without the right
 * to do that such cases are skipped.
 *
 * For one source file of a test program; <cmocka.h> stands before it.
 */
#ifndef MILLRACE_TESTS_BPFFS_H
#define MILLRACE_TESTS_BPFFS_H

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bpf/counters.h"

#define NAMES_MAX 400

static char root[] = "/tmp/test_bpffs_XXXXXX";
static bool own_bpffs;

static char names[NAMES_MAX][16];
static struct config_listener listeners[NAMES_MAX];
static struct config_cluster clusters[1];

static inline int mount_bpffs(void **state)
{
	(void)state;
	for (int i = 0; i < NAMES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "l%d", i);
		listeners[i].name = names[i];
		if (addr_parse("127.0.0.1:8443", &listeners[i].listen, NULL))
			return -1;
	}
	clusters[0].name = names[0];
	if (!mkdtemp(root))
		return -1;
	own_bpffs = unshare(CLONE_NEWNS) == 0 &&
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		    mount("bpf", root, "bpf", 0, NULL) == 0;
	if (!own_bpffs)
		print_message("no bpf file system: %s\n", strerror(errno));
	return 0;
}

static inline int unmount_bpffs(void **state)
{
	(void)state;
	if (own_bpffs && umount(root) != 0)
		return -1;
	return rmdir(root);
}

/* Each case pins in a folder of its own. */
static inline struct config config_in(char path[static 64], const char *folder,
				      size_t listener_count)
{
	struct config config = {
		.pin_path = path,
		.listeners = listeners,
		.listener_count = listener_count,
		.clusters = clusters,
		.cluster_count = 1,
	};

	if (!own_bpffs)
		skip();
	snprintf(path, 64, "%s/%s", root, folder);
	return config;
}

static inline struct counters *open_pinned(const struct config *config,
					   unsigned int workers)
{
	struct counters *counters;
	struct err err = {""};

	assert_int_equal(counters_open(config, workers, &counters, &err), 0);
	if (!counters_pinned(counters))
		print_message("%s\n", err.text);
	assert_true(counters_pinned(counters));
	return counters;
}

/* Opens, expects plain memory that works, and words as to why. */
static inline void expect_plain(const struct config *config, const char *words)
{
	struct counters *counters;
	struct err err = {""};

	assert_int_equal(counters_open(config, 2, &counters, &err), 0);
	assert_false(counters_pinned(counters));
	if (!strstr(err.text, words))
		print_message("%s\n", err.text);
	assert_non_null(strstr(err.text, words));
	counters_listener(counters, 0, 1)->cx_total = 5;
	assert_int_equal(counters_listener(counters, 0, 1)->cx_total, 5);
	counters_close(counters);
}

static inline size_t files_in(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(folder);
	return count;
}

/* What bpftool prints for field, summed over a map's rows. */
static inline unsigned long long sum_by_bpftool(const char *path,
						const char *map,
						const char *field)
{
	unsigned long long sum = 0;
	char command[256], line[256], want[80];
	FILE *dump;
	size_t seen = 0;

	snprintf(command, sizeof(command),
		 "PATH=\"$PATH:/usr/sbin\" bpftool map dump pinned %s/%s", path,
		 map);
	snprintf(want, sizeof(want), "\"%s\": ", field);
	dump = popen(command, "r");
	assert_non_null(dump);
	while (fgets(line, sizeof(line), dump)) {
		const char *at = strstr(line, want);

		if (!at)
			continue;
		sum += strtoull(at + strlen(want), NULL, 10);
		seen++;
	}
	assert_int_equal(pclose(dump), 0);
	assert_true(seen > 0);
	return sum;
}

#endif
