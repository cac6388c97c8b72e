/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http: as much of HTTP/1.1 (RFC 9112) as a load needs: messages whose
 * length Content-Length tells, on connections that are kept.
 */
#ifndef MILLRACE_BENCH_HTTP_H
#define MILLRACE_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 4096

/* One message that is coming in. Zeroed: the next one. */
struct http {
	char head[HTTP_HEAD_MAX + 1]; /* a string */
	size_t head_size;
	bool in_body;
	uint64_t body_left;
};

/*
 * Takes bytes that came. 1: the message is whole, *ret_used of them belong
 * to it; 0: all were taken, more must come; -EPROTO: not HTTP, or without a
 * length.
 */
int http_take(struct http *http, const uint8_t *bytes, size_t size,
	      size_t *ret_used);

/* Makes it ready for the next message. */
void http_next(struct http *http);

/* Of a response; 0 when its head is not whole. */
int http_status(const struct http *http);

/* Of a request "GET /123": 123. Something else than a number is 0. */
uint64_t http_wanted(const struct http *http);

#endif
