/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor: bytes from one socket to another, and nothing else. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "load/listening.h"
#include "load/load.h"
#include "load/loop.h"

#define ROOM 65536

/* One end of a pair: what it received waits here for the other. */
struct end {
	struct watch watch;
	struct end *other;
	bool connecting;
	bool over; /* its stream has ended */
	uint32_t at;
	uint32_t size;
	uint8_t room[ROOM];
};

static struct loop loop;
static struct addr goal;

static void freed(struct watch *watch)
{
	free(watch);
}

static void drop(struct end *end)
{
	loop_drop(&loop, &end->other->watch);
	loop_drop(&loop, &end->watch);
}

static void watch(struct end *end)
{
	bool reads = !end->over && end->size == end->at;
	bool writes = end->connecting || end->other->size > end->other->at;

	loop_watch(&loop, &end->watch,
		   (reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U));
}

/* What from holds goes to its other end, as far as it takes it. */
static bool write_on(struct end *from)
{
	struct end *to = from->other;
	ssize_t moved;

	if (from->size == from->at || to->connecting)
		return true;
	moved = send(to->watch.fd, from->room + from->at, from->size - from->at,
		     MSG_NOSIGNAL);
	if (moved < 0)
		return errno == EAGAIN;
	from->at += (uint32_t)moved;
	return true;
}

static bool read_on(struct end *from)
{
	ssize_t moved = recv(from->watch.fd, from->room, ROOM, 0);

	if (moved < 0)
		return errno == EAGAIN;
	from->at = 0;
	from->size = (uint32_t)moved;
	if (moved == 0) {
		from->over = true;
		shutdown(from->other->watch.fd, SHUT_WR);
		return !from->other->over;
	}
	return write_on(from);
}

static void ready(struct watch *ready_watch, uint32_t events)
{
	struct end *end = (struct end *)(void *)ready_watch;
	bool fine = true;

	if (events & EPOLLOUT) {
		end->connecting = false;
		fine = write_on(end->other);
	}
	if (fine && (events & ~(uint32_t)EPOLLOUT) && !end->over &&
	    end->size == end->at)
		fine = read_on(end);
	else if (events & (EPOLLERR | EPOLLHUP))
		fine = false;
	if (!fine) {
		drop(end);
		return;
	}
	watch(end);
	watch(end->other);
}

static struct end *end_new(int fd)
{
	struct end *end = calloc(1, sizeof(*end));
	int one = 1;

	if (!end || fd < 0)
		loop_die("no connection: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	end->watch.fd = fd;
	end->watch.ready = ready;
	end->watch.end = freed;
	return end;
}

static void accepted(struct watch *listener, uint32_t events)
{
	int fd =
		accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct end *down, *up;

	(void)events;
	if (fd < 0)
		return;
	down = end_new(fd);
	up = end_new(socket(goal.any.sa_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	down->other = up;
	up->other = down;
	if (connect(up->watch.fd, &goal.any, goal.size) != 0 &&
	    errno != EINPROGRESS)
		loop_die("connect: %s", strerror(errno));
	up->connecting = true;
	watch(down);
	watch(up);
}

void relay_run(const struct addr *listen, const struct addr *target)
{
	struct watch listener = {.ready = accepted};

	goal = *target;
	listener.fd = listening_new(listen);
	loop_init(&loop);
	loop_watch(&loop, &listener, EPOLLIN);
	printf("ready\n");
	fflush(stdout);
	for (;;)
		loop_turn(&loop, -1);
}
