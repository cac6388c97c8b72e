/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/aead.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tls/gcm.h"

#define CIPHERS 4 /* enum tls_cipher */

/* By gcm or by ctx. Known by the key itself: an address may be used again, a
 * key may not. */
struct keyed {
	struct gcm_key *gcm;
	EVP_CIPHER_CTX *ctx;
	bool has_key;
	uint8_t key[TLS_KEY_MAX];
};

enum {
	OPEN,
	SEAL,
};

struct tls_aead {
	struct keyed keyed[CIPHERS][2];
};

static const char *const cipher_names[CIPHERS] = {
	[TLS_CIPHER_AES128_GCM] = "AES-128-GCM",
	[TLS_CIPHER_AES256_GCM] = "AES-256-GCM",
	[TLS_CIPHER_CHACHA20] = "ChaCha20-Poly1305",
};

static bool keyed_init(struct keyed *keyed, const EVP_CIPHER *cipher, int seal)
{
	keyed->ctx = EVP_CIPHER_CTX_new();
	return keyed->ctx && EVP_CipherInit_ex(keyed->ctx, cipher, NULL, NULL,
					       NULL, seal) == 1;
}

static bool init_by_gcm(struct tls_aead *aead, int cipher)
{
	for (int way = OPEN; way <= SEAL; way++) {
		struct keyed *keyed = &aead->keyed[cipher][way];

		keyed->gcm = gcm_key_new(cipher == TLS_CIPHER_AES256_GCM);
		if (!keyed->gcm)
			return false;
	}
	return true;
}

static bool init_by_openssl(struct tls_aead *aead, int which)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, cipher_names[which], NULL);
	bool ok = cipher &&
		  keyed_init(&aead->keyed[which][OPEN], cipher, OPEN) &&
		  keyed_init(&aead->keyed[which][SEAL], cipher, SEAL);

	EVP_CIPHER_free(cipher);
	return ok;
}

static struct tls_aead *aead_new(bool by_gcm)
{
	struct tls_aead *aead = calloc(1, sizeof(*aead));
	bool ok = aead != NULL;

	for (int i = TLS_CIPHER_AES128_GCM; ok && i < CIPHERS; i++)
		ok = by_gcm && i != TLS_CIPHER_CHACHA20
			     ? init_by_gcm(aead, i)
			     : init_by_openssl(aead, i);
	if (ok)
		return aead;
	tls_aead_free(aead);
	return NULL;
}

struct tls_aead *tls_aead_new(void)
{
	return aead_new(gcm_instructions() != NULL);
}

struct tls_aead *tls_aead_new_openssl(void)
{
	return aead_new(false);
}

void tls_aead_free(struct tls_aead *aead)
{
	if (!aead)
		return;
	for (int i = 0; i < CIPHERS; i++) {
		for (int way = OPEN; way <= SEAL; way++) {
			gcm_key_free(aead->keyed[i][way].gcm);
			EVP_CIPHER_CTX_free(aead->keyed[i][way].ctx);
		}
	}
	OPENSSL_cleanse(aead, sizeof(*aead));
	free(aead);
}

static bool has_key_of(const struct keyed *keyed,
		       const struct tls_direction *direction)
{
	return keyed->has_key &&
	       memcmp(keyed->key, direction->key, TLS_KEY_MAX) == 0;
}

void tls_aead_forget(struct tls_aead *aead,
		     const struct tls_direction *direction)
{
	static const uint8_t nothing[TLS_KEY_MAX];

	for (int way = OPEN; way <= SEAL; way++) {
		struct keyed *keyed = &aead->keyed[direction->cipher][way];

		if (!has_key_of(keyed, direction))
			continue;
		if (keyed->gcm)
			gcm_key_wipe(keyed->gcm);
		else /* The key's schedule gives way to another one. */
			EVP_CipherInit_ex(keyed->ctx, NULL, NULL, nothing, NULL,
					  way);
		OPENSSL_cleanse(keyed->key, sizeof(keyed->key));
		keyed->has_key = false;
	}
}

/* With the direction's key in it. NULL: OpenSSL failed. */
static struct keyed *keyed_for(struct tls_aead *aead,
			       const struct tls_direction *direction, int way)
{
	struct keyed *keyed = &aead->keyed[direction->cipher][way];

	if (has_key_of(keyed, direction))
		return keyed;
	keyed->has_key = false;
	if (keyed->gcm)
		gcm_key_set(keyed->gcm, direction->key);
	else if (EVP_CipherInit_ex(keyed->ctx, NULL, NULL, direction->key, NULL,
				   way) != 1)
		return NULL;
	memcpy(keyed->key, direction->key, TLS_KEY_MAX);
	keyed->has_key = true;
	return keyed;
}

/* The context of a record whose nonce and AAD these are. What fails here does
 * so for want of memory, and leaves a context that must be keyed anew. */
static EVP_CIPHER_CTX *begin(struct keyed *keyed, int way, const uint8_t *nonce,
			     const uint8_t *aad, size_t aad_size)
{
	int size;

	if (EVP_CipherInit_ex(keyed->ctx, NULL, NULL, NULL, nonce, way) == 1 &&
	    EVP_CipherUpdate(keyed->ctx, NULL, &size, aad, (int)aad_size) == 1)
		return keyed->ctx;
	keyed->has_key = false;
	return NULL;
}

int tls_aead_seal(struct tls_aead *aead, const struct tls_direction *direction,
		  const uint8_t nonce[TLS_IV_SIZE], const uint8_t *aad,
		  size_t aad_size, const uint8_t *content, size_t size,
		  int following, uint8_t *out)
{
	struct keyed *keyed = keyed_for(aead, direction, SEAL);
	uint8_t last = (uint8_t)following;
	EVP_CIPHER_CTX *ctx;
	int n;

	if (!keyed)
		return -EIO;
	if (keyed->gcm) {
		gcm_seal(keyed->gcm, nonce, aad, aad_size, content, size, &last,
			 following >= 0, out);
		return 0;
	}
	ctx = begin(keyed, SEAL, nonce, aad, aad_size);
	if (!ctx ||
	    (size && EVP_CipherUpdate(ctx, out, &n, content, (int)size) != 1))
		return -EIO;
	out += size;
	if (following >= 0 && EVP_CipherUpdate(ctx, out++, &n, &last, 1) != 1)
		return -EIO;
	if (EVP_CipherFinal_ex(ctx, out, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE,
				out) != 1)
		return -EIO;
	return 0;
}

/* 1, 0: it does not authenticate, or -EIO. */
static int open_by_openssl(struct keyed *keyed, const uint8_t *nonce,
			   const uint8_t *aad, size_t aad_size,
			   const uint8_t *sealed, size_t size, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = begin(keyed, OPEN, nonce, aad, aad_size);
	uint8_t tag[AEAD_TAG_SIZE];
	int n;

	memcpy(tag, sealed + size, sizeof(tag));
	if (!ctx || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag),
					tag) != 1)
		return -EIO;
	if (size && EVP_CipherUpdate(ctx, out, &n, sealed, (int)size) != 1)
		return -EIO;
	return EVP_CipherFinal_ex(ctx, out + size, &n) == 1;
}

int tls_aead_open(struct tls_aead *aead, const struct tls_direction *direction,
		  const uint8_t nonce[TLS_IV_SIZE], const uint8_t *aad,
		  size_t aad_size, const uint8_t *sealed, size_t size,
		  uint8_t *out)
{
	struct keyed *keyed = keyed_for(aead, direction, OPEN);
	int r;

	if (!keyed)
		return -EIO;
	if (keyed->gcm)
		r = gcm_open(keyed->gcm, nonce, aad, aad_size, sealed, size,
			     sealed + size, out);
	else
		r = open_by_openssl(keyed, nonce, aad, aad_size, sealed, size,
				    out);
	if (r > 0)
		return 0;
	/* Nobody may see what nobody vouches for. */
	OPENSSL_cleanse(out, size);
	return r < 0 ? r : -EBADMSG;
}
