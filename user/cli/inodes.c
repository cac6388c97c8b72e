/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/inodes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int add(struct inodes *inodes, unsigned long inode)
{
	if (inodes->count == inodes->room) {
		size_t room = inodes->room ? 2 * inodes->room : 64;
		unsigned long *items =
			realloc(inodes->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		inodes->items = items;
		inodes->room = room;
	}
	inodes->items[inodes->count++] = inode;
	return 0;
}

static int collect(DIR *folder, struct inodes *inodes)
{
	const struct dirent *entry;
	int r = 0;

	while (!r && (entry = readdir(folder)) != NULL) {
		unsigned long inode;
		char target[64];
		ssize_t size = readlinkat(dirfd(folder), entry->d_name, target,
					  sizeof(target) - 1);

		if (size <= 0)
			continue;
		target[size] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			r = add(inodes, inode);
	}
	return r;
}

static int by_number(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int inodes_of(long pid, struct inodes *ret)
{
	char path[64];
	DIR *folder;
	int r;

	snprintf(path, sizeof(path), "/proc/%ld/fd", pid);
	folder = opendir(path);
	if (!folder)
		return -errno;
	r = collect(folder, ret);
	closedir(folder);
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_number);
	return r;
}

void inodes_fini(struct inodes *inodes)
{
	free(inodes->items);
	*inodes = (struct inodes){NULL, 0, 0};
}

bool inodes_have(const struct inodes *inodes, unsigned long inode)
{
	return inodes->count && bsearch(&inode, inodes->items, inodes->count,
					sizeof(inode), by_number);
}
