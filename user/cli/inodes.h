/* SPDX-License-Identifier: BSD-2-Clause */
/* inodes: the sockets that a process has open (proc(5), /proc/PID/fd). */
#ifndef MILLRACE_CLI_INODES_H
#define MILLRACE_CLI_INODES_H

#include <stdbool.h>
#include <stddef.h>

struct inodes {
	unsigned long *items; /* in rising order */
	size_t count;
	size_t room;
};

/* 0 or -errno (-EACCES: of another user). The caller ends it with
 * inodes_fini(), in any case. */
int inodes_of(long pid, struct inodes *ret) __attribute__((warn_unused_result));

void inodes_fini(struct inodes *inodes);

bool inodes_have(const struct inodes *inodes, unsigned long inode);

#endif
