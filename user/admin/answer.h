/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * answer: one request of the admin endpoint and what is answered to it.
 */
#ifndef MILLRACE_ADMIN_ANSWER_H
#define MILLRACE_ADMIN_ANSWER_H

#include <stddef.h>

#include "admin/context.h"
#include "base/text.h"

struct request {
	struct admin_context *context;
	const char *method;
	const char *path;
	/* The query's value of key: "" for one without, NULL for none. */
	const char *(*value)(const struct request *request, const char *key);
	bool read_only;	  /* whoever asks may not act */
	bool from_page;	  /* a browser sends it for some page */
	void *connection; /* for value */
	bool again;	  /* asked before, and told to come later */
};

struct answer {
	unsigned int status;
	const char *type;  /* Content-Type, static */
	const char *allow; /* the method that a 405 asks for, static */
	char *body;	   /* caller-owned; NULL when memory is short */
	size_t size;
	bool later; /* nothing yet: ask again after connections_wait() */
};

void answer_say(struct answer *ret, unsigned int status, const char *format,
		...) __attribute__((format(printf, 3, 4)));

/* 200 with what text holds, which is taken. */
void answer_text(struct answer *ret, struct text *text);
void answer_json(struct answer *ret, struct text *text);

/* Whether the request asks for ?format=FORMAT. */
bool request_wants(const struct request *request, const char *format);

#endif
