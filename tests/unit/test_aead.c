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
#include <stdio.h>

#include "hex.h"
#include "kinds.h"
#include "tls/aead.h"
#include "tls/gcm.h"

#define SIZE_MAX_HERE 16641 /* 2^14 + 256, and the type */
#define AAD_MAX 13

static struct tls_aead *ours, *openssl;
static uint8_t content[SIZE_MAX_HERE];

struct sealed {
	size_t size;
	uint8_t *bytes;
};

/* In memory of exactly the size that the contract asks for. */
static struct sealed seal(struct tls_aead *aead,
			  const struct tls_direction *direction,
			  const uint8_t *nonce, size_t aad_size, size_t size,
			  int following)
{
	struct sealed sealed = {
		.size = size + (following >= 0) + AEAD_TAG_SIZE,
	};

	sealed.bytes = malloc(sealed.size);
	assert_non_null(sealed.bytes);
	assert_int_equal(tls_aead_seal(aead, direction, nonce, content + 1,
				       aad_size, content, size, following,
				       sealed.bytes),
			 0);
	return sealed;
}

static int open_it(struct tls_aead *aead, const struct tls_direction *direction,
		   const uint8_t *nonce, size_t aad_size, struct sealed sealed,
		   uint8_t *out)
{
	return tls_aead_open(aead, direction, nonce, content + 1, aad_size,
			     sealed.bytes, sealed.size - AEAD_TAG_SIZE, out);
}

static void assert_agree(const struct tls_direction *direction, size_t size)
{
	int following = size % 2 ? 23 : -1;
	size_t aad_size = size % 3 ? AAD_MAX : 5;
	uint8_t nonce[TLS_IV_SIZE];
	struct sealed a, b;
	uint8_t *out = malloc(size + 1);

	assert_non_null(out);
	memset(nonce, (int)size, sizeof(nonce));
	a = seal(ours, direction, nonce, aad_size, size, following);
	b = seal(openssl, direction, nonce, aad_size, size, following);
	assert_memory_equal(a.bytes, b.bytes, a.size);
	assert_int_equal(open_it(ours, direction, nonce, aad_size, b, out), 0);
	assert_memory_equal(out, content, size);
	if (following >= 0)
		assert_int_equal(out[size], following);
	memset(out, 0, size + 1);
	assert_int_equal(open_it(openssl, direction, nonce, aad_size, a, out),
			 0);
	assert_memory_equal(out, content, size);
	free(a.bytes);
	free(b.bytes);
	free(out);
}

/* Whoever does it, the bytes are the same: around every boundary of blocks
 * and of what the vector code takes at once, and across all sizes. */
static void test_agree(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction direction = kind_direction(&kinds[k], 7);

		for (size_t size = 0; size < 1100; size++)
			assert_agree(&direction, size);
		for (size_t size = 1100; size < SIZE_MAX_HERE; size += 251)
			assert_agree(&direction, size);
		assert_agree(&direction, SIZE_MAX_HERE - 1);
	}
}

/* A bit that fell over, in the text, in the tag, in the AAD or in the nonce:
 * refused, and nothing of it is left in the caller's buffer. */
static void test_forged(void **state)
{
	static const size_t sizes[] = {0, 1, 16, 100, 4096, 16384};
	static const uint8_t wiped[16384];

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction direction = kind_direction(&kinds[k], 8);
		uint8_t nonce[TLS_IV_SIZE] = {9};
		uint8_t *out = malloc(sizeof(wiped));

		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			struct sealed sealed =
				seal(ours, &direction, nonce, 5, sizes[i], -1);

			for (size_t at = 0; at < sealed.size;
			     at += 1 + sealed.size / 50) {
				memset(out, 1, sizes[i]);
				sealed.bytes[at] ^= 0x10;
				assert_int_equal(open_it(ours, &direction,
							 nonce, 5, sealed, out),
						 -EBADMSG);
				assert_memory_equal(out, wiped, sizes[i]);
				sealed.bytes[at] ^= 0x10;
			}
			assert_int_equal(open_it(ours, &direction, nonce, 6,
						 sealed, out),
					 -EBADMSG);
			nonce[0] ^= 8;
			assert_int_equal(open_it(ours, &direction, nonce, 5,
						 sealed, out),
					 -EBADMSG);
			nonce[0] ^= 8;
			assert_int_equal(open_it(ours, &direction, nonce, 5,
						 sealed, out),
					 0);
			free(sealed.bytes);
		}
		free(out);
	}
}

/* Test cases 4 and 16 of the GCM specification (McGrew and Viega). */
static void test_vectors(void **state)
{
	static const char text[] =
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a"
		"72"
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
	static const char aad_text[] =
		"feedfacedeadbeeffeedfacedeadbeefabaddad2";
	static const struct {
		bool aes256;
		const char *key, *sealed;
	} cases[] = {
		{false, "feffe9928665731c6d6a8f9467308308",
		 "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca"
		 "12e"
		 "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
		 "5bc94fbc3221a5db94fae95ae7121a47"},
		{true,
		 "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308"
		 "308",
		 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d"
		 "1aa"
		 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
		 "76fc6ece0f4e1768cddf8853bb2d551b"},
	};
	uint8_t in[60], aad[20], nonce[12], key[32], want[76], out[76];

	(void)state;
	if (!gcm_instructions())
		skip();
	assert_int_equal(hex(text, in, sizeof(in)), sizeof(in));
	assert_int_equal(hex(aad_text, aad, sizeof(aad)), sizeof(aad));
	assert_int_equal(hex("cafebabefacedbaddecaf888", nonce, sizeof(nonce)),
			 sizeof(nonce));
	for (size_t i = 0; i < 2; i++) {
		struct gcm_key *gcm = gcm_key_new(cases[i].aes256);

		assert_non_null(gcm);
		hex(cases[i].key, key, sizeof(key));
		assert_int_equal(hex(cases[i].sealed, want, sizeof(want)),
				 sizeof(want));
		gcm_key_set(gcm, key);
		gcm_seal(gcm, nonce, aad, sizeof(aad), in, 31, in + 31, 29,
			 out);
		assert_memory_equal(out, want, sizeof(want));
		assert_true(gcm_open(gcm, nonce, aad, sizeof(aad), want, 60,
				     want + 60, out));
		assert_memory_equal(out, in, sizeof(in));
		gcm_key_free(gcm);
	}
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 + i / 251);
	ours = tls_aead_new();
	openssl = tls_aead_new_openssl();
	print_message("AES-GCM by %s\n",
		      gcm_instructions() ? gcm_instructions() : "OpenSSL");
	return ours && openssl ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_aead_free(ours);
	tls_aead_free(openssl);
	tls_aead_free(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agree),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests_name("aead", tests, setup, teardown);
}
