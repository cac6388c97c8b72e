/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys: the secrets of one direction of one TLS connection, and how they
 * follow from each other (RFC 8446 section 7, RFC 5246 section 6.3).
 *
 * A tls_direction is plain bytes: it can be copied, moved across a restart,
 * and must be wiped with tls_direction_wipe() when it is no longer needed.
 * No function here logs or touches a socket.
 */
#ifndef MILLRACE_TLS_KEYS_H
#define MILLRACE_TLS_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define TLS_SECRET_MAX 48
#define TLS_KEY_MAX 32
#define TLS_IV_SIZE 12
#define TLS_RANDOM_SIZE 32
#define TLS_MASTER_SIZE 48

/* Both halves of what the wire calls a version: 0x0303 and 0x0304. */
#define TLS_VERSION_12 0x0303
#define TLS_VERSION_13 0x0304

enum tls_cipher {
	TLS_CIPHER_NONE,
	TLS_CIPHER_AES128_GCM,
	TLS_CIPHER_AES256_GCM,
	TLS_CIPHER_CHACHA20,
};

enum tls_hash {
	TLS_HASH_SHA256,
	TLS_HASH_SHA384,
};

struct tls_direction {
	uint16_t version; /* TLS_VERSION_12 or TLS_VERSION_13 */
	uint8_t cipher;	  /* enum tls_cipher */
	uint8_t hash;	  /* enum tls_hash */
	uint8_t key[TLS_KEY_MAX];
	uint8_t iv[TLS_IV_SIZE]; /* TLS 1.2 GCM: only the 4 bytes of salt */
	uint8_t secret[TLS_SECRET_MAX]; /* TLS 1.3: the traffic secret */
	uint64_t sequence;		/* of the next record */
	uint64_t nonce;	  /* TLS 1.2 GCM, sending: the next explicit nonce */
	uint64_t records; /* done under this key */
	uint64_t blocks;  /* 16-byte blocks done under this key */
};

/* Bytes of a key, or of a secret. */
size_t tls_cipher_key_size(enum tls_cipher cipher);
size_t tls_hash_size(enum tls_hash hash);

/* HKDF-Expand-Label with an empty context (RFC 8446 section 7.1). */
int tls_hkdf_expand_label(enum tls_hash hash, const uint8_t *secret,
			  const char *label, uint8_t *ret_out, size_t size,
			  struct err *err) __attribute__((warn_unused_result));

/*
 * A TLS 1.3 direction from its traffic secret (tls_hash_size() bytes):
 * key and iv derived, sequence and use counts 0.
 */
int tls_direction_from_secret(struct tls_direction *ret_direction,
			      enum tls_cipher cipher, enum tls_hash hash,
			      const uint8_t *secret, struct err *err)
	__attribute__((warn_unused_result));

/* Both TLS 1.2 directions from the master secret; sequence 0, nonce 0. */
int tls_directions_from_master(struct tls_direction *ret_client,
			       struct tls_direction *ret_server,
			       enum tls_cipher cipher, enum tls_hash hash,
			       const uint8_t master[TLS_MASTER_SIZE],
			       const uint8_t client_random[TLS_RANDOM_SIZE],
			       const uint8_t server_random[TLS_RANDOM_SIZE],
			       struct err *err)
	__attribute__((warn_unused_result));

/*
 * TLS 1.3 only: the direction after a KeyUpdate (RFC 8446 section 7.2):
 * next secret, key and iv, sequence and use counts 0.
 */
int tls_direction_next(struct tls_direction *direction, struct err *err)
	__attribute__((warn_unused_result));

void tls_direction_wipe(struct tls_direction *direction);

#endif
