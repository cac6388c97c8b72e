/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINK_PREFIX "link_"
#define NEW_SUFFIX "_new"
#define NAME_SIZE 192

struct pins {
	int lock;
	size_t kept;
	char (*names)[NAME_SIZE]; /* attached since pins_begin() */
	char folder[];
};

/* ---- the folder */

static int in_bpffs(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return -errno;
	return fs.f_type == BPF_FS_MAGIC ? 0 : -EINVAL;
}

static int lock_folder(const char *folder, int *ret_fd, struct err *err)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : in_bpffs(fd);

	if (!r && flock(fd, LOCK_EX | LOCK_NB) != 0)
		r = -errno;
	if (!r) {
		*ret_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	if (r == -EINVAL)
		return err_set(err, EINVAL,
			       "%s is not in a bpf file system; mount one "
			       "(mount -t bpf bpf /sys/fs/bpf) or give another "
			       "folder",
			       folder);
	if (r == -EWOULDBLOCK)
		return err_set(err, EBUSY,
			       "another daemon intercepts from %s; give this "
			       "one a folder of its own",
			       folder);
	return err_set(err, -r, "%s: %s", folder, strerror(-r));
}

int pins_open(const char *folder, struct pins **ret, struct err *err)
{
	size_t size = strlen(folder) + 1;
	struct pins *pins = calloc(1, sizeof(*pins) + size);
	bool made;
	int r;

	if (!pins)
		return err_set(err, ENOMEM, "memory is short");
	memcpy(pins->folder, folder, size);
	made = mkdir(folder, 0700) == 0;
	if (!made && errno != EEXIST)
		r = err_set(err, errno, "%s cannot be made: %s", folder,
			    strerror(errno));
	else
		r = lock_folder(folder, &pins->lock, err);
	if (r) {
		free(pins);
		if (made)
			rmdir(folder);
		return r;
	}
	*ret = pins;
	return 0;
}

const char *pins_folder(const struct pins *pins)
{
	return pins->folder;
}

void pins_unlock(struct pins *pins)
{
	flock(pins->lock, LOCK_UN);
}

void pins_close(struct pins *pins)
{
	if (!pins)
		return;
	close(pins->lock);
	free(pins->names);
	free(pins);
}

/* ---- links */

static int link_path(const char *folder, const char *name, char *ret,
		     size_t size)
{
	int length = snprintf(ret, size, "%s/" LINK_PREFIX "%s", folder, name);

	return length < (int)size ? 0 : -ENAMETOOLONG;
}

/* What the kernel calls a link's target, to compare with an open one. */
static bool attached_to(int link, enum bpf_attach_type type, int target)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);
	struct stat stat;

	if (bpf_obj_get_info_by_fd(link, &info, &size) != 0 ||
	    fstat(target, &stat) != 0)
		return false;
	/* A cgroup's id is its folder's inode (kernfs, 64-bit). */
	if (info.type == BPF_LINK_TYPE_CGROUP)
		return info.cgroup.attach_type == type &&
		       info.cgroup.cgroup_id == stat.st_ino;
	if (info.type == BPF_LINK_TYPE_NETNS)
		return info.netns.attach_type == type &&
		       info.netns.netns_ino == stat.st_ino;
	return false;
}

int pins_replace(int fd, const char *path)
{
	char other[PATH_MAX];

	if (snprintf(other, sizeof(other), "%s" NEW_SUFFIX, path) >=
	    (int)sizeof(other))
		return -ENAMETOOLONG;
	unlink(other);
	if (bpf_obj_pin(fd, other) != 0)
		return -errno;
	if (rename(other, path) != 0) {
		int error = errno;

		unlink(other);
		return -error;
	}
	return 0;
}

static int attach_anew(const char *path, int program, enum bpf_attach_type type,
		       int target)
{
	int old = bpf_obj_get(path);
	int fd = bpf_link_create(program, target, type, NULL);
	int r = fd < 0 ? fd : pins_replace(fd, path);

	if (!r && old >= 0)
		bpf_link_detach(old);
	if (old >= 0)
		close(old);
	if (fd >= 0)
		close(fd);
	return r;
}

static int keep(struct pins *pins, const char *name)
{
	char(*names)[NAME_SIZE] =
		reallocarray(pins->names, pins->kept + 1, sizeof(*pins->names));

	if (!names)
		return -ENOMEM;
	pins->names = names;
	if (snprintf(names[pins->kept], NAME_SIZE, "%s", name) >= NAME_SIZE)
		return -ENAMETOOLONG;
	pins->kept++;
	return 0;
}

int pins_attach(struct pins *pins, const char *name, int program,
		enum bpf_attach_type type, int target, bool *ret_new,
		struct err *err)
{
	char path[PATH_MAX];
	bool adopted = false;
	int fd, r;

	r = keep(pins, name);
	if (!r)
		r = link_path(pins->folder, name, path, sizeof(path));
	if (r)
		return err_set(err, -r, "%s: %s", name, strerror(-r));
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		adopted = attached_to(fd, type, target) &&
			  bpf_link_update(fd, program, NULL) == 0;
		close(fd);
	}
	if (!adopted)
		r = attach_anew(path, program, type, target);
	if (r)
		return err_set(err, -r, "%s cannot be attached: %s", name,
			       strerror(-r));
	if (ret_new)
		*ret_new = !adopted;
	return 0;
}

static void detach_path(const char *path)
{
	int fd = bpf_obj_get(path);

	/* Somebody may hold it open: unlinking alone would not end it. */
	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

void pins_detach(struct pins *pins, const char *name)
{
	char path[PATH_MAX];

	if (link_path(pins->folder, name, path, sizeof(path)) == 0)
		detach_path(path);
}

void pins_begin(struct pins *pins)
{
	pins->kept = 0;
}

static bool is_kept(const struct pins *pins, const char *name)
{
	for (size_t i = 0; i < pins->kept; i++)
		if (strcmp(pins->names[i], name) == 0)
			return true;
	return false;
}

void pins_prune(struct pins *pins)
{
	DIR *folder = opendir(pins->folder);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		const char *name = entry->d_name;

		if (strncmp(name, LINK_PREFIX, strlen(LINK_PREFIX)) == 0 &&
		    !is_kept(pins, name + strlen(LINK_PREFIX)))
			pins_detach(pins, name + strlen(LINK_PREFIX));
	}
	if (folder)
		closedir(folder);
}

bool pins_holds_links(const struct pins *pins)
{
	DIR *folder = opendir(pins->folder);
	struct dirent *entry;
	bool found = false;

	while (folder && !found && (entry = readdir(folder)))
		found = strncmp(entry->d_name, LINK_PREFIX,
				strlen(LINK_PREFIX)) == 0;
	if (folder)
		closedir(folder);
	return found;
}

/* ---- the end of all */

static int remove_pins(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char pin[PATH_MAX];

	if (!folder)
		return -errno;
	while ((entry = readdir(folder))) {
		/* bpffs takes no dots in names */
		if (entry->d_name[0] == '.' ||
		    snprintf(pin, sizeof(pin), "%s/%s", path, entry->d_name) >=
			    (int)sizeof(pin))
			continue;
		if (strncmp(entry->d_name, LINK_PREFIX, strlen(LINK_PREFIX)) ==
		    0)
			detach_path(pin);
		else
			unlink(pin);
	}
	closedir(folder);
	/* A service manager may have given us the folder: it stays, empty. */
	return rmdir(path) == 0 || errno == EBUSY || errno == EROFS ? 0
								    : -errno;
}

int pins_remove(const char *folder, bool force, struct err *err)
{
	int lock = -1;
	int r = lock_folder(folder, &lock, err);

	if (r && !(force && r == -EBUSY))
		return r;
	r = remove_pins(folder);
	if (lock >= 0)
		close(lock);
	if (r)
		return err_set(err, -r, "%s: %s", folder, strerror(-r));
	return 0;
}
