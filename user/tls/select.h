/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * select: which of a listener's certificates a client is shown, by the name
 * it asks for (SNI, RFC 6066 section 3), and what is stapled to it.
 *
 * A certificate that carries the name comes before one whose wildcard covers
 * it; where none does, the first one and those that carry its name are
 * shown. Of each kind of key one is offered, and the client's abilities
 * decide between them.
 */
#ifndef MILLRACE_TLS_SELECT_H
#define MILLRACE_TLS_SELECT_H

#include <openssl/ssl.h>

#include "base/err.h"
#include "tls/credential.h"

/* The set must outlive the context. 0 or -EIO with the words. */
int select_use(const struct credential_set *set, SSL_CTX *ctx, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Whom name (or NULL) is shown, one of each kind of key; *ret has room for
 * SELECT_KINDS. The number of them.
 */
#define SELECT_KINDS 4
size_t select_by_name(const struct credential_set *set, const char *name,
		      const struct credential *ret[SELECT_KINDS]);

/* What became of a client's wish for a stapled OCSP response. */
enum select_staple {
	SELECT_STAPLE_UNASKED,
	SELECT_STAPLE_SENT,
	SELECT_STAPLE_OMITTED, /* there is none, or it is out of date */
};

/* Puts the response into the handshake, or not. */
enum select_staple select_staple(SSL *ssl, const struct credential_set *set);

#endif
