/* SPDX-License-Identifier: BSD-2-Clause */
/* http: one GET from the admin endpoint of a daemon. */
#ifndef MILLRACE_CLI_HTTP_H
#define MILLRACE_CLI_HTTP_H

#include "base/addr.h"
#include "base/err.h"

/* path: of a unix socket, or NULL, and then addr counts. */
struct http_server {
	const char *path;
	struct addr addr;
};

/*
 * The body of path, as a string that is the caller's to free. 0, or -errno
 * with the words: nobody listens, no answer for 30 seconds, a status other
 * than 200.
 */
int http_get(const struct http_server *server, const char *path,
	     char **ret_body, struct err *err)
	__attribute__((warn_unused_result));

/* text as a value in a query (RFC 3986); NULL when memory is short. */
char *http_escape(const char *text);

#endif
