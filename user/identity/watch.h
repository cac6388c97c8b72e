/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch: whether files may have changed, however they are written: in place,
 * by rename, or by a symbolic link on the way to them that points elsewhere.
 *
 * Watches the folders (inotify) that hold each file and each link on its way.
 * Belongs to one thread.
 */
#ifndef MILLRACE_IDENTITY_WATCH_H
#define MILLRACE_IDENTITY_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct watch;

/* 0 or -errno with the words. */
int watch_new(struct watch **ret, struct err *err)
	__attribute__((warn_unused_result));

/* NULL is allowed. */
void watch_free(struct watch *watch);

/* To be polled for reading; watch_read() then. */
int watch_fd(const struct watch *watch);

/* Empties the descriptor. */
void watch_read(struct watch *watch);

/*
 * Looks at the files' ways anew and watches those from now on; paths are
 * absolute. To be called after each change too: the ways may be others.
 */
void watch_follow(struct watch *watch, const char *const *paths, size_t count);

/*
 * Whether a file is another one, or was written, since this was asked last:
 * what inotify does not see (network file systems, folders that came later).
 */
bool watch_differs(struct watch *watch);

#endif
