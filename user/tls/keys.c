/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/keys.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <pthread.h>
#include <string.h>

#include "tls/hkdf.h"

#define SALT_SIZE 4 /* of TLS 1.2's GCM nonce, RFC 5288 section 3 */

/* Fetched once: OpenSSL 3.0 looks algorithms up slowly. It lives as long as
 * the process. */
static EVP_KDF *tls1_prf;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

/* OSSL_PARAM wants it writable; nobody writes to it. */
static char *hash_name(enum tls_hash hash)
{
	static char sha256[] = "SHA256", sha384[] = "SHA384";

	return hash == TLS_HASH_SHA384 ? sha384 : sha256;
}

static void fetch(void)
{
	tls1_prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
}

size_t tls_cipher_key_size(enum tls_cipher cipher)
{
	return cipher == TLS_CIPHER_AES128_GCM ? 16 : 32;
}

size_t tls_hash_size(enum tls_hash hash)
{
	return hash == TLS_HASH_SHA384 ? 48 : 32;
}

static int failed(struct err *err, const char *what)
{
	return err_set(err, EIO, "%s failed in OpenSSL", what);
}

int tls_hkdf_expand_label(enum tls_hash hash, const uint8_t *secret,
			  const char *label, uint8_t *ret_out, size_t size,
			  struct err *err)
{
	if (hkdf_expand_label(hash, secret, label, strlen(label), NULL, 0,
			      ret_out, size))
		return err_set(err, EINVAL,
			       "HKDF-Expand-Label: a size that "
			       "it does not have");
	return 0;
}

int tls_direction_from_secret(struct tls_direction *ret_direction,
			      enum tls_cipher cipher, enum tls_hash hash,
			      const uint8_t *secret, struct err *err)
{
	struct tls_direction direction = {
		.version = TLS_VERSION_13,
		.cipher = (uint8_t)cipher,
		.hash = (uint8_t)hash,
	};
	int r;

	memcpy(direction.secret, secret, tls_hash_size(hash));
	r = tls_hkdf_expand_label(hash, secret, "key", direction.key,
				  tls_cipher_key_size(cipher), err);
	if (!r)
		r = tls_hkdf_expand_label(hash, secret, "iv", direction.iv,
					  TLS_IV_SIZE, err);
	if (!r)
		*ret_direction = direction;
	tls_direction_wipe(&direction);
	return r;
}

/* RFC 5246 section 6.3: key_expansion over server_random, client_random. */
static int key_block(enum tls_hash hash, const uint8_t *master,
		     const uint8_t *client_random, const uint8_t *server_random,
		     uint8_t *out, size_t size)
{
	static char label[] = "key expansion";
	uint8_t secret[TLS_MASTER_SIZE];
	uint8_t randoms[2 * TLS_RANDOM_SIZE];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						 hash_name(hash), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret,
						  sizeof(secret)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label,
						  sizeof(label) - 1),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, randoms,
						  sizeof(randoms)),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *kdf;
	int ok;

	pthread_once(&fetched, fetch);
	kdf = tls1_prf ? EVP_KDF_CTX_new(tls1_prf) : NULL;
	memcpy(secret, master, sizeof(secret));
	memcpy(randoms, server_random, TLS_RANDOM_SIZE);
	memcpy(randoms + TLS_RANDOM_SIZE, client_random, TLS_RANDOM_SIZE);
	ok = kdf && EVP_KDF_derive(kdf, out, size, params) > 0;
	EVP_KDF_CTX_free(kdf);
	OPENSSL_cleanse(secret, sizeof(secret));
	return ok ? 0 : -EIO;
}

int tls_directions_from_master(struct tls_direction *ret_client,
			       struct tls_direction *ret_server,
			       enum tls_cipher cipher, enum tls_hash hash,
			       const uint8_t master[TLS_MASTER_SIZE],
			       const uint8_t client_random[TLS_RANDOM_SIZE],
			       const uint8_t server_random[TLS_RANDOM_SIZE],
			       struct err *err)
{
	size_t key_size = tls_cipher_key_size(cipher);
	/* RFC 7905 section 2: ChaCha20-Poly1305 has a whole iv, no salt. */
	size_t iv_size =
		cipher == TLS_CIPHER_CHACHA20 ? TLS_IV_SIZE : SALT_SIZE;
	uint8_t block[2 * (TLS_KEY_MAX + TLS_IV_SIZE)];
	struct tls_direction empty = {
		.version = TLS_VERSION_12,
		.cipher = (uint8_t)cipher,
		.hash = (uint8_t)hash,
	};

	if (key_block(hash, master, client_random, server_random, block,
		      2 * (key_size + iv_size)) < 0) {
		OPENSSL_cleanse(block, sizeof(block));
		return failed(err, "the TLS 1.2 PRF");
	}
	*ret_client = *ret_server = empty;
	memcpy(ret_client->key, block, key_size);
	memcpy(ret_server->key, block + key_size, key_size);
	memcpy(ret_client->iv, block + 2 * key_size, iv_size);
	memcpy(ret_server->iv, block + 2 * key_size + iv_size, iv_size);
	OPENSSL_cleanse(block, sizeof(block));
	return 0;
}

int tls_direction_next(struct tls_direction *direction, struct err *err)
{
	uint8_t secret[TLS_SECRET_MAX];
	int r = tls_hkdf_expand_label(direction->hash, direction->secret,
				      "traffic upd", secret,
				      tls_hash_size(direction->hash), err);

	if (!r)
		r = tls_direction_from_secret(direction, direction->cipher,
					      direction->hash, secret, err);
	OPENSSL_cleanse(secret, sizeof(secret));
	return r;
}

void tls_direction_wipe(struct tls_direction *direction)
{
	OPENSSL_cleanse(direction, sizeof(*direction));
}
