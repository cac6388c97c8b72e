/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our X25519 beside OpenSSL's: each takes the other's share, and they agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "hex.h"
#include "tls/provider.h"

#define SIZE 32
#define TRIES 100
#define NAME "X25519"
#define THEIRS "provider=default"

static EVP_PKEY *generate(const char *properties)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, properties, NAME);

	assert_non_null(key);
	return key;
}

/* A key that knows nothing but a peer's share, as libssl makes one. */
static EVP_PKEY *of_share(const char *properties, const uint8_t *share,
			  size_t size)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, NAME, properties);
	EVP_PKEY *key = NULL;

	assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, "x25519"), 1);
	assert_int_equal(EVP_PKEY_paramgen(ctx, &key), 1);
	EVP_PKEY_CTX_free(ctx);
	if (EVP_PKEY_set1_encoded_public_key(key, share, size) == 1)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static int derive(const char *properties, EVP_PKEY *own, EVP_PKEY *peer,
		  uint8_t secret[SIZE], size_t room)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, properties);
	int r = EVP_PKEY_derive_init(ctx) == 1 &&
		EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		EVP_PKEY_derive(ctx, secret, &room) == 1;

	EVP_PKEY_CTX_free(ctx);
	return r;
}

static EVP_PKEY *passed(EVP_PKEY *from, const char *properties)
{
	unsigned char *share;
	EVP_PKEY *key;

	assert_int_equal(EVP_PKEY_get1_encoded_public_key(from, &share), SIZE);
	key = of_share(properties, share, SIZE);
	OPENSSL_free(share);
	assert_non_null(key);
	return key;
}

static void test_agrees(void **state)
{
	(void)state;
	for (int i = 0; i < TRIES; i++) {
		EVP_PKEY *ours = generate(PROVIDER_PROPERTIES);
		EVP_PKEY *theirs = generate(THEIRS);
		EVP_PKEY *to_us = passed(theirs, PROVIDER_PROPERTIES);
		EVP_PKEY *to_them = passed(ours, THEIRS);
		uint8_t a[SIZE] = {0}, b[SIZE] = {1};

		assert_true(derive(PROVIDER_PROPERTIES, ours, to_us, a, SIZE));
		assert_true(derive(THEIRS, theirs, to_them, b, SIZE));
		assert_memory_equal(a, b, SIZE);
		EVP_PKEY_free(ours);
		EVP_PKEY_free(theirs);
		EVP_PKEY_free(to_us);
		EVP_PKEY_free(to_them);
	}
}

/* Points of small order: the secret is zeros, whatever our key is (RFC 7748
 * section 6.1). */
static void test_refuses_zeros(void **state)
{
	static const char *const shares[] = {
		"00000000000000000000000000000000000000000000000000000000000000"
		"00",
		"01000000000000000000000000000000000000000000000000000000000000"
		"00",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b8"
		"00",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"7f",
	};
	EVP_PKEY *ours = generate(PROVIDER_PROPERTIES);

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		uint8_t share[SIZE], secret[SIZE];
		EVP_PKEY *peer;

		hex(shares[i], share, SIZE);
		peer = of_share(PROVIDER_PROPERTIES, share, SIZE);
		assert_non_null(peer);
		assert_false(
			derive(PROVIDER_PROPERTIES, ours, peer, secret, SIZE));
		EVP_PKEY_free(peer);
	}
	EVP_PKEY_free(ours);
}

static void test_refuses_what_is_missing(void **state)
{
	const uint8_t share[SIZE + 1] = {9};
	uint8_t secret[SIZE];
	EVP_PKEY *ours = generate(PROVIDER_PROPERTIES);
	EVP_PKEY *peer = of_share(PROVIDER_PROPERTIES, share, SIZE);
	EVP_PKEY_CTX *ctx =
		EVP_PKEY_CTX_new_from_pkey(NULL, ours, PROVIDER_PROPERTIES);
	size_t size = SIZE;

	(void)state;
	assert_null(of_share(PROVIDER_PROPERTIES, share, SIZE - 1));
	assert_null(of_share(PROVIDER_PROPERTIES, share, SIZE + 1));
	/* no room; no private key; no peer */
	assert_false(derive(PROVIDER_PROPERTIES, ours, peer, secret, SIZE - 1));
	assert_false(derive(PROVIDER_PROPERTIES, peer, ours, secret, SIZE));
	assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
	assert_int_not_equal(EVP_PKEY_derive(ctx, secret, &size), 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(ours);
	EVP_PKEY_free(peer);
}

static void test_another_group(void **state)
{
	EVP_PKEY_CTX *ctx =
		EVP_PKEY_CTX_new_from_name(NULL, NAME, PROVIDER_PROPERTIES);

	(void)state;
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_not_equal(EVP_PKEY_CTX_set_group_name(ctx, "P-256"), 1);
	EVP_PKEY_CTX_free(ctx);
}

static const char *provider_of(const EVP_PKEY *key)
{
	return OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key));
}

/* Others in the process do not get ours unasked. */
static void test_whose(void **state)
{
	EVP_PKEY *asked = generate(PROVIDER_PROPERTIES);
	EVP_PKEY *unasked = generate(NULL);

	(void)state;
	assert_string_equal(provider_of(asked), "millrace");
	assert_string_equal(provider_of(unasked), "default");
	assert_int_equal(EVP_PKEY_get_bits(asked), EVP_PKEY_get_bits(unasked));
	assert_int_equal(EVP_PKEY_get_security_bits(asked),
			 EVP_PKEY_get_security_bits(unasked));
	assert_int_equal(EVP_PKEY_get_size(asked), EVP_PKEY_get_size(unasked));
	EVP_PKEY_free(asked);
	EVP_PKEY_free(unasked);
}

/* ---- in handshakes */

static SSL *side_new(SSL_CTX *ctx, BIO *in, BIO *out)
{
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	SSL_set_bio(ssl, in, out);
	return ssl;
}

static SSL_CTX *ctx_new(const char *properties, int version, EVP_PKEY *key)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(NULL, properties, TLS_method());
	X509 *certificate = X509_new();

	assert_non_null(ctx);
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	/* Of the second one is the certificate, which TLS 1.2 looks at. */
	assert_int_equal(SSL_CTX_set1_groups_list(ctx, NAME ":P-256"), 1);
	X509_free(certificate);
	return ctx;
}

/* Memory that both ends read and write needs two references. */
static BIO *shared(void)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_non_null(bio);
	assert_int_equal(BIO_up_ref(bio), 1);
	BIO_set_mem_eof_return(bio, -1);
	return bio;
}

static void shake(int version, const char *server_uses, const char *client_uses)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	SSL_CTX *server_ctx = ctx_new(server_uses, version, key);
	SSL_CTX *client_ctx = ctx_new(client_uses, version, key);
	BIO *up = shared(), *down = shared();
	SSL *server = side_new(server_ctx, up, down);
	SSL *client = side_new(client_ctx, down, up);
	EVP_PKEY *share = NULL;

	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 4; i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	assert_true(SSL_is_init_finished(client));
	assert_true(SSL_is_init_finished(server));
	assert_int_equal(SSL_get_negotiated_group(server), NID_X25519);
	assert_int_equal(SSL_get_peer_tmp_key(client, &share), 1);
	assert_string_equal(provider_of(share), strcmp(client_uses, THEIRS) == 0
							? "default"
							: "millrace");
	EVP_PKEY_free(share);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	EVP_PKEY_free(key);
}

static void test_handshakes(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		shake(versions[i], PROVIDER_PROPERTIES, PROVIDER_PROPERTIES);
		shake(versions[i], PROVIDER_PROPERTIES, THEIRS);
		shake(versions[i], THEIRS, PROVIDER_PROPERTIES);
	}
}

static int offer(void **state)
{
	(void)state;
	return provider_offer() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees),
		cmocka_unit_test(test_refuses_zeros),
		cmocka_unit_test(test_refuses_what_is_missing),
		cmocka_unit_test(test_another_group),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_handshakes),
	};

	return cmocka_run_group_tests(tests, offer, NULL);
}
