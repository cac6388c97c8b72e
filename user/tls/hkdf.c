/* SPDX-License-Identifier: BSD-2-Clause */
/* The hash functions themselves, without EVP: a handshake expands some 30
 * labels, and EVP's contexts cost more than the hashing (bench/README.md).
 * OpenSSL 3 calls them deprecated, and has them. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "tls/hkdf.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#define LABEL_PREFIX "tls13 "
#define PREFIX_SIZE (sizeof(LABEL_PREFIX) - 1)
/* uint16 length, label<7..255>, context<0..255> */
#define INFO_MAX (2 + 1 + 255 + 1 + 255)
#define BLOCK_MAX SHA512_CBLOCK
#define INNER_PAD 0x36 /* RFC 2104 section 2 */
#define OUTER_PAD 0x5c

struct digest {
	enum tls_hash hash;
	union {
		SHA256_CTX sha256;
		SHA512_CTX sha384;
	};
};

struct hmac {
	struct digest inner;
	struct digest outer;
};

static void digest_begin(struct digest *digest, enum tls_hash hash)
{
	digest->hash = hash;
	if (hash == TLS_HASH_SHA384)
		SHA384_Init(&digest->sha384);
	else
		SHA256_Init(&digest->sha256);
}

static void digest_add(struct digest *digest, const void *bytes, size_t size)
{
	if (digest->hash == TLS_HASH_SHA384)
		SHA384_Update(&digest->sha384, bytes, size);
	else
		SHA256_Update(&digest->sha256, bytes, size);
}

static void digest_end(struct digest *digest, uint8_t *out)
{
	if (digest->hash == TLS_HASH_SHA384)
		SHA384_Final(out, &digest->sha384);
	else
		SHA256_Final(out, &digest->sha256);
}

/* ---- HMAC (RFC 2104), with a key of tls_hash_size() bytes */

static void pad_with(struct digest *digest, enum tls_hash hash,
		     const uint8_t *key, uint8_t pad)
{
	uint8_t block[BLOCK_MAX];
	size_t key_size = tls_hash_size(hash);
	size_t block_size =
		hash == TLS_HASH_SHA384 ? SHA512_CBLOCK : SHA256_CBLOCK;

	for (size_t i = 0; i < key_size; i++)
		block[i] = key[i] ^ pad;
	memset(block + key_size, pad, block_size - key_size);
	digest_begin(digest, hash);
	digest_add(digest, block, block_size);
	explicit_bzero(block, sizeof(block));
}

static void hmac_begin(struct hmac *hmac, enum tls_hash hash,
		       const uint8_t *key)
{
	pad_with(&hmac->inner, hash, key, INNER_PAD);
	pad_with(&hmac->outer, hash, key, OUTER_PAD);
}

static void hmac_end(struct hmac *hmac, uint8_t *out)
{
	digest_end(&hmac->inner, out);
	digest_add(&hmac->outer, out, tls_hash_size(hmac->outer.hash));
	digest_end(&hmac->outer, out);
}

/* ---- */

int hkdf_extract(enum tls_hash hash, const uint8_t *salt, const uint8_t *input,
		 size_t input_size, uint8_t *ret_secret)
{
	static const uint8_t zeros[TLS_SECRET_MAX];
	struct hmac hmac;

	hmac_begin(&hmac, hash, salt ? salt : zeros);
	digest_add(&hmac.inner, input, input_size);
	hmac_end(&hmac, ret_secret);
	explicit_bzero(&hmac, sizeof(hmac));
	return 0;
}

/* RFC 5869 section 2.3. */
static void expand(enum tls_hash hash, const uint8_t *secret,
		   const uint8_t *info, size_t info_size, uint8_t *out,
		   size_t size)
{
	size_t hash_size = tls_hash_size(hash);
	uint8_t block[TLS_SECRET_MAX];
	struct hmac hmac;

	/* TLS takes one block at most: to keep the keyed state for a second one
	 * would cost more than it saves. */
	for (uint8_t counter = 1; size; counter++) {
		size_t take = size < hash_size ? size : hash_size;

		hmac_begin(&hmac, hash, secret);
		if (counter > 1)
			digest_add(&hmac.inner, block, hash_size);
		digest_add(&hmac.inner, info, info_size);
		digest_add(&hmac.inner, &counter, 1);
		hmac_end(&hmac, block);
		memcpy(out, block, take);
		out += take;
		size -= take;
	}
	explicit_bzero(block, sizeof(block));
	explicit_bzero(&hmac, sizeof(hmac));
}

int hkdf_expand_label(enum tls_hash hash, const uint8_t *secret,
		      const char *label, size_t label_size,
		      const uint8_t *context, size_t context_size,
		      uint8_t *ret_out, size_t size)
{
	uint8_t info[INFO_MAX];
	size_t at = 0;

	if (label_size > HKDF_LABEL_MAX || context_size > HKDF_CONTEXT_MAX ||
	    !size || size > 255 * tls_hash_size(hash))
		return -EINVAL;
	info[at++] = (uint8_t)(size >> 8);
	info[at++] = (uint8_t)size;
	info[at++] = (uint8_t)(PREFIX_SIZE + label_size);
	memcpy(info + at, LABEL_PREFIX, PREFIX_SIZE);
	at += PREFIX_SIZE;
	memcpy(info + at, label, label_size);
	at += label_size;
	info[at++] = (uint8_t)context_size;
	if (context_size)
		memcpy(info + at, context, context_size);
	at += context_size;
	expand(hash, secret, info, at, ret_out, size);
	return 0;
}

int hkdf_derive_empty(enum tls_hash hash, const uint8_t *secret,
		      const char *label, size_t label_size, uint8_t *ret_secret)
{
	uint8_t empty[TLS_SECRET_MAX];
	struct digest digest;

	digest_begin(&digest, hash);
	digest_end(&digest, empty);
	return hkdf_expand_label(hash, secret, label, label_size, empty,
				 tls_hash_size(hash), ret_secret,
				 tls_hash_size(hash));
}
