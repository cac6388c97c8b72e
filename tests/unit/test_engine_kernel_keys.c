/* SPDX-License-Identifier: BSD-2-Clause */
/* How keys come into the kernel, first and again, and how they do not. */
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
#include "tls/wire.h"

/* Each direction begins in the user engine and moves on its own, at a record
 * boundary, while more is already under way. */
static void test_moves(void **state)
{
	static uint8_t record[RECORD_MAX], out[RECORD_MAX];

	(void)state;
	if (!have_ulp)
		skip();
	for (size_t k = 0; k < KINDS; k++) {
		struct pair pair = open_pair(&kinds[k]);
		struct tls_direction tx = pair.rx, rx = pair.tx;
		size_t size = tls_record_sealed_size(&tx, 1000), inner;
		uint8_t type;

		rx.nonce = 0;
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(tls_record_seal(aead, &tx,
							 TLS_RECORD_DATA,
							 content, 1000, record),
					 0);
			assert_int_equal(send(pair.kernel, record, size, 0),
					 size);
			put(&pair, TLS_RECORD_DATA, content + 1000 * i, 1000);
		}
		assert_int_equal(engine_kernel_install(pair.kernel,
						       ENGINE_KERNEL_TX, &tx),
				 0);
		assert_int_equal(send(pair.kernel, content, 500, 0), 500);
		for (size_t i = 0; i < 3; i++)
			assert_kernel_sealed(&pair, TLS_RECORD_DATA, content,
					     1000);
		assert_kernel_sealed(&pair, TLS_RECORD_DATA, content, 500);

		read_exactly(pair.kernel, record, size);
		assert_int_equal(tls_record_open(aead, &rx, record, size, out,
						 &type, &inner),
				 0);
		assert_int_equal(engine_kernel_install(pair.kernel,
						       ENGINE_KERNEL_RX, &rx),
				 0);
		assert_kernel_opens(&pair, TLS_RECORD_DATA, content + 1000,
				    2000);
		close_pair(&pair);
	}
}

static void test_rekey(void **state)
{
	static const uint8_t message[] = TLS_KEY_UPDATE_BYTES;
	uint8_t byte, type;
	int r;

	(void)state;
	if (!have_ulp)
		skip();
	for (size_t k = 0; kinds[k].version == TLS_VERSION_13; k++) {
		struct pair pair = open_installed(&kinds[k]);

		for (int i = 0; i < 3; i++) {
			/* ours */
			assert_int_equal(
				engine_kernel_send(pair.kernel,
						   TLS_RECORD_HANDSHAKE,
						   message, sizeof(message)),
				0);
			assert_kernel_sealed(&pair, TLS_RECORD_HANDSHAKE,
					     message, sizeof(message));
			assert_int_equal(tls_direction_next(&pair.rx, NULL), 0);
			r = engine_kernel_install(pair.kernel, ENGINE_KERNEL_TX,
						  &pair.rx);
			if (r == -EBUSY) {
				close_pair(&pair);
				skip();
			}
			assert_int_equal(r, 0);
			assert_int_equal(send(pair.kernel, content, 777, 0),
					 777);
			assert_kernel_sealed(&pair, TLS_RECORD_DATA, content,
					     777);
			/* the wire's, with data right behind it */
			put(&pair, TLS_RECORD_HANDSHAKE, message,
			    sizeof(message));
			assert_int_equal(tls_direction_next(&pair.tx, NULL), 0);
			put(&pair, TLS_RECORD_DATA, content, 888);
			assert_kernel_opens(&pair, TLS_RECORD_HANDSHAKE,
					    message, sizeof(message));
			assert_int_equal(engine_kernel_receive(pair.kernel,
							       &byte, 1, &type),
					 -EKEYEXPIRED);
			pair.tx.sequence = 0;
			assert_int_equal(engine_kernel_install(pair.kernel,
							       ENGINE_KERNEL_RX,
							       &pair.tx),
					 0);
			pair.tx.sequence = 1;
			assert_kernel_opens(&pair, TLS_RECORD_DATA, content,
					    888);
		}
		close_pair(&pair);
	}
}

static void test_install_refused(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int one, other;

	(void)state;
	if (!have_ulp) {
		close(fd);
		skip();
	}
	assert_int_equal(engine_kernel_attach(fd), -ENOTCONN);
	close(fd);
	connect_pair(&one, &other);
	for (size_t k = 0; k < KINDS; k++) {
		struct tls_direction direction = kind_direction(&kinds[k], 3);

		assert_int_equal(engine_kernel_install(other, ENGINE_KERNEL_TX,
						       &direction),
				 -ENOPROTOOPT);
	}
	assert_int_equal(engine_kernel_attach(one), 0);
	assert_int_equal(engine_kernel_attach(one), -EEXIST);
	close(one);
	close(other);
	for (size_t k = 0; k < KINDS; k++) {
		struct pair pair = open_pair(&kinds[k]);
		struct tls_direction wrong =
			kind_direction(&kinds[(k + 3) % KINDS], 3);

		assert_int_equal(engine_kernel_install(pair.kernel,
						       ENGINE_KERNEL_TX,
						       &pair.rx),
				 0);
		/* the same cipher in the other version */
		assert_int_equal(engine_kernel_install(
					 pair.kernel, ENGINE_KERNEL_RX, &wrong),
				 -EINVAL);
		if (kinds[k].version == TLS_VERSION_12)
			assert_int_equal(engine_kernel_install(pair.kernel,
							       ENGINE_KERNEL_TX,
							       &pair.rx),
					 -EBUSY);
		close_pair(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_install_refused),
	};

	return cmocka_run_group_tests_name("engine_kernel keys", tests,
					   kernel_setup, kernel_teardown);
}
