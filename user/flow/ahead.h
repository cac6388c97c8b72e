/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ahead: how many connections each source has that were dialled ahead:
 * before it said a word. Sources share a slot when their hashes do: then
 * they share the limit too, which keeps the table small and full of nobody.
 */
#ifndef MILLRACE_FLOW_AHEAD_H
#define MILLRACE_FLOW_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

#define AHEAD_SLOTS 4096

struct ahead {
	uint64_t key; /* so that nobody can choose whose slot to fill */
	uint16_t counts[AHEAD_SLOTS];
};

void ahead_init(struct ahead *ahead);

/* false when the source has max of them already. */
bool ahead_enter(struct ahead *ahead, const struct addr *source,
		 unsigned int max, uint16_t *ret_slot);

void ahead_leave(struct ahead *ahead, uint16_t slot);

#endif
