/* SPDX-License-Identifier: BSD-2-Clause */
#include "load/loop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256

void loop_die(const char *format, ...)
{
	va_list arguments;

	fputs("millrace-bench: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

uint64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void loop_init(struct loop *loop)
{
	loop->dead = NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		loop_die("epoll: %s", strerror(errno));
}

void loop_fini(struct loop *loop)
{
	close(loop->epoll);
}

void loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};
	int how = watch->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (watch->dead || (watch->added && watch->events == events))
		return;
	if (epoll_ctl(loop->epoll, how, watch->fd, &event) != 0)
		loop_die("epoll: %s", strerror(errno));
	watch->added = true;
	watch->events = events;
}

void loop_drop(struct loop *loop, struct watch *watch)
{
	if (watch->dead)
		return;
	watch->dead = true;
	close(watch->fd);
	watch->next_dead = loop->dead;
	loop->dead = watch;
}

static void bury(struct loop *loop)
{
	while (loop->dead) {
		struct watch *watch = loop->dead;

		loop->dead = watch->next_dead;
		watch->end(watch);
	}
}

void loop_turn(struct loop *loop, int64_t wait_ns)
{
	struct timespec wait = {
		.tv_sec = wait_ns / 1000000000,
		.tv_nsec = wait_ns % 1000000000,
	};
	struct epoll_event events[EVENTS_PER_TURN];
	int count;

	bury(loop);
	count = epoll_pwait2(loop->epoll, events, EVENTS_PER_TURN,
			     wait_ns < 0 ? NULL : &wait, NULL);
	if (count < 0 && errno != EINTR)
		loop_die("epoll: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		struct watch *watch = events[i].data.ptr;

		if (!watch->dead)
			watch->ready(watch, events[i].events);
	}
	bury(loop);
}
