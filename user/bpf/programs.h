/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * programs: the interception's BPF objects, loaded with their maps shared.
 *
 * Every map is pinned in one folder under its own name, so that objects, and
 * daemons that follow each other, work on the same maps. A pinned map of
 * another layout gives way to a new one.
 */
#ifndef MILLRACE_BPF_PROGRAMS_H
#define MILLRACE_BPF_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum programs_kind {
	PROGRAMS_SHARED, /* lives, original_dst */
	PROGRAMS_EGRESS, /* connect4,6 and getpeername4,6 of one site */
	PROGRAMS_STEER,	 /* steer of one site */
	PROGRAMS_GUARD,	 /* guard_* of one site */
};

struct programs;

struct programs_options {
	const char *pin_dir;
	uint32_t site;
	uint64_t netns_cookie; /* PROGRAMS_STEER */
	bool truth;	       /* PROGRAMS_GUARD: guard_truth, not guard_word */
};

/* 0 or -errno with the words, which name the capabilities at fault. */
int programs_load(enum programs_kind kind,
		  const struct programs_options *options, struct programs **ret,
		  struct err *err) __attribute__((warn_unused_result));

/* Its descriptor, alive until programs_free(); aborts on a wrong name. */
int programs_fd(const struct programs *programs, const char *name);

/* Likewise, of a map. */
int programs_map_fd(const struct programs *programs, const char *name);

/* NULL is allowed. What is pinned or attached stays. */
void programs_free(struct programs *programs);

#endif
