/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * give_way: for who computes for milliseconds on a processor that a worker may
 * have its place on, too.
 *
 * The kernel looks whose turn it is when a thread wakes, and then at its tick,
 * up to 4 ms later: a worker that has just worked, and wakes again, waits for
 * that. So who computes has it look, about every 100 us (sched_yield(2)).
 */
#ifndef MILLRACE_BASE_GIVE_WAY_H
#define MILLRACE_BASE_GIVE_WAY_H

#include <sched.h>
#include <stddef.h>

/* In a loop: before its first step, and then after so many. */
static inline void give_way(size_t step, size_t every)
{
	if (step % every == 0)
		sched_yield();
}

#endif
