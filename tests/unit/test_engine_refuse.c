/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user engine must not take for a record. */
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

#include "kinds.h"
#include "sealing.h"

static int receive(struct tls_direction *rx, const uint8_t *record, size_t have)
{
	int size = tls_record_size(rx, record, have);

	if (size < 0)
		return size;
	if (size == 0 || (size_t)size > have)
		return -EAGAIN;
	return open_only(rx, record, (size_t)size);
}

static void test_flipped(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 4);
		struct tls_direction rx = tx;
		size_t size;
		uint8_t *record =
			seal(&tx, TLS_RECORD_DATA, "in the clear", 12, &size);

		for (size_t bit = 0; bit < 8 * size; bit++) {
			int r;

			record[bit / 8] ^= (uint8_t)(1 << bit % 8);
			r = receive(&rx, record, size);
			/* Only a length may make it wait for more. */
			if (bit / 8 == 3 || bit / 8 == 4)
				assert_true(r == -EBADMSG || r == -EMSGSIZE ||
					    r == -EAGAIN);
			else if (bit / 8 == 0)
				assert_true(r == -EBADMSG || r == -EPROTO);
			else
				assert_int_equal(r, -EBADMSG);
			assert_int_equal(rx.sequence, 0);
			record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(receive(&rx, record, size), 0);
		/* The same record again, and one left out. */
		assert_int_equal(receive(&rx, record, size), -EBADMSG);
		free(record);
		tx.sequence++;
		assert_int_equal(pass(&tx, &rx, TLS_RECORD_DATA, "", 0),
				 -EBADMSG);
	}
}

static void test_no_plaintext(void **state)
{
	static const uint8_t nothing[12];
	uint8_t out[64] = "", type;

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 5);
		struct tls_direction rx = tx;
		size_t size, inner;
		uint8_t *record =
			seal(&tx, TLS_RECORD_DATA, "in the clear", 12, &size);

		record[size - 1] ^= 1;
		assert_int_equal(tls_record_open(aead, &rx, record, size, out,
						 &type, &inner),
				 -EBADMSG);
		assert_memory_equal(out, nothing, sizeof(nothing));
		free(record);
	}
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 6);
		struct tls_direction rx = tx;
		size_t size;
		uint8_t *record = seal(&tx, TLS_RECORD_DATA, "cut", 3, &size);

		for (size_t have = 0; have < size; have++) {
			assert_int_equal(receive(&rx, record, have), -EAGAIN);
			if (have < TLS_RECORD_HEADER)
				continue;
			record[4] = (uint8_t)(have - TLS_RECORD_HEADER);
			assert_int_equal(receive(&rx, record, have), -EBADMSG);
			record[4] = (uint8_t)(size - TLS_RECORD_HEADER);
		}
		assert_int_equal(receive(&rx, record, size), 0);
		free(record);
	}
}

static void test_headers(void **state)
{
	static const struct {
		uint8_t bytes[5];
		size_t have;
		int tls13, tls12;
	} cases[] = {
		{{23, 3, 3, 0, 0}, 5, 5, 5},
		{{23, 3, 3, 1, 2}, 5, 5 + 258, 5 + 258},
		{{23, 3, 3, 1, 2}, 4, 0, 0},
		{{23}, 1, 0, 0},
		{{0}, 0, 0, 0},
		/* 2^14 + 256 and one more; 2^14 + 2048 and one more */
		{{23, 3, 3, 0x41, 0x00}, 5, 5 + 16640, 5 + 16640},
		{{23, 3, 3, 0x41, 0x01}, 5, -EMSGSIZE, 5 + 16641},
		{{23, 3, 3, 0x48, 0x00}, 5, -EMSGSIZE, 5 + 18432},
		{{23, 3, 3, 0x48, 0x01}, 5, -EMSGSIZE, -EMSGSIZE},
		{{23, 3, 3, 0xff, 0xff}, 5, -EMSGSIZE, -EMSGSIZE},
		/* no record of TLS, told as early as can be */
		{{19}, 1, -EBADMSG, -EBADMSG},
		{{24}, 1, -EBADMSG, -EBADMSG},
		{{0}, 1, -EBADMSG, -EBADMSG},
		{"GET /", 5, -EBADMSG, -EBADMSG},
		{{22, 2}, 2, -EBADMSG, -EBADMSG},
		{{22, 4, 0, 0, 1}, 5, -EBADMSG, -EBADMSG},
	};
	struct tls_direction tls13 = kind_direction(&kinds[0], 7);
	struct tls_direction tls12 = kind_direction(&kinds[3], 7);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const uint8_t *bytes = cases[i].bytes;
		size_t have = cases[i].have;

		assert_int_equal(tls_record_size(&tls13, bytes, have),
				 cases[i].tls13);
		assert_int_equal(tls_record_size(&tls12, bytes, have),
				 cases[i].tls12);
	}
}

static void test_padding(void **state)
{
	static uint8_t inner[TLS_RECORD_PLAIN_MAX + 200];

	(void)state;
	for (size_t k = 0; kinds[k].version == TLS_VERSION_13; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 8);
		struct tls_direction rx = tx;

		for (size_t pad = 0; pad < 200; pad++) {
			struct opened opened;
			size_t size;
			uint8_t *record;

			memset(inner, 0, sizeof(inner));
			inner[0] = inner[2] = 1;
			inner[4] = TLS_RECORD_DATA;
			record = seal(&tx, 0, inner, 5 + pad, &size);
			opened = open_record(&rx, record, size);
			assert_int_equal(opened.r, 0);
			assert_int_equal(opened.type, TLS_RECORD_DATA);
			assert_int_equal(opened.size, 4);
			assert_memory_equal(opened.content, inner, 4);
			free(opened.content);
			free(record);
		}
		memset(inner, 0, sizeof(inner));
		assert_int_equal(pass(&tx, &rx, 0, inner, 0), -EPROTO);
		assert_int_equal(pass(&tx, &rx, 0, inner, 1), -EPROTO);
		assert_int_equal(pass(&tx, &rx, 0, inner, 16384), -EPROTO);
		/* the longest content, with padding and with one byte more */
		memset(inner, 1, TLS_RECORD_PLAIN_MAX);
		inner[TLS_RECORD_PLAIN_MAX] = TLS_RECORD_DATA;
		assert_int_equal(
			pass(&tx, &rx, 0, inner, TLS_RECORD_PLAIN_MAX + 9), 0);
		assert_int_equal(pass(&tx, &rx, TLS_RECORD_DATA, inner,
				      TLS_RECORD_PLAIN_MAX + 1),
				 -EMSGSIZE);
	}
}

static void test_content_too_long(void **state)
{
	static uint8_t content[TLS_RECORD_PLAIN_MAX + 1];

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 9);
		struct tls_direction rx = tx;

		assert_int_equal(pass(&tx, &rx, TLS_RECORD_DATA, content,
				      sizeof(content)),
				 -EMSGSIZE);
	}
}

static void test_types(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 10);
		struct tls_direction rx = tx;
		bool tls13 = kinds[k].version == TLS_VERSION_13;
		size_t size;
		uint8_t *record;

		assert_int_equal(pass(&tx, &rx, 20, "\1", 1), -EPROTO);
		assert_int_equal(pass(&tx, &rx, 21, "", 0), -EPROTO);
		assert_int_equal(pass(&tx, &rx, 22, "", 0), -EPROTO);
		assert_int_equal(pass(&tx, &rx, 23, "", 0), 0);
		if (!tls13)
			continue;
		assert_int_equal(pass(&tx, &rx, 24, "\1", 1), -EPROTO);
		/* anything else outside, though it is never tried */
		record = seal(&tx, TLS_RECORD_DATA, "x", 1, &size);
		record[0] = TLS_RECORD_ALERT;
		assert_int_equal(open_only(&rx, record, size), -EPROTO);
		record[0] = TLS_RECORD_CHANGE_CIPHER_SPEC;
		assert_int_equal(open_only(&rx, record, size), -EPROTO);
		record[0] = TLS_RECORD_DATA;
		assert_int_equal(open_only(&rx, record, size), 0);
		free(record);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_no_plaintext),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_content_too_long),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests_name("engine_user refuses", tests,
					   aead_setup, aead_teardown);
}
