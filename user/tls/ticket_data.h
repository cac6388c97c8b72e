/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ticket_data: what a server seals into a client's ticket beside the session:
 * the rest of the client's chain, for OpenSSL keeps the leaf alone, and a
 * resumed client could not be judged again; and when it ends.
 */
#ifndef MILLRACE_TLS_TICKET_DATA_H
#define MILLRACE_TLS_TICKET_DATA_H

#include <openssl/ssl.h>

#include "tls/session.h"

/* Servers of ctx, where clients show certificates. demands must outlive
 * ctx. 0 or -EIO. */
int ticket_data_use(SSL_CTX *ctx, const struct session_demands *demands)
	__attribute__((warn_unused_result));

/* The chain that came with a resumed session, the caller's; NULL: memory is
 * short. */
STACK_OF(X509) *ticket_data_chain(SSL_SESSION *session);

#endif
