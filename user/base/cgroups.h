/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cgroups: folders of cgroup v2 that programs are attached to.
 */
#ifndef MILLRACE_BASE_CGROUPS_H
#define MILLRACE_BASE_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * A descriptor of the folder, close-on-exec; the caller closes it. -EINVAL
 * when it is not of cgroup v2 or is the root, which holds everything.
 */
int cgroups_open(const char *path, int *ret_fd, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The path of a cgroup that holds the caller and outlives it: the parent of
 * its own, as a service's is made anew at each start; its own where that lies
 * directly below the root. -ENOENT with the words where it is the root's.
 */
int cgroups_own_parent(char *ret_path, size_t size, struct err *err)
	__attribute__((warn_unused_result));

/* Whether this process is in the cgroup or below. */
bool cgroups_holds_self(const char *path);

/* Whether below is upper or lies in it: upper's programs then run for it. */
bool cgroups_covers(const char *upper, const char *below);

#endif
