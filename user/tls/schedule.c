/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/schedule.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "tls/hkdf.h"

#define PREFIX "tls13 "
#define CLIENT_LABEL "c ap traffic"
#define SERVER_LABEL "s ap traffic"

static _Thread_local struct schedule_secrets *followed;

void schedule_follow(struct schedule_secrets *secrets)
{
	followed = secrets;
}

/* ---- what OpenSSL asks for (EVP_KDF-TLS13_KDF(7)) */

struct bytes {
	const uint8_t *at;
	size_t size;
};

struct question {
	int mode;
	const char *digest;
	struct bytes key, salt, prefix, label, data;
};

static void take(struct question *question, const OSSL_PARAM *param)
{
	const struct {
		const char *name;
		struct bytes *into;
	} fields[] = {
		{OSSL_KDF_PARAM_KEY, &question->key},
		{OSSL_KDF_PARAM_SALT, &question->salt},
		{OSSL_KDF_PARAM_PREFIX, &question->prefix},
		{OSSL_KDF_PARAM_LABEL, &question->label},
		{OSSL_KDF_PARAM_DATA, &question->data},
	};

	if (param->data_type == OSSL_PARAM_INTEGER) {
		if (strcmp(param->key, OSSL_KDF_PARAM_MODE) == 0)
			OSSL_PARAM_get_int(param, &question->mode);
		return;
	}
	if (param->data_type == OSSL_PARAM_UTF8_STRING) {
		if (strcmp(param->key, OSSL_KDF_PARAM_DIGEST) == 0)
			question->digest = param->data;
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(param->key, fields[i].name) != 0)
			continue;
		fields[i].into->at = param->data;
		fields[i].into->size = param->data_size;
	}
}

static bool hash_of(const char *digest, enum tls_hash *ret_hash)
{
	if (!digest)
		return false;
	if (strcasecmp(digest, "SHA2-256") == 0 ||
	    strcasecmp(digest, "SHA256") == 0) {
		*ret_hash = TLS_HASH_SHA256;
		return true;
	}
	*ret_hash = TLS_HASH_SHA384;
	return strcasecmp(digest, "SHA2-384") == 0 ||
	       strcasecmp(digest, "SHA384") == 0;
}

static bool label_is(const struct question *question, const char *label)
{
	return question->label.size == strlen(label) &&
	       memcmp(question->label.at, label, strlen(label)) == 0;
}

static void tell(const struct question *question, const uint8_t *secret,
		 size_t size)
{
	if (!followed || size > TLS_SECRET_MAX)
		return;
	if (label_is(question, CLIENT_LABEL))
		memcpy(followed->client, secret, size);
	else if (label_is(question, SERVER_LABEL))
		memcpy(followed->server, secret, size);
}

static bool expand(const struct question *question, enum tls_hash hash,
		   uint8_t *out, size_t size)
{
	if (!question->key.at || question->key.size != tls_hash_size(hash) ||
	    hkdf_expand_label(hash, question->key.at,
			      (const char *)question->label.at,
			      question->label.size, question->data.at,
			      question->data.size, out, size))
		return false;
	tell(question, out, size);
	return true;
}

/* salt is the secret before this one, not yet derived from; no input and no
 * salt are zeros. */
static bool extract(const struct question *question, enum tls_hash hash,
		    uint8_t *out, size_t size)
{
	static const uint8_t zeros[TLS_SECRET_MAX];
	uint8_t salt[TLS_SECRET_MAX];
	bool given = question->key.at != NULL;
	int r = 0;

	if (size != tls_hash_size(hash) ||
	    (question->salt.at && question->salt.size != size))
		return false;
	if (question->salt.at)
		r = hkdf_derive_empty(hash, question->salt.at,
				      (const char *)question->label.at,
				      question->label.size, salt);
	if (!r)
		r = hkdf_extract(hash, question->salt.at ? salt : NULL,
				 given ? question->key.at : zeros,
				 given ? question->key.size : size, out);
	OPENSSL_cleanse(salt, sizeof(salt));
	return r == 0;
}

static int derive(void *context, unsigned char *out, size_t size,
		  const OSSL_PARAM params[])
{
	struct question question = {.mode = -1};
	enum tls_hash hash;

	(void)context;
	for (; params && params->key; params++)
		take(&question, params);
	if (!hash_of(question.digest, &hash) || !question.label.at ||
	    question.prefix.size != sizeof(PREFIX) - 1 ||
	    memcmp(question.prefix.at, PREFIX, sizeof(PREFIX) - 1) != 0)
		return 0;
	if (question.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY)
		return expand(&question, hash, out, size);
	if (question.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
		return extract(&question, hash, out, size);
	return 0;
}

/* ---- as OpenSSL calls it (provider-kdf(7)) */

/* All that a derivation needs comes with it: there is nothing to keep. */
static void *context_new(void *provider)
{
	return provider;
}

static void context_free(void *context)
{
	(void)context;
}

static int context_set(void *context, const OSSL_PARAM params[])
{
	(void)context;
	return params == NULL || params->key == NULL;
}

const OSSL_DISPATCH schedule_kdf[] = {
	{OSSL_FUNC_KDF_NEWCTX, (void (*)(void))context_new},
	{OSSL_FUNC_KDF_FREECTX, (void (*)(void))context_free},
	{OSSL_FUNC_KDF_SET_CTX_PARAMS, (void (*)(void))context_set},
	{OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
	{0, NULL},
};
