/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop: epoll, and who is told when a descriptor is ready. One thread.
 *
 * What is wrong with the machine or the command line ends the program with
 * words (loop_die): a benchmark that goes on would measure something else.
 */
#ifndef MILLRACE_BENCH_LOOP_H
#define MILLRACE_BENCH_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Embedded in its owner. */
struct watch {
	int fd;
	bool added;
	uint32_t events; /* waited for now */
	bool dead;
	void (*ready)(struct watch *watch, uint32_t events);
	void (*end)(struct watch *watch); /* frees the owner */
	struct watch *next_dead;
};

struct loop {
	int epoll;
	struct watch *dead;
};

void loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* Waits for events (EPOLLIN, EPOLLOUT) from now on. */
void loop_watch(struct loop *loop, struct watch *watch, uint32_t events);

/* Closes the descriptor; end is called when the turn is over. Harmless when
 * it was called already. */
void loop_drop(struct loop *loop, struct watch *watch);

/* Tells all that are ready; waits for at most wait_ns (-1: for ever). */
void loop_turn(struct loop *loop, int64_t wait_ns);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t loop_now_ns(void);

void loop_die(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

#endif
