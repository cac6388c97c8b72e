/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mounts.h"

int cgroups_open(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char mount[4096] = "";
	struct statfs fs;
	int r = 0;

	if (fd < 0)
		return err_set(err, errno, "cgroup %s: %s", path,
			       strerror(errno));
	if (fstatfs(fd, &fs) != 0)
		r = err_set(err, errno, "cgroup %s: %s", path, strerror(errno));
	else if (fs.f_type != CGROUP2_SUPER_MAGIC)
		r = err_set(err, EINVAL,
			    "%s is not a folder of cgroup v2 (mounted at %s)",
			    path,
			    mounts_find("cgroup2", mount, sizeof(mount)) == 0
				    ? mount
				    : "no place");
	else if (faccessat(fd, "cgroup.type", F_OK, 0) != 0)
		r = err_set(err, EINVAL,
			    "%s is the root of all cgroups; name one that "
			    "holds the application and no more",
			    path);
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* "/millrace.slice/millrace.service", below the mount point. */
static int own_path(char *ret, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096], mount[4096];
	int r = -ENOENT;

	while (file && r && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		r = mounts_find("cgroup2", mount, sizeof(mount));
		if (!r &&
		    snprintf(ret, size, "%s%s", mount, line + 3) >= (int)size)
			r = -ENAMETOOLONG;
	}
	if (file)
		fclose(file);
	return r;
}

int cgroups_own_parent(char *ret_path, size_t size, struct err *err)
{
	char path[8192], mount[4096], *slash;
	int r = own_path(path, sizeof(path));

	if (!r)
		r = mounts_find("cgroup2", mount, sizeof(mount));
	if (!r && path[strlen(mount) + 1] == '\0')
		r = -ENOENT;
	if (r)
		return err_set(err, -r,
			       "the daemon is in the root of all cgroups, or "
			       "there is no cgroup v2; start it in one that "
			       "outlives it, such as a slice, and name that");
	slash = strrchr(path, '/');
	if (slash != path + strlen(mount))
		*slash = '\0';
	if (snprintf(ret_path, size, "%s", path) >= (int)size)
		return err_set(err, ENAMETOOLONG, "%s: too long", path);
	return 0;
}

bool cgroups_holds_self(const char *path)
{
	char own[8192];

	return own_path(own, sizeof(own)) == 0 && cgroups_covers(path, own);
}

bool cgroups_covers(const char *upper, const char *below)
{
	char *above = realpath(upper, NULL);
	char *under = realpath(below, NULL);
	size_t length = above ? strlen(above) : 0;
	bool covers = above && under && strncmp(above, under, length) == 0 &&
		      (under[length] == '/' || under[length] == '\0');

	free(above);
	free(under);
	return covers;
}
