/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring: one io_uring, its operations, and the provided buffers' group.
 *
 * Belongs to the thread that called ring_init(); nobody else may touch it.
 * Sockets are in blocking mode: a request that would block waits in the
 * kernel and completes when it is done.
 */
#ifndef MILLRACE_IO_RING_H
#define MILLRACE_IO_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * One request in flight, embedded in its owner, its address being the
 * request's user_data. The owner's memory must stay until done was called
 * for the last time (armed is then false). res is the result or -errno.
 */
struct op {
	uint32_t magic;
	bool armed;
	void (*done)(struct op *op, int res, unsigned int flags);
};

struct ring {
	struct io_uring uring;
	unsigned int in_flight; /* armed ops, for those who wait for none */
	bool can_gather;
	unsigned int gather_us;
	unsigned int gather_waits; /* so many are still to come */
};

void op_init(struct op *op,
	     void (*done)(struct op *op, int res, unsigned int flags));

/* 0 or -errno with words (-EPERM, -ENOSYS: io_uring is not to be had). */
int ring_init(struct ring *ring, unsigned int entries, struct err *err)
	__attribute__((warn_unused_result));

/* Everything in flight must have completed, or it is dropped. */
void ring_fini(struct ring *ring);

/* Each arms op, which must not be armed. */

/* done is called once per connection, until flags lack IORING_CQE_F_MORE. */
void ring_accept(struct ring *ring, struct op *op, int fd);
void ring_connect(struct ring *ring, struct op *op, int fd,
		  const struct addr *addr);
void ring_recv(struct ring *ring, struct op *op, int fd, void *bytes,
	       size_t size);
/* Completes at once, with -EAGAIN when nothing is there. */
void ring_recv_now(struct ring *ring, struct op *op, int fd, void *bytes,
		   size_t size);
/* The buffer is taken from the group only when data is there (buf.h). */
void ring_recv_select(struct ring *ring, struct op *op, int fd, int group);
/* May send less than size. */
void ring_send(struct ring *ring, struct op *op, int fd, const void *bytes,
	       size_t size);
/* More is likely to follow: the kernel may wait 200 ms for it (MSG_MORE,
 * send(2)). */
void ring_send_more(struct ring *ring, struct op *op, int fd, const void *bytes,
		    size_t size);
/* Completes once, when one of the poll(2) events is there. */
void ring_poll(struct ring *ring, struct op *op, int fd, unsigned int events);
void ring_read(struct ring *ring, struct op *op, int fd, void *bytes,
	       size_t size);

/* Asks for op's end; done is still called. Harmless when not armed. */
void ring_cancel(struct ring *ring, struct op *op);

/*
 * The next few ring_wait() come back with RING_GATHER completions, or with
 * fewer when us microseconds are over; 0: with the first one, as ever. Heeded
 * from Linux 6.12 on (IORING_FEAT_MIN_TIMEOUT).
 */
#define RING_GATHER 8
void ring_gather(struct ring *ring, unsigned int us);

/* Submits, and waits for a completion or wait_ms. 0 or -errno. */
int ring_wait(struct ring *ring, uint64_t wait_ms)
	__attribute__((warn_unused_result));

/* Calls done for what has completed. */
void ring_complete(struct ring *ring);

#endif
