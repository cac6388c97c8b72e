/* SPDX-License-Identifier: BSD-2-Clause */
#include "load/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE (1U << 18)
/* So many reads before others have their turn. */
#define READS_PER_TURN 16

static uint8_t scratch[READ_SIZE];
static const uint8_t zeros[READ_SIZE];

void request_make(struct request *request, const char *host, const char *path,
		  uint64_t body_size)
{
	char *head = (char *)request->first;
	int size;

	if (body_size)
		size = snprintf(head, REQUEST_FIRST_MAX,
				"POST %s HTTP/1.1\r\nHost: %s\r\n"
				"Content-Length: %llu\r\n\r\n",
				path, host, (unsigned long long)body_size);
	else
		size = snprintf(head, REQUEST_FIRST_MAX,
				"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
				host);
	if (size < 0 || size >= HTTP_HEAD_MAX)
		loop_die("the path is too long");
	request->first_size = REQUEST_FIRST_MAX - (size_t)size;
	if (request->first_size > body_size)
		request->first_size = (size_t)body_size;
	request->more = body_size - request->first_size;
	request->first_size += (size_t)size;
}

static void failed(struct client *client, int error)
{
	client->error = error;
	client_drop(client);
	client->told(client, CLIENT_FAILED);
}

/* The next piece of the request. */
static const uint8_t *piece(const struct client *client, size_t *ret_size)
{
	const struct request *request = client->request;

	if (client->out_left > request->more) {
		*ret_size = (size_t)(client->out_left - request->more);
		return request->first + request->first_size - *ret_size;
	}
	*ret_size = client->out_left < READ_SIZE ? (size_t)client->out_left
						 : READ_SIZE;
	return zeros;
}

/* false: it must wait, or has failed. */
static bool write_on(struct client *client)
{
	while (client->out_left) {
		size_t size;
		const uint8_t *bytes = piece(client, &size);
		ssize_t moved = link_write(&client->link, bytes, size);

		if (moved == -EAGAIN) {
			/* An early answer must be seen too. */
			loop_watch(client->loop, &client->watch,
				   client->link.events | EPOLLIN);
			return false;
		}
		if (moved < 0) {
			failed(client, (int)moved);
			return false;
		}
		client->out_left -= (uint64_t)moved;
		client->bytes += (uint64_t)moved;
	}
	loop_watch(client->loop, &client->watch, EPOLLIN);
	return true;
}

static void took(struct client *client, size_t size)
{
	size_t used = 0;
	int r = http_take(&client->http, scratch, size, &used);

	client->bytes += size;
	if (r == 1 && (used < size || !client->asking || client->out_left))
		r = -EPROTO; /* more than was asked for, or too early */
	if (r == 1 && http_status(&client->http) != 200)
		r = -EBADMSG;
	if (r < 0) {
		failed(client, r);
	} else if (r == 1) {
		http_next(&client->http);
		client->asking = false;
		client->told(client, CLIENT_ANSWERED);
	}
}

static void read_on(struct client *client)
{
	for (int i = 0; i < READS_PER_TURN || client->link.ssl; i++) {
		ssize_t size =
			link_read(&client->link, scratch, sizeof(scratch));

		if (size == -EAGAIN) {
			loop_watch(client->loop, &client->watch,
				   client->link.events |
					   (client->out_left ? EPOLLOUT : 0));
			return;
		}
		if (size <= 0) {
			failed(client, size ? (int)size : -ECONNRESET);
			return;
		}
		took(client, (size_t)size);
		if (client->watch.dead)
			return;
		if (!client->link.ssl && size < (ssize_t)sizeof(scratch))
			return;
	}
}

static void ready(struct watch *watch, uint32_t events)
{
	struct client *client = (struct client *)(void *)watch;

	if (!client->stands) {
		int r = link_step(&client->link);

		if (r == -EAGAIN)
			loop_watch(client->loop, watch, client->link.events);
		else if (r)
			failed(client, r);
		if (r)
			return;
		client->stands = true;
		loop_watch(client->loop, watch, EPOLLIN);
		client->told(client, CLIENT_STANDS);
		return;
	}
	if (client->out_left && (events & EPOLLOUT))
		write_on(client);
	if (!watch->dead && (events & ~(uint32_t)EPOLLOUT))
		read_on(client);
}

static void ended(struct watch *watch)
{
	struct client *client = (struct client *)(void *)watch;

	client->end(client);
}

void client_dial(struct client *client, struct loop *loop,
		 const struct target *target, const struct request *request)
{
	int r;

	memset(&client->watch, 0, sizeof(client->watch));
	http_next(&client->http);
	client->stands = client->asking = false;
	client->out_left = 0;
	client->error = 0;
	client->loop = loop;
	client->request = request;
	client->begun_ns = loop_now_ns();
	r = link_dial(&client->link, target);
	if (r)
		loop_die("cannot dial: %s", strerror(-r));
	client->watch.fd = client->link.fd;
	client->watch.ready = ready;
	client->watch.end = ended;
	loop_watch(loop, &client->watch, EPOLLOUT);
}

void client_ask(struct client *client)
{
	client->asking = true;
	client->out_left = client->request->first_size + client->request->more;
	(void)write_on(client);
}

void client_drop(struct client *client)
{
	if (client->watch.dead)
		return;
	link_fini(&client->link);
	loop_drop(client->loop, &client->watch);
}
