/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel_pair: a connection on loopback; one end has its records in the
 * kernel, the other one (the wire) sees the bytes and has the user engine.
 * For one test program; cmocka.h must be included before.
 */
#ifndef MILLRACE_TESTS_KERNEL_PAIR_H
#define MILLRACE_TESTS_KERNEL_PAIR_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kinds.h"
#include "tls/engine_kernel.h"
#include "tls/engine_user.h"

#define WAIT_S 5
#define RECORD_MAX (TLS_RECORD_PLAIN_MAX + TLS_RECORD_OVERHEAD_MAX)

struct pair {
	int kernel;		     /* whose records the kernel makes */
	int wire;		     /* where they can be seen */
	struct tls_direction tx, rx; /* as the wire's end has them */
};

static struct tls_aead *aead;
static bool have_ulp;
static uint8_t content[TLS_RECORD_PLAIN_MAX];

static inline void set_timeouts(int fd)
{
	struct timeval wait = {.tv_sec = WAIT_S};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static inline void connect_pair(int *ret_one, int *ret_other)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &size),
			 0);
	*ret_one = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*ret_one, (struct sockaddr *)&addr, size), 0);
	*ret_other = accept(listener, NULL, NULL);
	assert_true(*ret_other >= 0);
	close(listener);
	set_timeouts(*ret_one);
	set_timeouts(*ret_other);
}

/* Sequence and nonce as after some records, one byte short of a carry. */
static inline struct pair open_pair(const struct kind *kind)
{
	struct pair pair = {
		.tx = kind_direction(kind, 1),
		.rx = kind_direction(kind, 2),
	};

	pair.tx.sequence = 0x1fe;
	pair.rx.sequence = 0x2fe;
	pair.tx.nonce = 0x30000000000000ff;
	pair.rx.nonce = 0x40000000000000ff;
	connect_pair(&pair.kernel, &pair.wire);
	assert_int_equal(engine_kernel_attach(pair.kernel), 0);
	return pair;
}

static inline void install(struct pair *pair)
{
	struct tls_direction rx = pair->tx;

	rx.nonce = 0; /* only who sends has one */
	assert_int_equal(engine_kernel_install(pair->kernel, ENGINE_KERNEL_TX,
					       &pair->rx),
			 0);
	assert_int_equal(
		engine_kernel_install(pair->kernel, ENGINE_KERNEL_RX, &rx), 0);
}

static inline struct pair open_installed(const struct kind *kind)
{
	struct pair pair = open_pair(kind);

	install(&pair);
	return pair;
}

static inline void close_pair(const struct pair *pair)
{
	close(pair->kernel);
	close(pair->wire);
}

static inline void read_exactly(int fd, uint8_t *bytes, size_t size)
{
	assert_int_equal(recv(fd, bytes, size, MSG_WAITALL), size);
}

/* The record that the kernel made must be, to the byte, the one that the user
 * engine would have made. */
static inline void assert_kernel_sealed(struct pair *pair,
					enum tls_record_type type,
					const uint8_t *want, size_t size)
{
	static uint8_t record[RECORD_MAX], ours[RECORD_MAX], opened[RECORD_MAX];
	struct tls_direction same = pair->rx;
	size_t sealed = tls_record_sealed_size(&pair->rx, size), inner;
	uint8_t inner_type;

	read_exactly(pair->wire, record, TLS_RECORD_HEADER);
	assert_int_equal(tls_record_size(&pair->rx, record, TLS_RECORD_HEADER),
			 sealed);
	read_exactly(pair->wire, record + TLS_RECORD_HEADER,
		     sealed - TLS_RECORD_HEADER);
	assert_int_equal(tls_record_seal(aead, &same, type, want, size, ours),
			 0);
	assert_memory_equal(record, ours, sealed);
	assert_int_equal(tls_record_open(aead, &pair->rx, record, sealed,
					 opened, &inner_type, &inner),
			 0);
	assert_int_equal(inner_type, type);
	assert_int_equal(inner, size);
	assert_memory_equal(opened, want, size);
	pair->rx.nonce = same.nonce;
}

static inline void put(struct pair *pair, int type, const uint8_t *bytes,
		       size_t size)
{
	static uint8_t record[RECORD_MAX];
	size_t sealed = tls_record_sealed_size(&pair->tx, size);

	assert_int_equal(tls_record_seal(aead, &pair->tx,
					 (enum tls_record_type)type, bytes,
					 size, record),
			 0);
	assert_int_equal(send(pair->wire, record, sealed, 0), sealed);
}

/* Waits; a kernel may say that it is ready before a record is whole. */
static inline ssize_t receive(const struct pair *pair, uint8_t *bytes,
			      size_t size, uint8_t *ret_type)
{
	for (int i = 0; i < 100; i++) {
		struct pollfd poll_fd = {.fd = pair->kernel, .events = POLLIN};
		ssize_t n;

		assert_int_equal(poll(&poll_fd, 1, WAIT_S * 1000), 1);
		n = engine_kernel_receive(pair->kernel, bytes, size, ret_type);
		if (n != -EAGAIN)
			return n;
	}
	return -EAGAIN;
}

static inline void assert_kernel_opens(const struct pair *pair, uint8_t type,
				       const uint8_t *want, size_t size)
{
	static uint8_t bytes[TLS_RECORD_PLAIN_MAX + 1];
	size_t have = 0;

	while (have < size) {
		uint8_t got_type = 0;
		ssize_t n = receive(pair, bytes + have, sizeof(bytes) - have,
				    &got_type);

		assert_true(n > 0);
		assert_int_equal(got_type, type);
		have += (size_t)n;
	}
	assert_int_equal(have, size);
	assert_memory_equal(bytes, want, size);
}

static inline int kernel_setup(void **state)
{
	int one, other, r;

	(void)state;
	aead = tls_aead_new();
	if (!aead)
		return -1;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 ^ i >> 8);
	connect_pair(&one, &other);
	r = engine_kernel_attach(one);
	have_ulp = r == 0;
	close(one);
	close(other);
	return r == 0 || r == -ENOENT ? 0 : -1;
}

static inline int kernel_teardown(void **state)
{
	(void)state;
	tls_aead_free(aead);
	return 0;
}

#endif
