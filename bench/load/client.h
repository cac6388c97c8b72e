/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client: one connection that sends requests, one at a time, and tells its
 * owner what became of them.
 */
#ifndef MILLRACE_BENCH_CLIENT_H
#define MILLRACE_BENCH_CLIENT_H

#include "load/http.h"
#include "load/link.h"
#include "load/loop.h"

/* Head and body go out in one piece as far as this. */
#define REQUEST_FIRST_MAX 65536

/* The same bytes each time. */
struct request {
	uint8_t first[REQUEST_FIRST_MAX];
	size_t first_size;
	uint64_t more; /* bytes of body behind first */
};

/* GET when body_size is 0, else POST. */
void request_make(struct request *request, const char *host, const char *path,
		  uint64_t body_size);

enum client_event {
	CLIENT_STANDS,	 /* connected and, with TLS, shaken */
	CLIENT_ANSWERED, /* the response is whole */
	CLIENT_FAILED,	 /* client->error; it is dropped already */
};

struct client {
	struct watch watch;
	struct link link;
	struct http http;
	struct loop *loop;
	const struct request *request;
	bool stands;
	bool asking;
	uint64_t out_left; /* of the request */
	uint64_t bytes;	   /* that came and went */
	int error;	   /* -errno; -EBADMSG: not status 200 */
	void (*told)(struct client *client, enum client_event event);
	void (*end)(struct client *client); /* after client_drop() */
	uint64_t begun_ns;		    /* the owner's */
	uint64_t scheduled_ns;		    /* the owner's */
	void *owner;
};

/* The owner has set told, end and owner; all else is set here. */
void client_dial(struct client *client, struct loop *loop,
		 const struct target *target, const struct request *request);

/* It stands, and asks nothing now. */
void client_ask(struct client *client);

/* Ends the connection. */
void client_drop(struct client *client);

#endif
