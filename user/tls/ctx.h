/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctx: an SSL_CTX made from a listener's or a cluster's configuration.
 *
 * Belongs to one worker: OpenSSL 3.0 scales badly when threads share one.
 * What is common to all workers (certificates, ticket keys) comes from
 * outside.
 */
#ifndef MILLRACE_TLS_CTX_H
#define MILLRACE_TLS_CTX_H

#include <openssl/ssl.h>

#include "base/err.h"
#include "config/config.h"
#include "tls/credential.h"
#include "tls/session.h"
#include "tls/tickets.h"

/* All of it must outlive the context. SSL_CTX_free() ends it. */
struct tls_ctx_parts {
	const struct credential_set *set;
	struct tickets *tickets;	 /* servers */
	const char *node;		 /* or NULL */
	struct session_demands *demands; /* filled in */
};

int tls_ctx_server_new(const struct config_listener *listener,
		       const struct tls_ctx_parts *parts, SSL_CTX **ret_ctx,
		       struct err *err) __attribute__((warn_unused_result));
int tls_ctx_client_new(const struct config_cluster *cluster,
		       const struct tls_ctx_parts *parts, SSL_CTX **ret_ctx,
		       struct err *err) __attribute__((warn_unused_result));

/* The newest words in OpenSSL's error queue, which is emptied: "" if none. */
char *tls_error_words(char *text, size_t size);

#endif
