/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "tls/provider.h"
#include "tls/schedule.h"

#define OUT_MAX 1024
#define TRIES 200

struct question {
	int mode;
	const char *digest;
	size_t hash_size;
	const char *label;
	uint8_t key[TLS_SECRET_MAX], salt[TLS_SECRET_MAX], data[TLS_SECRET_MAX];
	size_t key_size, salt_size, data_size; /* 0: not given */
};

/* OpenSSL's own, or ours: the same question. */
static int ask(const char *properties, struct question *question, uint8_t *out,
	       size_t size)
{
	OSSL_PARAM params[8], *p = params;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", properties);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	char prefix[] = "tls13 ";
	int r;

	assert_non_null(ctx);
	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &question->mode);
	*p++ = OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)question->digest, 0);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, prefix,
						 strlen(prefix));
	*p++ = OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_LABEL, (char *)(uintptr_t)question->label,
		strlen(question->label));
	if (question->key_size)
		*p++ = OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, question->key, question->key_size);
	if (question->salt_size)
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
							 question->salt,
							 question->salt_size);
	if (question->data_size)
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_DATA,
							 question->data,
							 question->data_size);
	*p = OSSL_PARAM_construct_end();
	r = EVP_KDF_derive(ctx, out, size, params);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return r;
}

static struct question any(int mode, size_t i)
{
	bool large = i % 2;
	struct question question = {
		.mode = mode,
		.digest = large ? "SHA2-384" : "SHA2-256",
		.hash_size = large ? 48 : 32,
		.label = "derived",
	};

	RAND_bytes(question.key, sizeof(question.key));
	RAND_bytes(question.salt, sizeof(question.salt));
	RAND_bytes(question.data, sizeof(question.data));
	return question;
}

static void assert_same(struct question *question, size_t size)
{
	uint8_t theirs[OUT_MAX], ours[OUT_MAX];

	assert_true(ask("provider=default", question, theirs, size) == 1);
	assert_true(ask(PROVIDER_PROPERTIES, question, ours, size) == 1);
	assert_memory_equal(ours, theirs, size);
}

static void test_expand(void **state)
{
	(void)state;
	for (size_t i = 0; i < TRIES; i++) {
		struct question question =
			any(EVP_KDF_HKDF_MODE_EXPAND_ONLY, i);

		question.key_size = question.hash_size;
		question.data_size = i % 3 ? question.hash_size : 0;
		assert_same(&question, 1 + i * 5);
	}
}

static void test_extract(void **state)
{
	(void)state;
	for (size_t i = 0; i < TRIES; i++) {
		struct question question =
			any(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, i);

		question.key_size = i % 3 ? 32 : 0;
		question.salt_size = i % 5 ? question.hash_size : 0;
		assert_same(&question, question.hash_size);
	}
}

static void test_told(void **state)
{
	struct schedule_secrets secrets = {.client = {0}};
	struct question question = any(EVP_KDF_HKDF_MODE_EXPAND_ONLY, 0);
	uint8_t client[32], server[32], other[32];

	(void)state;
	question.key_size = question.data_size = question.hash_size;
	schedule_follow(&secrets);
	question.label = "c ap traffic";
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, client, 32), 1);
	question.label = "s ap traffic";
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, server, 32), 1);
	question.label = "c hs traffic";
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, other, 32), 1);
	schedule_follow(NULL);
	assert_memory_equal(secrets.client, client, 32);
	assert_memory_equal(secrets.server, server, 32);
	question.label = "c ap traffic";
	question.key[0] ^= 1;
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, other, 32), 1);
	assert_memory_equal(secrets.client, client, 32);
}

static void test_refuses(void **state)
{
	struct question question = any(EVP_KDF_HKDF_MODE_EXPAND_ONLY, 0);
	uint8_t out[OUT_MAX];

	(void)state;
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, out, 32), 0);
	question.key_size = question.hash_size - 1;
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, out, 32), 0);
	question.key_size = question.hash_size;
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, out, 32), 1);
	question.digest = "SHA2-512";
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, out, 32), 0);
	question = any(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, 0);
	assert_int_equal(ask(PROVIDER_PROPERTIES, &question, out, 31), 0);
}

static int offer(void **state)
{
	(void)state;
	return provider_offer() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_extract),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_refuses),
	};

	return cmocka_run_group_tests(tests, offer, NULL);
}
