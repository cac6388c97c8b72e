/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 16
#define HALF_SIZE 32
/* Of our own keys: one that seals, two that open. */
#define OWN_KEYS 3

struct key {
	uint8_t name[NAME_SIZE];
	uint8_t hmac[HALF_SIZE];
	uint8_t aes[HALF_SIZE];
};
_Static_assert(sizeof(struct key) == TICKETS_KEY_SIZE, "as in the file");

struct tickets {
	atomic_uint refs;
	pthread_rwlock_t lock; /* of what follows */
	struct key keys[TICKETS_KEYS_MAX];
	size_t count;
};

/* Each ex_data index is a process's. */
static int slot = -1;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_slot(void)
{
	slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

int tickets_new(struct tickets **ret, struct err *err)
{
	struct tickets *tickets = calloc(1, sizeof(*tickets));
	int r;

	if (!tickets)
		return err_set(err, ENOMEM, "memory is short");
	atomic_store(&tickets->refs, 1);
	pthread_rwlock_init(&tickets->lock, NULL);
	r = tickets_rotate(tickets, err);
	if (r)
		tickets_unref(tickets);
	else
		*ret = tickets;
	return r;
}

struct tickets *tickets_ref(struct tickets *tickets)
{
	atomic_fetch_add(&tickets->refs, 1);
	return tickets;
}

void tickets_unref(struct tickets *tickets)
{
	if (!tickets || atomic_fetch_sub(&tickets->refs, 1) != 1)
		return;
	pthread_rwlock_destroy(&tickets->lock);
	OPENSSL_cleanse(tickets, sizeof(*tickets));
	free(tickets);
}

int tickets_rotate(struct tickets *tickets, struct err *err)
{
	struct key fresh;

	if (RAND_priv_bytes((unsigned char *)&fresh, sizeof(fresh)) != 1)
		return err_set(err, EIO, "no randomness for ticket keys");
	pthread_rwlock_wrlock(&tickets->lock);
	memmove(&tickets->keys[1], &tickets->keys[0],
		(OWN_KEYS - 1) * sizeof(fresh));
	tickets->keys[0] = fresh;
	if (tickets->count < OWN_KEYS)
		tickets->count++;
	pthread_rwlock_unlock(&tickets->lock);
	OPENSSL_cleanse(&fresh, sizeof(fresh));
	return 0;
}

/* ---- from a file */

static int read_keys(const char *path, struct key keys[TICKETS_KEYS_MAX],
		     size_t *ret_count, struct err *err)
{
	struct stat status;
	ssize_t size = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error = errno;

	if (fd >= 0) {
		size = fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
			       ? read(fd, keys,
				      TICKETS_KEYS_MAX * sizeof(*keys))
			       : -1;
		error = size < 0 ? EINVAL : 0;
		close(fd);
	}
	if (size < 0)
		return err_set(err, error, "%s cannot be read: %s", path,
			       strerror(error));
	if (!size || size % TICKETS_KEY_SIZE ||
	    status.st_size > TICKETS_KEYS_MAX * TICKETS_KEY_SIZE)
		return err_set(err, EINVAL,
			       "%s holds %lld bytes; 1 to %d keys of %d bytes "
			       "each are expected (openssl rand -out FILE %d)",
			       path, (long long)status.st_size,
			       TICKETS_KEYS_MAX, TICKETS_KEY_SIZE,
			       TICKETS_KEY_SIZE);
	*ret_count = (size_t)size / TICKETS_KEY_SIZE;
	return 0;
}

int tickets_load(struct tickets *tickets, const char *path, struct err *err)
{
	struct key keys[TICKETS_KEYS_MAX] = {0};
	size_t count = 0;
	int r = read_keys(path, keys, &count, err);

	if (!r) {
		pthread_rwlock_wrlock(&tickets->lock);
		memcpy(tickets->keys, keys, sizeof(keys));
		tickets->count = count;
		pthread_rwlock_unlock(&tickets->lock);
	}
	OPENSSL_cleanse(keys, sizeof(keys));
	return r;
}

int tickets_check(const char *path, struct err *err)
{
	struct key keys[TICKETS_KEYS_MAX];
	size_t count = 0;
	int r = read_keys(path, keys, &count, err);

	OPENSSL_cleanse(keys, sizeof(keys));
	return r;
}

/* ---- OpenSSL's questions (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)) */

static bool set_keys(const struct key *key, const unsigned char *iv,
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	uint8_t hmac[HALF_SIZE];
	char hash[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, hmac,
						  sizeof(hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash,
						 0),
		OSSL_PARAM_construct_end(),
	};
	bool ok;

	memcpy(hmac, key->hmac, sizeof(hmac));
	ok = EVP_MAC_CTX_set_params(mac, params) == 1 &&
	     EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv,
			       sealing) == 1;
	OPENSSL_cleanse(hmac, sizeof(hmac));
	return ok;
}

static int seal(const struct tickets *tickets, unsigned char *name,
		unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	int size = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());

	memcpy(name, tickets->keys[0].name, NAME_SIZE);
	if (RAND_bytes(iv, size) != 1)
		return -1;
	return set_keys(&tickets->keys[0], iv, cipher, mac, 1) ? 1 : -1;
}

/* 2: it opens, and is to be replaced by one under the newest key. */
static int unseal(const struct tickets *tickets, const unsigned char *name,
		  const unsigned char *iv, EVP_CIPHER_CTX *cipher,
		  EVP_MAC_CTX *mac)
{
	for (size_t i = 0; i < tickets->count; i++) {
		const struct key *key = &tickets->keys[i];

		if (memcmp(key->name, name, NAME_SIZE) != 0)
			continue;
		if (!set_keys(key, iv, cipher, mac, 0))
			return -1;
		return i ? 2 : 1;
	}
	return 0;
}

static int asked(SSL *ssl, unsigned char *name, unsigned char *iv,
		 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	struct tickets *tickets =
		SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot);
	int r;

	pthread_rwlock_rdlock(&tickets->lock);
	r = sealing ? seal(tickets, name, iv, cipher, mac)
		    : unseal(tickets, name, iv, cipher, mac);
	pthread_rwlock_unlock(&tickets->lock);
	return r;
}

void tickets_use(struct tickets *tickets, SSL_CTX *ctx)
{
	pthread_once(&made, make_slot);
	SSL_CTX_set_ex_data(ctx, slot, tickets);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, asked);
}
