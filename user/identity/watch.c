/* SPDX-License-Identifier: BSD-2-Clause */
#include "identity/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40
#define EVENTS                                                                \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | \
	 IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct folder {
	int wd;
	bool wanted; /* by the last watch_follow() */
};

struct watch {
	int fd;
	struct folder *folders;
	size_t folder_count;
	char **paths;
	size_t path_count;
	uint64_t state; /* of all the files, as last seen */
};

int watch_new(struct watch **ret, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return err_set(err, ENOMEM, "memory is short");
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0) {
		int error = errno;

		free(watch);
		return err_set(err, error,
			       "files cannot be watched: inotify: %s "
			       "(fs.inotify.max_user_instances)",
			       strerror(error));
	}
	*ret = watch;
	return 0;
}

static void forget_paths(struct watch *watch)
{
	for (size_t i = 0; i < watch->path_count; i++)
		free(watch->paths[i]);
	free(watch->paths);
	watch->paths = NULL;
	watch->path_count = 0;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	forget_paths(watch);
	close(watch->fd);
	free(watch->folders);
	free(watch);
}

int watch_fd(const struct watch *watch)
{
	return watch->fd;
}

void watch_read(struct watch *watch)
{
	char events[4096]
		__attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(watch->fd, events, sizeof(events)) > 0)
		;
}

/* ---- the ways */

static void watch_folder(struct watch *watch, const char *path)
{
	int wd = inotify_add_watch(watch->fd, path, EVENTS);
	struct folder *folders;

	/* One that is not there, or may not be read, is looked for by
	 * watch_differs(). */
	if (wd < 0)
		return;
	for (size_t i = 0; i < watch->folder_count; i++) {
		if (watch->folders[i].wd != wd)
			continue;
		watch->folders[i].wanted = true;
		return;
	}
	folders = realloc(watch->folders,
			  (watch->folder_count + 1) * sizeof(*folders));
	if (!folders)
		return;
	watch->folders = folders;
	folders[watch->folder_count++] = (struct folder){wd, true};
}

/* The first link in path becomes what it points to. false: there is none. */
static bool resolve_first_link(struct watch *watch, char path[PATH_MAX])
{
	char target[PATH_MAX], rest[PATH_MAX], next[3 * PATH_MAX];
	char *end = path;
	ssize_t size = 0;

	while (*end) {
		char kept;

		end += strspn(end, "/");
		end += strcspn(end, "/");
		kept = *end;
		*end = '\0';
		size = readlink(path, target, sizeof(target) - 1);
		*end = kept;
		if (size > 0)
			break;
		size = 0;
	}
	if (!*end && size <= 0)
		return false;
	target[size] = '\0';
	snprintf(rest, sizeof(rest), "%s", end);
	*end = '\0';
	end = strrchr(path, '/');
	if (!end)
		return false;
	end[end == path] = '\0';
	watch_folder(watch, path);
	snprintf(next, sizeof(next), "%s/%s%s", target[0] == '/' ? "" : path,
		 target, rest);
	next[PATH_MAX - 1] = '\0';
	memcpy(path, next, PATH_MAX);
	return true;
}

static void watch_way(struct watch *watch, const char *file)
{
	char path[PATH_MAX];
	char *slash;

	snprintf(path, sizeof(path), "%s", file);
	for (int i = 0; i < LINKS_MAX && resolve_first_link(watch, path); i++)
		;
	slash = strrchr(path, '/');
	if (!slash)
		return;
	slash[slash == path] = '\0';
	watch_folder(watch, path);
}

/* FNV-1a over what tells one file, or one writing of it, from another. */
static uint64_t add_state(uint64_t state, const char *path)
{
	struct stat status = {0};
	uint64_t facts[6];

	if (!path || stat(path, &status) != 0)
		memset(&status, 0, sizeof(status));
	facts[0] = status.st_dev;
	facts[1] = status.st_ino;
	facts[2] = (uint64_t)status.st_size;
	facts[3] = (uint64_t)status.st_mtim.tv_sec;
	facts[4] = (uint64_t)status.st_mtim.tv_nsec;
	facts[5] = (uint64_t)status.st_ctim.tv_nsec;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
		for (int shift = 0; shift < 64; shift += 8)
			state = (state ^ (facts[i] >> shift & 0xff)) *
				0x100000001b3;
	return state;
}

bool watch_differs(struct watch *watch)
{
	uint64_t state = 0xcbf29ce484222325;
	bool differs;

	for (size_t i = 0; watch->paths && i < watch->path_count; i++)
		state = add_state(state, watch->paths[i]);
	differs = state != watch->state;
	watch->state = state;
	return differs;
}

static void drop_unwanted(struct watch *watch)
{
	size_t kept = 0;

	for (size_t i = 0; i < watch->folder_count; i++) {
		if (watch->folders[i].wanted)
			watch->folders[kept++] = watch->folders[i];
		else
			inotify_rm_watch(watch->fd, watch->folders[i].wd);
	}
	watch->folder_count = kept;
}

void watch_follow(struct watch *watch, const char *const *paths, size_t count)
{
	forget_paths(watch);
	watch->paths = calloc(count + 1, sizeof(*watch->paths));
	for (size_t i = 0; i < watch->folder_count; i++)
		watch->folders[i].wanted = false;
	for (size_t i = 0; i < count; i++) {
		char *copy = watch->paths ? strdup(paths[i]) : NULL;

		watch_way(watch, paths[i]);
		if (copy)
			watch->paths[watch->path_count++] = copy;
	}
	drop_unwanted(watch);
	(void)watch_differs(watch);
}
