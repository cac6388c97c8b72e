/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr: an IPv4 or IPv6 socket address, and its text forms.
 */
#ifndef MILLRACE_BASE_ADDR_H
#define MILLRACE_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"

/* "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535" */
#define ADDR_TEXT_MAX 72

struct addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t size;
};

/*
 * Parses "1.2.3.4:80" or "[::1]:80". The port is required and is 1..65535.
 * A host name is -EDESTADDRREQ, anything else malformed -EINVAL; err says
 * what would be right. *ret_addr is untouched on failure.
 */
int addr_parse(const char *text, struct addr *ret_addr, struct err *err)
	__attribute__((warn_unused_result));

/* Whether family, address, scope and port are the same. */
bool addr_equal(const struct addr *a, const struct addr *b);

/* ::ffff:a.b.c.d, as sockets of both families know IPv4, becomes a.b.c.d. */
void addr_unmap(struct addr *addr);

/* Writes what addr_parse() reads; "?" for another family. Returns text. */
char *addr_format(const struct addr *addr, char text[static ADDR_TEXT_MAX]);

/*
 * The form in statistics' names: every ':' is '_', so "0.0.0.0_15000" and
 * "[__1]_10000". Returns text.
 */
char *addr_format_stat(const struct addr *addr,
		       char text[static ADDR_TEXT_MAX]);

#endif
