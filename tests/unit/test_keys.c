/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "hex.h"
#include "tls/keys.h"

#define OUT_MAX 256

static const EVP_MD *digest(enum tls_hash hash)
{
	return hash == TLS_HASH_SHA384 ? EVP_sha384() : EVP_sha256();
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *text)
{
	uint8_t want[OUT_MAX];

	assert_int_equal(hex(text, want, sizeof(want)), size);
	assert_memory_equal(bytes, want, size);
}

/*
 * The same functions again, written from the documents and one-shot HMAC,
 * and themselves held against published vectors: what keys.c does not expose
 * (any info, any label, any secret) is reached through them.
 */
static void oracle_hkdf_expand(enum tls_hash hash, const uint8_t *prk,
			       size_t prk_size, const uint8_t *info,
			       size_t info_size, uint8_t *out, size_t size)
{
	uint8_t input[EVP_MAX_MD_SIZE + OUT_MAX + 1], t[EVP_MAX_MD_SIZE];
	unsigned int t_size = 0;

	for (uint8_t i = 1; size; i++) {
		size_t at = t_size, take;

		memcpy(input, t, t_size);
		memcpy(input + at, info, info_size);
		at += info_size;
		input[at++] = i;
		assert_non_null(HMAC(digest(hash), prk, (int)prk_size, input,
				     at, t, &t_size));
		take = size < t_size ? size : t_size;
		memcpy(out, t, take);
		out += take;
		size -= take;
	}
}

/* RFC 5246 section 5: P_hash(secret, label + seed). */
static void oracle_prf(enum tls_hash hash, const uint8_t *secret,
		       size_t secret_size, const char *label,
		       const uint8_t *seed, size_t seed_size, uint8_t *out,
		       size_t size)
{
	uint8_t input[EVP_MAX_MD_SIZE + OUT_MAX], t[EVP_MAX_MD_SIZE];
	size_t label_size = strlen(label);
	uint8_t *const all = input + EVP_MD_get_size(digest(hash));
	size_t all_size = label_size + seed_size;
	unsigned int a_size, t_size;

	memcpy(all, label, label_size);
	memcpy(all + label_size, seed, seed_size);
	HMAC(digest(hash), secret, (int)secret_size, all, all_size, t, &a_size);
	while (size) {
		size_t take;

		memcpy(input, t, a_size);
		HMAC(digest(hash), secret, (int)secret_size, input,
		     a_size + all_size, t, &t_size);
		take = size < t_size ? size : t_size;
		memcpy(out, t, take);
		out += take;
		size -= take;
		HMAC(digest(hash), secret, (int)secret_size, input, a_size, t,
		     &a_size);
	}
}

/* RFC 5869 appendix A.1, A.2, A.3 */
static const struct {
	const char *prk, *info, *okm;
} hkdf_cases[] = {
	{"077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
	 "f0f1f2f3f4f5f6f7f8f9",
	 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
	 "34007208d5b887185865"},
	{"06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
	 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	 "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
	 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
	 "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
	 "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
	{"19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04", "",
	 "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
	 "9d201395faa4b61a96c8"},
};

static void test_oracle_hkdf(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hkdf_cases) / sizeof(*hkdf_cases); i++) {
		uint8_t prk[32], info[80], out[OUT_MAX];
		size_t info_size = hex(hkdf_cases[i].info, info, sizeof(info));
		size_t size = strlen(hkdf_cases[i].okm) / 2;

		hex(hkdf_cases[i].prk, prk, sizeof(prk));
		oracle_hkdf_expand(TLS_HASH_SHA256, prk, sizeof(prk), info,
				   info_size, out, size);
		assert_hex(out, size, hkdf_cases[i].okm);
	}
}

/* The vectors for P_SHA256 and P_SHA384 that TLS libraries share. */
static const struct {
	enum tls_hash hash;
	const char *secret, *seed, *out;
} prf_cases[] = {
	{TLS_HASH_SHA256, "9bbe436ba940f017b17652849a71db35",
	 "a0ba9f936cda311827a6f796ffd5198c",
	 "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
	 "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
	 "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
	 "87347b66"},
	{TLS_HASH_SHA384, "b80b733d6ceefcdc71566ea48e5567df",
	 "cd665cf6a8447dd6ff8b27555edb7465",
	 "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd"
	 "e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd"
	 "8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425"
	 "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6"
	 "91c8f3a26854308d5eaa3be85e0990703d73e56f"},
};

static void test_oracle_prf(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(prf_cases) / sizeof(*prf_cases); i++) {
		uint8_t secret[16], seed[16], out[OUT_MAX];
		size_t size = strlen(prf_cases[i].out) / 2;

		hex(prf_cases[i].secret, secret, sizeof(secret));
		hex(prf_cases[i].seed, seed, sizeof(seed));
		oracle_prf(prf_cases[i].hash, secret, sizeof(secret),
			   "test label", seed, sizeof(seed), out, size);
		assert_hex(out, size, prf_cases[i].out);
	}
}

/* RFC 8448 section 3; RFC 9001 appendix A.1 and A.5 */
static const char client_handshake[] =
	"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21";
static const char server_handshake[] =
	"b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38";
static const char client_application[] =
	"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
static const char server_application[] =
	"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
static const char quic_initial[] =
	"c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea";
static const char quic_chacha20[] =
	"9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b";

static const struct {
	const char *secret, *label, *out;
} label_cases[] = {
	{client_handshake, "key", "dbfaa693d1762c5b666af5d950258d01"},
	{client_handshake, "iv", "5bd3c71b836e0b76bb73265f"},
	{client_handshake, "finished",
	 "b80ad01015fb2f0bd65ff7d4da5d6bf83f84821d1f87fdc7d3c75b5a7b42d9c4"},
	{server_handshake, "key", "3fce516009c21727d0f2e4e86ee403bc"},
	{server_handshake, "iv", "5d313eb2671276ee13000b30"},
	{server_handshake, "finished",
	 "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8"},
	{quic_initial, "quic key", "1f369613dd76d5467730efcbe3b1a22d"},
	{quic_initial, "quic iv", "fa044b2f42a3fd3b46fb255c"},
	{quic_initial, "quic hp", "9f50449e04a0e810283a1e9933adedd2"},
	{quic_chacha20, "quic key",
	 "c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8"},
	{quic_chacha20, "quic ku",
	 "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9"},
};

static void test_expand_label(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(label_cases) / sizeof(*label_cases);
	     i++) {
		uint8_t secret[32], out[OUT_MAX];
		size_t size = strlen(label_cases[i].out) / 2;

		hex(label_cases[i].secret, secret, sizeof(secret));
		assert_int_equal(tls_hkdf_expand_label(TLS_HASH_SHA256, secret,
						       label_cases[i].label,
						       out, size, NULL),
				 0);
		assert_hex(out, size, label_cases[i].out);
	}
}

/* Each size up to several blocks of each hash. */
static void test_expand_label_sizes(void **state)
{
	static const uint8_t label[] = "tls13 traffic upd";
	uint8_t secret[TLS_SECRET_MAX], info[64], want[OUT_MAX], out[OUT_MAX];

	(void)state;
	memset(secret, 0xa5, sizeof(secret));
	for (int hash = TLS_HASH_SHA256; hash <= TLS_HASH_SHA384; hash++) {
		for (size_t size = 1; size <= 255; size++) {
			size_t at = 0;

			info[at++] = 0;
			info[at++] = (uint8_t)size;
			info[at++] = sizeof(label) - 1;
			memcpy(info + at, label, sizeof(label) - 1);
			at += sizeof(label) - 1;
			info[at++] = 0;
			oracle_hkdf_expand(hash, secret, tls_hash_size(hash),
					   info, at, want, size);
			out[size] = 0x5c;
			assert_int_equal(tls_hkdf_expand_label(hash, secret,
							       "traffic upd",
							       out, size, NULL),
					 0);
			assert_memory_equal(out, want, size);
			assert_int_equal(out[size], 0x5c);
		}
	}
}

static void test_expand_label_refuses(void **state)
{
	/* One more than RFC 8446 section 7.1 and RFC 5869 section 2.3 have. */
	static uint8_t out[255 * 32 + 1];
	uint8_t secret[32] = {0};
	struct err err = {""};
	char label[251];

	(void)state;
	memset(label, 'x', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	assert_int_equal(tls_hkdf_expand_label(TLS_HASH_SHA256, secret, label,
					       out, 16, &err),
			 -EINVAL);
	assert_string_not_equal(err.text, "");
	assert_int_equal(tls_hkdf_expand_label(TLS_HASH_SHA256, secret, "key",
					       out, sizeof(out), &err),
			 -EINVAL);
}

static void test_from_secret(void **state)
{
	static const struct {
		const char *secret, *key, *iv;
	} cases[] = {
		{client_application, "17422dda596ed5d9acd890e3c63f5051",
		 "5b78923dee08579033e523d9"},
		{server_application, "9f02283b6c9c07efc26bb9f2ac92e356",
		 "cf782b88dd83549aadf1e984"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static const uint8_t nothing[TLS_KEY_MAX];
		struct tls_direction direction;
		uint8_t secret[32];

		hex(cases[i].secret, secret, sizeof(secret));
		memset(&direction, 0xff, sizeof(direction));
		assert_int_equal(tls_direction_from_secret(
					 &direction, TLS_CIPHER_AES128_GCM,
					 TLS_HASH_SHA256, secret, NULL),
				 0);
		assert_int_equal(direction.version, TLS_VERSION_13);
		assert_int_equal(direction.cipher, TLS_CIPHER_AES128_GCM);
		assert_int_equal(direction.hash, TLS_HASH_SHA256);
		assert_hex(direction.key, 16, cases[i].key);
		assert_memory_equal(direction.key + 16, nothing, 16);
		assert_hex(direction.iv, TLS_IV_SIZE, cases[i].iv);
		assert_hex(direction.secret, 32, cases[i].secret);
		assert_int_equal(direction.sequence, 0);
		assert_int_equal(direction.nonce, 0);
		assert_int_equal(direction.records, 0);
		assert_int_equal(direction.blocks, 0);
		tls_direction_wipe(&direction);
		assert_memory_equal(direction.key, nothing, TLS_KEY_MAX);
		assert_memory_equal(direction.secret, nothing, TLS_KEY_MAX);
	}
}

static void test_next(void **state)
{
	static const struct {
		enum tls_cipher cipher;
		enum tls_hash hash;
	} cases[] = {
		{TLS_CIPHER_AES128_GCM, TLS_HASH_SHA256},
		{TLS_CIPHER_AES256_GCM, TLS_HASH_SHA384},
		{TLS_CIPHER_CHACHA20, TLS_HASH_SHA256},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum tls_hash hash = cases[i].hash;
		uint8_t secret[TLS_SECRET_MAX], next[TLS_SECRET_MAX];
		struct tls_direction direction, want;

		memset(secret, (int)i + 1, sizeof(secret));
		assert_int_equal(tls_direction_from_secret(&direction,
							   cases[i].cipher,
							   hash, secret, NULL),
				 0);
		direction.sequence = direction.records = direction.blocks = 9;
		assert_int_equal(tls_direction_next(&direction, NULL), 0);
		assert_int_equal(
			tls_hkdf_expand_label(hash, secret, "traffic upd", next,
					      tls_hash_size(hash), NULL),
			0);
		assert_int_equal(tls_direction_from_secret(&want,
							   cases[i].cipher,
							   hash, next, NULL),
				 0);
		assert_memory_equal(direction.key, want.key, TLS_KEY_MAX);
		assert_memory_equal(direction.iv, want.iv, TLS_IV_SIZE);
		assert_memory_equal(direction.secret, next,
				    tls_hash_size(hash));
		assert_int_equal(direction.sequence, 0);
		assert_int_equal(direction.records, 0);
		assert_int_equal(direction.blocks, 0);
	}
}

/* Where in RFC 5246 section 6.3's key block each part stands. */
static void test_from_master(void **state)
{
	uint8_t master[TLS_MASTER_SIZE], randoms[2 * TLS_RANDOM_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(master); i++)
		master[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(randoms); i++)
		randoms[i] = (uint8_t)(i * 11 + 3);
	for (int cipher = TLS_CIPHER_AES128_GCM; cipher <= TLS_CIPHER_CHACHA20;
	     cipher++) {
		enum tls_hash hash = cipher == TLS_CIPHER_AES256_GCM
					     ? TLS_HASH_SHA384
					     : TLS_HASH_SHA256;
		size_t key = tls_cipher_key_size(cipher);
		size_t iv = cipher == TLS_CIPHER_CHACHA20 ? 12 : 4;
		struct tls_direction client, server;
		uint8_t block[OUT_MAX];

		oracle_prf(hash, master, sizeof(master), "key expansion",
			   randoms, sizeof(randoms), block, 2 * (key + iv));
		/* server_random comes first in the seed. */
		assert_int_equal(tls_directions_from_master(
					 &client, &server, cipher, hash, master,
					 randoms + TLS_RANDOM_SIZE, randoms,
					 NULL),
				 0);
		assert_memory_equal(client.key, block, key);
		assert_memory_equal(server.key, block + key, key);
		assert_memory_equal(client.iv, block + 2 * key, iv);
		assert_memory_equal(server.iv, block + 2 * key + iv, iv);
		assert_int_equal(client.version, TLS_VERSION_12);
		assert_int_equal(client.cipher, cipher);
		assert_int_equal(client.sequence, 0);
		assert_int_equal(server.nonce, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle_hkdf),
		cmocka_unit_test(test_oracle_prf),
		cmocka_unit_test(test_expand_label),
		cmocka_unit_test(test_expand_label_sizes),
		cmocka_unit_test(test_expand_label_refuses),
		cmocka_unit_test(test_from_secret),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_from_master),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
