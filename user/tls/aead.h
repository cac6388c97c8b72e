/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * aead: the three ciphers of records (RFC 5116, RFC 8439), of whoever does
 * each fastest on this processor: tls/gcm.h, else OpenSSL's EVP.
 *
 * A tls_aead belongs to one thread. It remembers for each cipher and way the
 * key that it was given last, so that runs of records on one direction are
 * keyed once.
 */
#ifndef MILLRACE_TLS_AEAD_H
#define MILLRACE_TLS_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "tls/keys.h"

#define AEAD_TAG_SIZE 16

struct tls_aead;

/* NULL when memory is short. */
struct tls_aead *tls_aead_new(void);

/* The same by OpenSSL alone, which everything is compared with. */
struct tls_aead *tls_aead_new_openssl(void);

/* Wipes what keys it holds. NULL is allowed. */
void tls_aead_free(struct tls_aead *aead);

/*
 * Wipes the direction's key out of the aead; must be called before that key
 * is replaced or wiped, or it stays there for longer than it is needed.
 */
void tls_aead_forget(struct tls_aead *aead,
		     const struct tls_direction *direction);

/*
 * Seals content and the byte that follows it (following < 0: none does) with
 * the direction's cipher and key. out has room for them and the tag, and does
 * not overlap content. 0, or -EIO: OpenSSL failed.
 */
int tls_aead_seal(struct tls_aead *aead, const struct tls_direction *direction,
		  const uint8_t nonce[TLS_IV_SIZE], const uint8_t *aad,
		  size_t aad_size, const uint8_t *content, size_t size,
		  int following, uint8_t *out)
	__attribute__((warn_unused_result));

/*
 * Opens size bytes, behind which stands the tag, to out, which does not
 * overlap them. 0, -EBADMSG: it does not authenticate, and out was wiped, or
 * -EIO: OpenSSL failed.
 */
int tls_aead_open(struct tls_aead *aead, const struct tls_direction *direction,
		  const uint8_t nonce[TLS_IV_SIZE], const uint8_t *aad,
		  size_t aad_size, const uint8_t *sealed, size_t size,
		  uint8_t *out) __attribute__((warn_unused_result));

#endif
