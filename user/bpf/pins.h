/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pins: the folder of a bpffs that holds a daemon's links and maps, so that
 * they stay when it goes and the next one finds them.
 *
 * One daemon per folder, by a lock that ends with the process. Links are
 * pinned as "link_NAME"; the rest in there are maps.
 */
#ifndef MILLRACE_BPF_PINS_H
#define MILLRACE_BPF_PINS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pins;

/*
 * Makes the folder where it is missing (its parent must be there) and locks
 * it. -EBUSY when another daemon has it, -EINVAL when it is not in a bpffs.
 */
int pins_open(const char *folder, struct pins **ret, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Attaches program to target (a cgroup or a network namespace) as link NAME.
 * A pinned link of that name to the same target gets the new program at once
 * and in its old place among others; one to another target is replaced, the
 * new one first. *ret_new, where wanted, tells that it was not there before.
 */
int pins_attach(struct pins *pins, const char *name, int program,
		enum bpf_attach_type type, int target, bool *ret_new,
		struct err *err) __attribute__((warn_unused_result));

/* Detaches link NAME; harmless where there is none. */
void pins_detach(struct pins *pins, const char *name);

/*
 * Detaches every link that pins_attach() has not named since the last call
 * of pins_begin().
 */
void pins_begin(struct pins *pins);
void pins_prune(struct pins *pins);

/* Whether a link is pinned there. */
bool pins_holds_links(const struct pins *pins);

const char *pins_folder(const struct pins *pins);

/*
 * Pins fd at path in the place of what is pinned there: under another name
 * first, so that the right one never misses. 0 or -errno.
 */
int pins_replace(int fd, const char *path) __attribute__((warn_unused_result));

/* Unlocks: from now on another daemon may have the folder. */
void pins_unlock(struct pins *pins);

/* Unlocks; what is pinned stays. NULL is allowed. */
void pins_close(struct pins *pins);

/*
 * Detaches every link in the folder, removes every pin and the folder.
 * -EBUSY when a daemon has it, unless force; -ENOENT when it is not there.
 */
int pins_remove(const char *folder, bool force, struct err *err)
	__attribute__((warn_unused_result));

#endif
