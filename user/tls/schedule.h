/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schedule: TLS 1.3's key schedule (RFC 8446 section 7.1) done for OpenSSL,
 * as a provider of its TLS13-KDF (provider-kdf(7)).
 *
 * Two things come of it: the application's traffic secrets are known as they
 * are made, and a handshake's 30 derivations cost what their hashes cost.
 * OpenSSL's own tells secrets through its key log alone, in hexadecimal, and
 * looks up hash, HMAC and KDF anew for each.
 */
#ifndef MILLRACE_TLS_SCHEDULE_H
#define MILLRACE_TLS_SCHEDULE_H

#include <openssl/core.h>
#include <stdint.h>

#include "tls/keys.h"

struct schedule_secrets {
	uint8_t client[TLS_SECRET_MAX]; /* the first, of the application */
	uint8_t server[TLS_SECRET_MAX];
};

#define SCHEDULE_NAME "TLS13-KDF"

extern const OSSL_DISPATCH schedule_kdf[];

/* Until it is called anew, what this thread derives for the application goes
 * here; NULL: nowhere. */
void schedule_follow(struct schedule_secrets *secrets);

#endif
