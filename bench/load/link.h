/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link: one connection, plain or TLS, that never blocks.
 *
 * Whoever owns it watches the descriptor: -EAGAIN means that link->events
 * (EPOLLIN or EPOLLOUT) must come first.
 */
#ifndef MILLRACE_BENCH_LINK_H
#define MILLRACE_BENCH_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

/* Whom to dial, and how. */
struct target {
	struct addr addr;
	SSL_CTX *ctx; /* NULL: plain */
	const char *server_name;
	SSL_SESSION *session; /* resumed by each connection, if not NULL */
};

struct link {
	int fd;
	SSL *ssl; /* NULL: plain */
	bool is_server;
	bool connected;
	bool shaken;
	uint32_t events;
};

/* Begins to dial. 0 or -errno. */
int link_dial(struct link *link, const struct target *target)
	__attribute__((warn_unused_result));

/* A socket that was accepted; ctx NULL: plain. */
int link_accept(struct link *link, int fd, SSL_CTX *ctx)
	__attribute__((warn_unused_result));

/* Connects and shakes hands. 0 when it stands, -EAGAIN, or another error. */
int link_step(struct link *link) __attribute__((warn_unused_result));

/* > 0 bytes, 0 at the end of the stream, -EAGAIN, or another error. */
ssize_t link_read(struct link *link, void *bytes, size_t size)
	__attribute__((warn_unused_result));
ssize_t link_write(struct link *link, const void *bytes, size_t size)
	__attribute__((warn_unused_result));

/* close_notify as far as it goes; frees the SSL, leaves the descriptor. */
void link_fini(struct link *link);

#endif
