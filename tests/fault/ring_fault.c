/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring_fault: the daemon's ring, buffers and kernel, made to misbehave.
 *
 * Linked into a millrace of its own with the linker's --wrap, so that the
 * product has no switch for it. MILLRACE_FAULT says what goes wrong and how
 * often, in one of so many calls: "short=2,nobufs=8,emfile=16". Which calls
 * they are follows from MILLRACE_FAULT_SEED and is the same in each run of a
 * worker.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/buf.h"
#include "io/ring.h"
#include "tls/engine_kernel.h"

#define FAULTS(F)                                                           \
	F(SHORT, "short")		  /* a few bytes per call */        \
	F(NOBUFS, "nobufs")		  /* ENOBUFS from a receive */      \
	F(EMFILE, "emfile")		  /* EMFILE from an accept */       \
	F(ACCEPT_NOBUFS, "accept_nobufs") /* ENOBUFS from an accept */      \
	F(CONNECT, "connect")		  /* ECONNREFUSED */                \
	F(SEND_RESET, "send_reset")	  /* ECONNRESET from a send */      \
	F(RECV_RESET, "recv_reset")	  /* ECONNRESET from a receive */   \
	F(NO_MEMORY, "no_memory")	  /* no buffer to be had */         \
	F(POLL, "poll")			  /* waits by poll(2), see there */ \
	F(NO_TX, "no_tx")   /* the kernel takes no key to send */           \
	F(NO_RX, "no_rx")   /* ... none to receive */                       \
	F(NO_ULP, "no_ulp") /* ... has no TLS */

enum fault {
#define FAULT_ENUM(name, word) FAULT_##name,
	FAULTS(FAULT_ENUM)
#undef FAULT_ENUM
	FAULT_COUNT
};

static const char *const fault_words[] = {
#define FAULT_WORD(name, word) [FAULT_##name] = word,
	FAULTS(FAULT_WORD)
#undef FAULT_WORD
};

/* One in so many; 0: never. */
static unsigned int rates[FAULT_COUNT];
static int null_fd = -1;
static unsigned long seed = 1;
static _Thread_local unsigned long state;

/* An operation that is to fail: it reads from /dev/null, and its owner is
 * told something else. */
struct failing {
	struct op *op;
	void (*done)(struct op *op, int res, unsigned int flags);
	int res;
};
static _Thread_local struct failing failing[4096];

void __real_ring_accept(struct ring *ring, struct op *op, int fd);
void __real_ring_connect(struct ring *ring, struct op *op, int fd,
			 const struct addr *addr);
void __real_ring_recv(struct ring *ring, struct op *op, int fd, void *bytes,
		      size_t size);
void __real_ring_recv_select(struct ring *ring, struct op *op, int fd,
			     int group);
void __real_ring_send(struct ring *ring, struct op *op, int fd,
		      const void *bytes, size_t size);
uint8_t *__real_buf_take(struct bufs *bufs);
void __wrap_ring_accept(struct ring *ring, struct op *op, int fd);
void __wrap_ring_connect(struct ring *ring, struct op *op, int fd,
			 const struct addr *addr);
void __wrap_ring_recv(struct ring *ring, struct op *op, int fd, void *bytes,
		      size_t size);
void __wrap_ring_recv_select(struct ring *ring, struct op *op, int fd,
			     int group);
void __wrap_ring_send(struct ring *ring, struct op *op, int fd,
		      const void *bytes, size_t size);
uint8_t *__wrap_buf_take(struct bufs *bufs);
int __real_ring_wait(struct ring *ring, uint64_t wait_ms);
int __wrap_ring_wait(struct ring *ring, uint64_t wait_ms);
int __real_engine_kernel_install(int fd, enum engine_kernel_side side,
				 const struct tls_direction *direction);
int __wrap_engine_kernel_install(int fd, enum engine_kernel_side side,
				 const struct tls_direction *direction);
int __real_engine_kernel_attach(int fd);
int __wrap_engine_kernel_attach(int fd);

__attribute__((constructor)) static void read_faults(void)
{
	const char *text = getenv("MILLRACE_FAULT");
	const char *number = getenv("MILLRACE_FAULT_SEED");
	char copy[256], *at = copy, *item;

	snprintf(copy, sizeof(copy), "%s", text ? text : "");
	while ((item = strsep(&at, ",")) != NULL) {
		char *rate = strchr(item, '=');
		int known = 0;

		if (!rate)
			continue;
		*rate++ = '\0';
		for (int i = 0; i < FAULT_COUNT; i++) {
			if (strcmp(item, fault_words[i]) == 0) {
				rates[i] =
					(unsigned int)strtoul(rate, NULL, 10);
				known = 1;
			}
		}
		/* A test whose fault never happens would prove nothing. */
		if (!known)
			abort();
	}
	if (number)
		seed = strtoul(number, NULL, 10);
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* xorshift64 */
static unsigned long draw(void)
{
	if (!state)
		state = seed * 0x9e3779b97f4a7c15UL + 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int strikes(enum fault fault)
{
	return rates[fault] && draw() % rates[fault] == 0;
}

static size_t shorten(size_t size)
{
	static const size_t sizes[] = {1, 2, 5, 13, 100, 1000, 16384};
	size_t most = sizes[draw() % (sizeof(sizes) / sizeof(sizes[0]))];

	return strikes(FAULT_SHORT) && most < size ? most : size;
}

static void failed(struct op *op, int res, unsigned int flags)
{
	size_t slot = ((uintptr_t)op / 16) % 4096;

	(void)res;
	(void)flags;
	while (failing[slot].op != op)
		slot = (slot + 1) % 4096;
	failing[slot].op = NULL;
	op->done = failing[slot].done;
	op->done(op, failing[slot].res, 0);
}

static void fail(struct ring *ring, struct op *op, int error)
{
	static char byte;
	size_t slot = ((uintptr_t)op / 16) % 4096;

	while (failing[slot].op)
		slot = (slot + 1) % 4096;
	failing[slot] = (struct failing){op, op->done, -error};
	op->done = failed;
	ring_read(ring, op, null_fd, &byte, 1);
}

void __wrap_ring_accept(struct ring *ring, struct op *op, int fd)
{
	if (strikes(FAULT_EMFILE))
		fail(ring, op, EMFILE);
	else if (strikes(FAULT_ACCEPT_NOBUFS))
		fail(ring, op, ENOBUFS);
	else
		__real_ring_accept(ring, op, fd);
}

void __wrap_ring_connect(struct ring *ring, struct op *op, int fd,
			 const struct addr *addr)
{
	if (strikes(FAULT_CONNECT))
		fail(ring, op, ECONNREFUSED);
	else
		__real_ring_connect(ring, op, fd, addr);
}

void __wrap_ring_recv(struct ring *ring, struct op *op, int fd, void *bytes,
		      size_t size)
{
	if (strikes(FAULT_RECV_RESET))
		fail(ring, op, ECONNRESET);
	else
		__real_ring_recv(ring, op, fd, bytes, shorten(size));
}

void __wrap_ring_recv_select(struct ring *ring, struct op *op, int fd,
			     int group)
{
	if (strikes(FAULT_RECV_RESET))
		fail(ring, op, ECONNRESET);
	else if (strikes(FAULT_NOBUFS))
		fail(ring, op, ENOBUFS);
	else
		__real_ring_recv_select(ring, op, fd, group);
}

void __wrap_ring_send(struct ring *ring, struct op *op, int fd,
		      const void *bytes, size_t size)
{
	if (strikes(FAULT_SEND_RESET))
		fail(ring, op, ECONNRESET);
	else
		__real_ring_send(ring, op, fd, bytes, shorten(size));
}

uint8_t *__wrap_buf_take(struct bufs *bufs)
{
	return strikes(FAULT_NO_MEMORY) ? NULL : __real_buf_take(bufs);
}

/* valgrind runs one thread at a time, and takes io_uring_enter(2) for a call
 * that does not wait: nobody else would ever run. Deferred completions do not
 * wake poll(2), so it is short. */
int __wrap_ring_wait(struct ring *ring, uint64_t wait_ms)
{
	struct pollfd ready = {.fd = ring->uring.ring_fd, .events = POLLIN};
	int r;

	if (!strikes(FAULT_POLL))
		return __real_ring_wait(ring, wait_ms);
	r = __real_ring_wait(ring, 0);
	if (r < 0 || io_uring_cq_ready(&ring->uring))
		return r;
	poll(&ready, 1, wait_ms < 3 ? (int)wait_ms : 3);
	return __real_ring_wait(ring, 0);
}

int __wrap_engine_kernel_install(int fd, enum engine_kernel_side side,
				 const struct tls_direction *direction)
{
	return strikes(side == ENGINE_KERNEL_TX ? FAULT_NO_TX : FAULT_NO_RX)
		       ? -EBUSY
		       : __real_engine_kernel_install(fd, side, direction);
}

int __wrap_engine_kernel_attach(int fd)
{
	return strikes(FAULT_NO_ULP) ? -ENOENT
				     : __real_engine_kernel_attach(fd);
}
