/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tickets: the keys that session tickets are sealed with: the same for all
 * workers, and for a fleet where they come from a file.
 *
 * The first key seals; the others open what was sealed before. Counted; any
 * thread. A ticket whose key is gone means a full handshake, no more.
 */
#ifndef MILLRACE_TLS_TICKETS_H
#define MILLRACE_TLS_TICKETS_H

#include <openssl/ssl.h>

#include "base/err.h"

/* In a file: name (16 bytes), HMAC-SHA256 key (32), AES-256 key (32). */
#define TICKETS_KEY_SIZE 80
#define TICKETS_KEYS_MAX 8

struct tickets;

/* With one key that nobody else has. 0 or -errno with the words. */
int tickets_new(struct tickets **ret, struct err *err)
	__attribute__((warn_unused_result));

struct tickets *tickets_ref(struct tickets *tickets);
/* Wipes the keys with the last one. NULL is allowed. */
void tickets_unref(struct tickets *tickets);

/* A fresh key seals from now on; those of the last two turns still open. */
int tickets_rotate(struct tickets *tickets, struct err *err)
	__attribute__((warn_unused_result));

/* The keys of a file, in its order, from now on; on failure the old ones
 * stay. */
int tickets_load(struct tickets *tickets, const char *path, struct err *err)
	__attribute__((warn_unused_result));

/* Whether a file holds such keys. */
int tickets_check(const char *path, struct err *err)
	__attribute__((warn_unused_result));

/* The context seals and opens with them; they must outlive it. */
void tickets_use(struct tickets *tickets, SSL_CTX *ctx);

#endif
