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
#include <openssl/ssl.h>

#include "tls/hello.h"

#define SIZE 2048

/* What OpenSSL sends first. */
static size_t make(const char *name, bool alpn, uint8_t *bytes)
{
	static const uint8_t protocols[] = {2, 'h', '2'};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *out = BIO_new(BIO_s_mem());
	int size;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	if (name)
		assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
	if (alpn)
		assert_int_equal(
			SSL_set_alpn_protos(ssl, protocols, sizeof(protocols)),
			0);
	SSL_do_handshake(ssl);
	size = BIO_read(out, bytes, SIZE);
	assert_true(size > 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (size_t)size;
}

static void test_read(void **state)
{
	uint8_t bytes[SIZE];
	struct hello hello;
	size_t need, size = make("App.Apps.LOCAL", true, bytes);

	(void)state;
	assert_int_equal(hello_read(bytes, size, &hello, &need), 0);
	assert_string_equal(hello.name, "app.apps.local");
	assert_true(hello.alpn);
	size = make(NULL, false, bytes);
	assert_int_equal(hello_read(bytes, size, &hello, &need), 0);
	assert_string_equal(hello.name, "");
	assert_false(hello.alpn);
}

/* Each beginning asks for more than there is, and never for more than all. */
static void test_pieces(void **state)
{
	uint8_t bytes[SIZE], *exact;
	struct hello hello;
	size_t need, size = make("app.apps.local", true, bytes);

	(void)state;
	for (size_t have = 0; have < size; have++) {
		exact = malloc(have + 1);
		memcpy(exact, bytes, have);
		need = 0;
		assert_int_equal(hello_read(exact, have, &hello, &need),
				 -EAGAIN);
		assert_in_range(need, have + 1, size);
		free(exact);
	}
}

/* One record of so many bytes after another. */
static void test_records(void **state)
{
	uint8_t bytes[SIZE], cut[SIZE * 6];
	struct hello hello;
	size_t need, size = make("app.apps.local", false, bytes);

	(void)state;
	for (size_t piece = 1; piece < 60; piece += 7) {
		size_t used = 0;

		for (size_t at = 5; at < size; at += piece) {
			size_t take = size - at < piece ? size - at : piece;

			memcpy(cut + used, bytes, 3);
			cut[used + 3] = 0;
			cut[used + 4] = (uint8_t)take;
			memcpy(cut + used + 5, bytes + at, take);
			used += 5 + take;
			if (at + take < size)
				assert_int_equal(
					hello_read(cut, used, &hello, &need),
					-EAGAIN);
		}
		assert_int_equal(hello_read(cut, used, &hello, &need), 0);
		assert_string_equal(hello.name, "app.apps.local");
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int r;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", 16, -EPROTO},
		{"G", 1, -EPROTO},
		{"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10, -EPROTO},
		{"\x16\x03\x01\x00\x00\x01\x00\x00\x00\x00", 10, -EPROTO},
		{"\x16\x03\x01\xff\xff\x01\x00\x00\x00\x00", 10, -EPROTO},
		{"\x16\x04\x01\x00\x10\x01\x00\x00\x00\x00", 10, -EPROTO},
		{"\x16\x03\x01\x10\x00\x01\x00\x40\x01\x00", 10, -EMSGSIZE},
		{"\x16\x03\x01\x00\x06\x01\x00\x00\x02\x03\x03", 11, -EPROTO},
	};
	struct hello hello;
	size_t need;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(hello_read((const uint8_t *)cases[i].bytes,
					    cases[i].size, &hello, &need),
				 cases[i].r);
}

/* Nothing that a peer can send is read beyond its end (under ASan). */
static void test_mutations(void **state)
{
	uint8_t bytes[SIZE];
	struct hello hello;
	size_t need, size = make("app.apps.local", true, bytes);
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t have = (size_t)rand_r(&seed) % (size + 1);
		uint8_t *copy = malloc(have + 1);

		memcpy(copy, bytes, have);
		for (int flips = 0; have && flips < 1 + i % 4; flips++)
			copy[(size_t)rand_r(&seed) % have] =
				(uint8_t)rand_r(&seed);
		if (hello_read(copy, have, &hello, &need) == 0)
			assert_true(strlen(hello.name) <= HELLO_NAME_MAX);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests_name("hello", tests, NULL, NULL);
}
