/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * membership: who the endpoints of a discovered cluster are right now.
 *
 * The control thread sets it; workers copy what is new and keep their copy
 * until the next. No worker ever waits for it: while it is being set, the
 * copy that a worker has is good. Shared by the plans that follow each other.
 */
#ifndef MILLRACE_MESH_MEMBERSHIP_H
#define MILLRACE_MESH_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/* More of an answer is left out. */
#define MEMBERSHIP_MAX 1024

struct membership;

/* A worker's copy; all zero at first. items is the owner's to free. */
struct members {
	struct addr *items;
	size_t count;
	unsigned int version; /* 0: nothing was ever said */
};

/* NULL when memory is short. The caller holds the first reference. */
struct membership *membership_new(void);
struct membership *membership_ref(struct membership *membership);
/* Any thread. NULL is allowed. */
void membership_unref(struct membership *membership);

/* The control thread: these are they from now on, none perhaps. -ENOMEM. */
int membership_set(struct membership *membership, const struct addr *items,
		   size_t count) __attribute__((warn_unused_result));

/* Any thread: brings its copy up to date, if that can be done at once. */
void membership_follow(struct membership *membership, struct members *members);

#endif
