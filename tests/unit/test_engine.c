/* SPDX-License-Identifier: BSD-2-Clause */
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

#include "hex.h"
#include "kinds.h"
#include "sealing.h"

/* RFC 8448 section 3, from the NewSessionTicket (the server's record 0) on. */
static const struct {
	const char *secret;
	uint64_t sequence;
	uint8_t type;
	const char *content, *record;
} trace[] = {
	{"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", 0,
	 TLS_RECORD_DATA,
	 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	 "202122232425262728292a2b2c2d2e2f3031",
	 "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f"
	 "2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae6"
	 "3aeebb21694915e4"},
	{"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", 1,
	 TLS_RECORD_DATA,
	 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	 "202122232425262728292a2b2c2d2e2f3031",
	 "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36"
	 "e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf33254"
	 "0dd032e167c2955d"},
	{"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", 1,
	 TLS_RECORD_ALERT, "0100",
	 "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3"},
	{"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", 2,
	 TLS_RECORD_ALERT, "0100",
	 "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9"},
};

static void test_trace(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trace) / sizeof(*trace); i++) {
		uint8_t secret[32], content[64], record[96];
		size_t size, record_size, sealed;
		struct tls_direction tx, rx;
		struct opened opened;
		uint8_t *again;

		hex(trace[i].secret, secret, sizeof(secret));
		size = hex(trace[i].content, content, sizeof(content));
		record_size = hex(trace[i].record, record, sizeof(record));
		assert_int_equal(tls_direction_from_secret(
					 &tx, TLS_CIPHER_AES128_GCM,
					 TLS_HASH_SHA256, secret, NULL),
				 0);
		tx.sequence = trace[i].sequence;
		rx = tx;
		opened = open_record(&rx, record, record_size);
		assert_int_equal(opened.r, 0);
		assert_int_equal(opened.type, trace[i].type);
		assert_int_equal(opened.size, size);
		assert_memory_equal(opened.content, content, size);
		again = seal(&tx, trace[i].type, content, size, &sealed);
		assert_int_equal(sealed, record_size);
		assert_memory_equal(again, record, record_size);
		free(again);
		free(opened.content);
	}
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = {0,  1,	2,   15,    16,	  17,
				       31, 255, 256, 16383, 16384};
	static uint8_t content[TLS_RECORD_PLAIN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i ^ i >> 8);
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 1);
		struct tls_direction rx = tx;

		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			if (sizes[i])
				assert_passes(&tx, &rx, TLS_RECORD_HANDSHAKE,
					      content, sizes[i]);
			assert_passes(&tx, &rx, TLS_RECORD_DATA, content,
				      sizes[i]);
		}
		assert_passes(&tx, &rx, TLS_RECORD_ALERT, content, 2);
	}
}

static void test_accounts(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 2);
		struct tls_direction rx = tx;
		bool tls13 = kinds[k].version == TLS_VERSION_13;

		/* 16 bytes: one block; with TLS 1.3's inner type, two. */
		assert_passes(&tx, &rx, TLS_RECORD_DATA, "0123456789abcdef",
			      16);
		assert_int_equal(tx.blocks, tls13 ? 3 : 2);
		assert_passes(&tx, &rx, TLS_RECORD_DATA, "0123456789abcde", 15);
		assert_int_equal(tx.blocks, tls13 ? 5 : 4);
		assert_int_equal(rx.blocks, tx.blocks);
		assert_int_equal(tx.sequence, 2);
		assert_int_equal(rx.sequence, 2);
		assert_int_equal(tx.records, 2);
		assert_int_equal(rx.records, 2);
	}
}

/* What stands in the clear, byte for byte. */
static void test_wire(void **state)
{
	static const uint8_t nonce[] = {0x01, 0x23, 0x45, 0x67,
					0x89, 0xab, 0xcd, 0xff};

	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 3);
		bool tls13 = kinds[k].version == TLS_VERSION_13;
		bool explicit_nonce =
			!tls13 && kinds[k].cipher != TLS_CIPHER_CHACHA20;
		size_t want = 2 + 16 + tls13 + (explicit_nonce ? 8 : 0);
		size_t sealed;
		uint8_t *record;

		tx.nonce = 0x0123456789abcdff;
		record = seal(&tx, TLS_RECORD_ALERT, "\1", 2, &sealed);
		assert_int_equal(sealed, 5 + want);
		assert_int_equal(record[0], tls13 ? 23 : 21);
		assert_int_equal(record[1], 3);
		assert_int_equal(record[2], 3);
		assert_int_equal(record[3], 0);
		assert_int_equal(record[4], want);
		if (explicit_nonce) {
			assert_memory_equal(record + 5, nonce, 8);
			assert_int_equal(tx.nonce, 0x0123456789abce00);
		}
		free(record);
	}
}

/* As a receiver meets it: sized, then opened. */
/* A bit that fell over anywhere, and the record that was meant after it. */
/* What does not authenticate is not left lying in the caller's buffer. */
/* An inner type of 0 is one more byte of padding, which makes any inner
 * plaintext of a TLS 1.3 record. */
static void test_last_sequence(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 11);
		struct tls_direction rx;
		uint8_t record[64];
		size_t size = tls_record_sealed_size(&tx, 1);

		tx.sequence = UINT64_MAX - 1;
		rx = tx;
		assert_int_equal(tls_record_seal(aead, &tx, TLS_RECORD_DATA,
						 (const uint8_t *)"x", 1,
						 record),
				 0);
		assert_int_equal(open_only(&rx, record, size), 0);
		assert_int_equal(tls_record_seal(aead, &tx, TLS_RECORD_DATA,
						 (const uint8_t *)"x", 1,
						 record),
				 -EIO);
		assert_int_equal(open_only(&rx, record, size), -EIO);
		assert_true(tx.sequence == UINT64_MAX);
	}
}

/* One aead for many: each record finds its key, whoever was there before. */
static void test_interleaved(void **state)
{
	struct tls_direction tx[2 * KINDS], rx[2 * KINDS];
	unsigned int turn = 1;

	(void)state;
	for (size_t i = 0; i < 2 * KINDS; i++)
		rx[i] = tx[i] = kind_direction(&kinds[i / 2], (uint8_t)i);
	for (int i = 0; i < 5000; i++) {
		size_t who = (turn = turn * 1103515245 + 12345) >> 16;

		who %= 2 * KINDS;
		assert_passes(&tx[who], &rx[who], TLS_RECORD_DATA, "mine", 4);
		if (i % 100 == 0)
			tls_aead_forget(aead, &tx[who]);
	}
}

/* The next key in the same memory, forgotten or not. */
static void test_rekeyed(void **state)
{
	(void)state;
	for (size_t k = 0; kinds[k].version == TLS_VERSION_13; k++) {
		struct tls_direction tx = kind_direction(&kinds[k], 12);
		struct tls_direction rx = tx, old;

		for (int i = 0; i < 10; i++) {
			assert_passes(&tx, &rx, TLS_RECORD_DATA, "old", 3);
			old = rx;
			if (i % 2)
				tls_aead_forget(aead, &tx);
			assert_int_equal(tls_direction_next(&tx, NULL), 0);
			assert_int_equal(tls_direction_next(&rx, NULL), 0);
			assert_passes(&tx, &rx, TLS_RECORD_DATA, "new", 3);
			old.sequence = tx.sequence;
			assert_int_equal(
				pass(&tx, &old, TLS_RECORD_DATA, "x", 1),
				-EBADMSG);
			rx.sequence++;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_last_sequence),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_rekeyed),
	};

	return cmocka_run_group_tests_name("engine_user", tests, aead_setup,
					   aead_teardown);
}
