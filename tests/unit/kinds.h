/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kinds: every version and cipher that a direction can have, and directions
 * of them with keys that only a test would take.
 */
#ifndef MILLRACE_TESTS_KINDS_H
#define MILLRACE_TESTS_KINDS_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tls/keys.h"

#define KINDS 6

struct kind {
	uint16_t version;
	enum tls_cipher cipher;
	enum tls_hash hash;
	const char *suite; /* OpenSSL's name */
};

static const struct kind kinds[KINDS] = {
	{TLS_VERSION_13, TLS_CIPHER_AES128_GCM, TLS_HASH_SHA256,
	 "TLS_AES_128_GCM_SHA256"},
	{TLS_VERSION_13, TLS_CIPHER_AES256_GCM, TLS_HASH_SHA384,
	 "TLS_AES_256_GCM_SHA384"},
	{TLS_VERSION_13, TLS_CIPHER_CHACHA20, TLS_HASH_SHA256,
	 "TLS_CHACHA20_POLY1305_SHA256"},
	{TLS_VERSION_12, TLS_CIPHER_AES128_GCM, TLS_HASH_SHA256,
	 "ECDHE-ECDSA-AES128-GCM-SHA256"},
	{TLS_VERSION_12, TLS_CIPHER_AES256_GCM, TLS_HASH_SHA384,
	 "ECDHE-ECDSA-AES256-GCM-SHA384"},
	{TLS_VERSION_12, TLS_CIPHER_CHACHA20, TLS_HASH_SHA256,
	 "ECDHE-ECDSA-CHACHA20-POLY1305"},
};

/* The direction that both ends of one way have at first. */
static inline struct tls_direction kind_direction(const struct kind *kind,
						  uint8_t seed)
{
	struct tls_direction direction, other;
	uint8_t secret[TLS_SECRET_MAX], random[TLS_RANDOM_SIZE];
	int r;

	memset(secret, seed, sizeof(secret));
	memset(random, ~seed, sizeof(random));
	if (kind->version == TLS_VERSION_13)
		r = tls_direction_from_secret(&direction, kind->cipher,
					      kind->hash, secret, NULL);
	else
		r = tls_directions_from_master(&direction, &other, kind->cipher,
					       kind->hash, secret, random,
					       random, NULL);
	assert(r == 0);
	return direction;
}

#endif
