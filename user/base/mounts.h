/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mounts: where a file system is mounted, from /proc/self/mountinfo
 * (proc(5)). Nobody may take a usual path for granted.
 */
#ifndef MILLRACE_BASE_MOUNTS_H
#define MILLRACE_BASE_MOUNTS_H

#include <stddef.h>

/*
 * A mount point of a file system type ("bpf", "cgroup2") whose root is
 * mounted: the first below /sys/fs, else the first. 0, -ENOENT when there is
 * none, or -errno.
 */
int mounts_find(const char *type, char *ret_path, size_t size)
	__attribute__((warn_unused_result));

#endif
