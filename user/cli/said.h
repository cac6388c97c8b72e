/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * said: a daemon's own word about the sockets of its connections (GET
 * /connections), read from its JSON.
 */
#ifndef MILLRACE_CLI_SAID_H
#define MILLRACE_CLI_SAID_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum said_state {
	SAID_UNDECIDED,
	SAID_HANDSHAKE,
	SAID_TLS,
	SAID_PLAIN,
};

enum said_policy {
	SAID_STRICT,
	SAID_PERMISSIVE,
	SAID_DISABLED,
};

/* One socket. Strings are the document's; NULL: not said. */
struct said {
	uint64_t cookie;
	uint64_t pair; /* the same for both sides of a connection */
	bool up;       /* towards the cluster; else from a client */
	const char *listener;
	const char *cluster;
	const char *peer;
	enum said_policy policy;
	enum said_state state;
	const char *version;
	const char *cipher;
	bool tx_kernel;
	bool rx_kernel;
};

struct said_list {
	json_t *document;
	long pid;
	size_t omitted;	    /* connections that the daemon left out */
	struct said *items; /* by rising cookie */
	size_t count;
};

/* 0; -EPROTO for what is no such document (with the words), -ENOMEM. The
 * caller ends it with said_fini(). */
int said_parse(const char *text, struct said_list *ret, struct err *err)
	__attribute__((warn_unused_result));

void said_fini(struct said_list *list);

/* NULL: not a word of it. */
const struct said *said_find(const struct said_list *list, uint64_t cookie);

#endif
