/* SPDX-License-Identifier: BSD-2-Clause */
/* The server behind the proxy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load/http.h"
#include "load/link.h"
#include "load/listening.h"
#include "load/load.h"
#include "load/loop.h"

#define PIECE (1U << 18)
#define PIECES_PER_TURN 16

struct visitor {
	struct watch watch;
	struct link link;
	struct http http;
	bool stands;
	char head[128];
	size_t head_left; /* of the response, at the end of head */
	size_t head_size;
	uint64_t out_left; /* of its body */
};

static struct loop loop;
static SSL_CTX *ctx;
static uint8_t scratch[PIECE];
/* A response's head and the beginning of its body, in one piece. */
static uint8_t joined[PIECE];

static void ended(struct watch *watch)
{
	free(watch);
}

static void drop(struct visitor *visitor)
{
	if (visitor->watch.dead)
		return;
	link_fini(&visitor->link);
	loop_drop(&loop, &visitor->watch);
}

/* What goes out next: at most PIECE bytes of head and body. */
static size_t piece(const struct visitor *visitor)
{
	size_t body = PIECE - visitor->head_left;

	if (body > visitor->out_left)
		body = (size_t)visitor->out_left;
	memcpy(joined, visitor->head + visitor->head_size - visitor->head_left,
	       visitor->head_left);
	return visitor->head_left + body;
}

static void sent(struct visitor *visitor, size_t size)
{
	size_t head = size < visitor->head_left ? size : visitor->head_left;

	/* What the head covered is body again. */
	memset(joined, 0, sizeof(visitor->head));
	visitor->head_left -= head;
	visitor->out_left -= size - head;
}

static void write_on(struct visitor *visitor)
{
	for (int i = 0; visitor->head_left || visitor->out_left; i++) {
		size_t size = piece(visitor);
		ssize_t moved;

		if (i == PIECES_PER_TURN) {
			loop_watch(&loop, &visitor->watch, EPOLLOUT);
			return;
		}
		moved = link_write(&visitor->link, joined, size);
		if (moved == -EAGAIN) {
			loop_watch(&loop, &visitor->watch,
				   visitor->link.events);
			return;
		}
		if (moved < 0) {
			drop(visitor);
			return;
		}
		sent(visitor, (size_t)moved);
	}
	loop_watch(&loop, &visitor->watch, EPOLLIN);
}

static void answer(struct visitor *visitor)
{
	visitor->out_left = http_wanted(&visitor->http);
	visitor->head_size = visitor->head_left = (size_t)snprintf(
		visitor->head, sizeof(visitor->head),
		"HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
		(unsigned long long)visitor->out_left);
	http_next(&visitor->http);
	write_on(visitor);
}

static void read_on(struct visitor *visitor)
{
	for (int i = 0; i < PIECES_PER_TURN || visitor->link.ssl; i++) {
		ssize_t size =
			link_read(&visitor->link, scratch, sizeof(scratch));
		size_t used = 0;
		int r;

		if (size == -EAGAIN) {
			loop_watch(&loop, &visitor->watch,
				   visitor->link.events);
			return;
		}
		if (size <= 0) {
			drop(visitor);
			return;
		}
		r = http_take(&visitor->http, scratch, (size_t)size, &used);
		if (r < 0 || (r == 1 && used < (size_t)size)) {
			drop(visitor); /* nobody pipelines here */
			return;
		}
		if (r == 1) {
			answer(visitor);
			return;
		}
		if (!visitor->link.ssl && size < (ssize_t)sizeof(scratch))
			return;
	}
}

static void ready(struct watch *watch, uint32_t events)
{
	struct visitor *visitor = (struct visitor *)(void *)watch;
	int r;

	(void)events;
	r = link_step(&visitor->link);
	if (r == -EAGAIN)
		loop_watch(&loop, watch, visitor->link.events);
	else if (r)
		drop(visitor);
	else if (visitor->head_left || visitor->out_left)
		write_on(visitor);
	else
		read_on(visitor);
}

static void accepted(struct watch *watch, uint32_t events)
{
	struct visitor *visitor;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	visitor = calloc(1, sizeof(*visitor));
	if (!visitor || link_accept(&visitor->link, fd, ctx))
		loop_die("memory is short");
	visitor->watch.fd = fd;
	visitor->watch.ready = ready;
	visitor->watch.end = ended;
	loop_watch(&loop, &visitor->watch, EPOLLIN);
}

void origin_run(const struct addr *listen, SSL_CTX *server_ctx)
{
	struct watch watch = {.ready = accepted};

	ctx = server_ctx;
	watch.fd = listening_new(listen);
	loop_init(&loop);
	loop_watch(&loop, &watch, EPOLLIN);
	printf("ready\n");
	fflush(stdout);
	for (;;)
		loop_turn(&loop, -1);
}
