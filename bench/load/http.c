/* SPDX-License-Identifier: BSD-2-Clause */
#include "load/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LENGTH "content-length:"

/* GET and HEAD requests may have no length; a response must. */
static int body_size(const char *head, uint64_t *ret_size)
{
	const char *line = head;

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, LENGTH, sizeof(LENGTH) - 1) == 0) {
			*ret_size =
				strtoull(line + sizeof(LENGTH) - 1, NULL, 10);
			return 0;
		}
	}
	if (strncmp(head, "GET ", 4) != 0)
		return -EPROTO;
	*ret_size = 0;
	return 0;
}

/* Adds to the head up to its end; *ret_used bytes went there. */
static int take_head(struct http *http, const uint8_t *bytes, size_t size,
		     size_t *ret_used)
{
	size_t before = http->head_size;
	size_t take = HTTP_HEAD_MAX - before;
	const char *end;

	if (take > size)
		take = size;
	memcpy(http->head + before, bytes, take);
	http->head[before + take] = '\0';
	end = strstr(http->head + (before < 3 ? 0 : before - 3), "\r\n\r\n");
	if (!end) {
		http->head_size += take;
		*ret_used = take;
		return http->head_size == HTTP_HEAD_MAX ? -EPROTO : 0;
	}
	http->head_size = (size_t)(end - http->head) + 4;
	http->head[http->head_size] = '\0';
	*ret_used = http->head_size - before;
	http->in_body = true;
	return body_size(http->head, &http->body_left);
}

int http_take(struct http *http, const uint8_t *bytes, size_t size,
	      size_t *ret_used)
{
	size_t used = 0, body;
	int r;

	if (!http->in_body) {
		r = take_head(http, bytes, size, &used);
		if (r || !http->in_body)
			return r;
	}
	body = size - used;
	if (body > http->body_left)
		body = (size_t)http->body_left;
	http->body_left -= body;
	*ret_used = used + body;
	return http->body_left == 0;
}

void http_next(struct http *http)
{
	http->head[0] = '\0';
	http->head_size = 0;
	http->in_body = false;
	http->body_left = 0;
}

int http_status(const struct http *http)
{
	if (strncmp(http->head, "HTTP/1.", 7) != 0)
		return 0;
	return atoi(http->head + 9);
}

uint64_t http_wanted(const struct http *http)
{
	const char *path = strchr(http->head, '/');

	return path ? strtoull(path + 1, NULL, 10) : 0;
}
