/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctx: an SSL_CTX made from a listener's or a cluster's configuration.
 *
 * Belongs to one worker: OpenSSL 3.0 scales badly when threads share one.
 * What must be common to all workers (ticket keys) comes from outside.
 */
#ifndef MILLRACE_TLS_CTX_H
#define MILLRACE_TLS_CTX_H

#include <openssl/ssl.h>

#include "base/err.h"
#include "config/config.h"

/* What SSL_CTX_set_tlsext_ticket_keys takes: name, HMAC key, AES key. */
#define TLS_TICKET_KEYS_SIZE 80

/* A fresh set for all workers of a process. 0 or -EIO. */
int tls_ticket_keys_make(uint8_t ret_keys[TLS_TICKET_KEYS_SIZE],
			 struct err *err) __attribute__((warn_unused_result));

/* The configuration must outlive the context. SSL_CTX_free() ends it. */
int tls_ctx_server_new(const struct config_listener *listener,
		       const uint8_t ticket_keys[TLS_TICKET_KEYS_SIZE],
		       SSL_CTX **ret_ctx, struct err *err)
	__attribute__((warn_unused_result));
int tls_ctx_client_new(const struct config_cluster *cluster, SSL_CTX **ret_ctx,
		       struct err *err) __attribute__((warn_unused_result));

/* The newest words in OpenSSL's error queue, which is emptied: "" if none. */
char *tls_error_words(char *text, size_t size);

#endif
