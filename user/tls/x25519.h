/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x25519: the key exchange that nearly every client asks for (RFC 7748, RFC
 * 8446 section 7.4.2), for OpenSSL (provider-keymgmt(7), provider-keyexch(7)),
 * by libsodium. OpenSSL's own takes longer (bench/README.md).
 *
 * Only what a handshake asks of it is here: a key cannot be imported, exported
 * or read from a file.
 */
#ifndef MILLRACE_TLS_X25519_H
#define MILLRACE_TLS_X25519_H

#include <openssl/core.h>
#include <stdbool.h>

#define X25519_NAME "X25519"

extern const OSSL_DISPATCH x25519_keys[];
extern const OSSL_DISPATCH x25519_exchange[];
/* What OpenSSL wants to know of a group (provider-base(7), TLS-GROUP). */
extern const OSSL_PARAM x25519_group[];

/* Once in a process, before any of the above. false: no source of randomness.
 */
bool x25519_init(void);

#endif
