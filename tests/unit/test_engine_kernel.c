/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel seals and opens, held against the user engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel_pair.h"

static const size_t sizes[] = {1, 2, 15, 16, 17, 255, 256, 16383, 16384};

static void test_kernel_seals(void **state)
{
	static uint8_t bulk[40000];

	(void)state;
	if (!have_ulp)
		skip();
	for (size_t i = 0; i < sizeof(bulk); i++)
		bulk[i] = (uint8_t)(i * 13 ^ i >> 9);
	for (size_t k = 0; k < KINDS; k++) {
		struct pair pair = open_installed(&kinds[k]);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			assert_int_equal(
				send(pair.kernel, content, sizes[i], 0),
				sizes[i]);
			assert_kernel_sealed(&pair, TLS_RECORD_DATA, content,
					     sizes[i]);
			assert_int_equal(
				engine_kernel_send(pair.kernel,
						   TLS_RECORD_HANDSHAKE,
						   content, 5),
				0);
			assert_kernel_sealed(&pair, TLS_RECORD_HANDSHAKE,
					     content, 5);
		}
		assert_int_equal(send(pair.kernel, bulk, sizeof(bulk), 0),
				 sizeof(bulk));
		for (size_t at = 0; at < sizeof(bulk);) {
			size_t take = sizeof(bulk) - at;

			if (take > TLS_RECORD_PLAIN_MAX)
				take = TLS_RECORD_PLAIN_MAX;
			assert_kernel_sealed(&pair, TLS_RECORD_DATA, bulk + at,
					     take);
			at += take;
		}
		assert_int_equal(engine_kernel_send(pair.kernel,
						    TLS_RECORD_ALERT,
						    (const uint8_t *)"\1", 2),
				 0);
		assert_kernel_sealed(&pair, TLS_RECORD_ALERT,
				     (const uint8_t *)"\1", 2);
		close_pair(&pair);
	}
}

static void test_kernel_opens(void **state)
{
	uint8_t byte, type;

	(void)state;
	if (!have_ulp)
		skip();
	for (size_t k = 0; k < KINDS; k++) {
		struct pair pair = open_installed(&kinds[k]);

		assert_int_equal(
			engine_kernel_receive(pair.kernel, &byte, 1, &type),
			-EAGAIN);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			put(&pair, TLS_RECORD_DATA, content, sizes[i]);
			assert_kernel_opens(&pair, TLS_RECORD_DATA, content,
					    sizes[i]);
			put(&pair, TLS_RECORD_HANDSHAKE, content, sizes[i]);
			assert_kernel_opens(&pair, TLS_RECORD_HANDSHAKE,
					    content, sizes[i]);
		}
		put(&pair, TLS_RECORD_ALERT, content, 2);
		assert_kernel_opens(&pair, TLS_RECORD_ALERT, content, 2);
		assert_int_equal(shutdown(pair.wire, SHUT_WR), 0);
		assert_int_equal(receive(&pair, &byte, 1, &type), 0);
		assert_int_equal(type, TLS_RECORD_DATA);
		close_pair(&pair);
	}
}

/* Runs of bytes never mix types, whatever waits in the socket. */
static void test_types_apart(void **state)
{
	(void)state;
	if (!have_ulp)
		skip();
	for (size_t k = 0; k < KINDS; k++) {
		struct pair pair = open_installed(&kinds[k]);

		put(&pair, TLS_RECORD_DATA, content, 100);
		put(&pair, TLS_RECORD_DATA, content + 100, 50);
		put(&pair, TLS_RECORD_HANDSHAKE, content, 9);
		put(&pair, TLS_RECORD_HANDSHAKE, content + 9, 8);
		put(&pair, TLS_RECORD_DATA, content, 7);
		assert_kernel_opens(&pair, TLS_RECORD_DATA, content, 150);
		assert_kernel_opens(&pair, TLS_RECORD_HANDSHAKE, content, 9);
		assert_kernel_opens(&pair, TLS_RECORD_HANDSHAKE, content + 9,
				    8);
		assert_kernel_opens(&pair, TLS_RECORD_DATA, content, 7);
		close_pair(&pair);
	}
}

/* An empty record of data is no end of the stream. */
static void test_empty_data(void **state)
{
	uint8_t byte, type;

	(void)state;
	if (!have_ulp)
		skip();
	for (size_t k = 0; k < KINDS; k++) {
		struct pair pair = open_installed(&kinds[k]);

		put(&pair, TLS_RECORD_DATA, content, 0);
		assert_int_equal(
			engine_kernel_receive(pair.kernel, &byte, 1, &type),
			-EAGAIN);
		put(&pair, TLS_RECORD_DATA, content, 0);
		put(&pair, TLS_RECORD_DATA, content, 3);
		assert_kernel_opens(&pair, TLS_RECORD_DATA, content, 3);
		close_pair(&pair);
	}
}

static void test_padding(void **state)
{
	(void)state;
	if (!have_ulp)
		skip();
	for (size_t k = 0; kinds[k].version == TLS_VERSION_13; k++) {
		struct pair pair = open_installed(&kinds[k]);
		uint8_t inner[300] = "padded\27";

		for (size_t pad = 0; pad < sizeof(inner) - 7; pad += 13) {
			put(&pair, 0, inner, 7 + pad);
			assert_kernel_opens(&pair, TLS_RECORD_DATA, inner, 6);
		}
		close_pair(&pair);
	}
}

/* What no record can be: the same refusals as the user engine's, or the
 * kernel's own word for a header that it does not know. */
static void test_refused(void **state)
{
	static const uint8_t too_long[] = {23, 3, 3, 0x48, 0x01};
	static const uint8_t no_tls[] = {23, 3, 1, 0, 32};
	static const struct {
		const uint8_t *header; /* or NULL: a bit fell over */
		int error;
	} cases[] = {
		{NULL, -EBADMSG},
		{too_long, -EMSGSIZE},
		{no_tls, -EINVAL},
	};

	(void)state;
	if (!have_ulp)
		skip();
	for (size_t i = 0; i < KINDS * 3; i++) {
		struct pair pair = open_installed(&kinds[i / 3]);
		const uint8_t *header = cases[i % 3].header;
		uint8_t record[64] = {0}, bytes[64], type;
		size_t size = tls_record_sealed_size(&pair.tx, 3);

		assert_int_equal(tls_record_seal(aead, &pair.tx,
						 TLS_RECORD_DATA, content, 3,
						 record),
				 0);
		record[size - 1] ^= 1;
		if (header)
			memcpy(record, header, TLS_RECORD_HEADER);
		assert_int_equal(send(pair.wire, record, size, 0), size);
		assert_int_equal(receive(&pair, bytes, sizeof(bytes), &type),
				 cases[i % 3].error);
		close_pair(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_seals),
		cmocka_unit_test(test_kernel_opens),
		cmocka_unit_test(test_types_apart),
		cmocka_unit_test(test_empty_data),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("engine_kernel", tests, kernel_setup,
					   kernel_teardown);
}
