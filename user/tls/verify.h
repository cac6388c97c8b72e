/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verify: what is checked of a peer's certificate beyond its chain, and why
 * it was refused, in words.
 */
#ifndef MILLRACE_TLS_VERIFY_H
#define MILLRACE_TLS_VERIFY_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"

enum tls_failure {
	TLS_FAILURE_NONE,
	TLS_FAILURE_PROTOCOL, /* anything that is not about a certificate */
	TLS_FAILURE_CHAIN,
	TLS_FAILURE_NAME,
	TLS_FAILURE_HASH,    /* not a pinned certificate */
	TLS_FAILURE_NO_CERT, /* a certificate was demanded */
};

/* What one handshake remembers of it. */
struct verify {
	enum tls_failure failure;
	struct err err; /* while failure is set: why */
	/* set by verify_attach() */
	const struct config_validation *validation;
	bool client;	 /* the peer is one */
	bool chain_only; /* names and pins are not looked at */
};

/* The demands of all handshakes of ctx; they must outlive it. */
void verify_set(SSL_CTX *ctx, const struct config_validation *validation);

/* Before the handshake begins. verify must outlive ssl. */
void verify_attach(struct verify *verify, SSL *ssl, bool client);

/*
 * A chain alone, without a handshake; the first of it is leaf, the rest as it
 * was sent. 0, or the alert (RFC 8446 section 6.2) that says what is wrong,
 * with the words.
 */
int verify_chain(X509 *leaf, STACK_OF(X509) *chain, X509_STORE *trust,
		 const struct config_validation *validation, bool client,
		 struct err *err);

#endif
