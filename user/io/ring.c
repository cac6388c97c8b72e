/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/ring.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#define OP_MAGIC 0x6f707321U
#define CQ_PER_SQ 8
#define COMPLETIONS_PER_TURN 256
#define AHEAD 4
/* For what was received: its send, a receive that does not wait, and the one
 * that does. */
#define GATHER_WAITS 4
/* Known to <linux/io_uring.h> from 6.12 on. */
#define FEAT_MIN_TIMEOUT (1U << 15)

/* struct io_uring_getevents_arg, whose third field is padding before 6.12. */
struct wait_arg {
	uint64_t sigmask;
	uint32_t sigmask_size;
	uint32_t min_wait_us;
	uint64_t timeout;
};
_Static_assert(sizeof(struct wait_arg) == sizeof(struct io_uring_getevents_arg),
	       "as in <linux/io_uring.h>");

void op_init(struct op *op,
	     void (*done)(struct op *op, int res, unsigned int flags))
{
	op->magic = OP_MAGIC;
	op->armed = false;
	op->done = done;
}

int ring_init(struct ring *ring, unsigned int entries, struct err *err)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
			 IORING_SETUP_CLAMP,
		.cq_entries = entries * CQ_PER_SQ,
	};
	int r = io_uring_queue_init_params(entries, &ring->uring, &params);

	ring->in_flight = 0;
	ring->gather_waits = 0;
	ring->can_gather = r >= 0 && (params.features & FEAT_MIN_TIMEOUT);
	if (r < 0)
		return err_set(err, -r,
			       "io_uring cannot be set up: %s; millrace needs "
			       "Linux 6.1 or later with io_uring permitted "
			       "(kernel.io_uring_disabled = 0)",
			       strerror(-r));
	return 0;
}

void ring_fini(struct ring *ring)
{
	io_uring_queue_exit(&ring->uring);
}

static struct io_uring_sqe *take_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	if (sqe)
		return sqe;
	/* The queue is full: what stands in it is handed over early. */
	io_uring_submit(&ring->uring);
	sqe = io_uring_get_sqe(&ring->uring);
	assert(sqe);
	return sqe;
}

/* Goes between prep, which clears user_data, and submission. */
static void arm(struct ring *ring, struct op *op, struct io_uring_sqe *sqe)
{
	assert(op->magic == OP_MAGIC && !op->armed);
	op->armed = true;
	ring->in_flight++;
	io_uring_sqe_set_data(sqe, op);
}

void ring_accept(struct ring *ring, struct op *op, int fd)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	arm(ring, op, sqe);
}

void ring_connect(struct ring *ring, struct op *op, int fd,
		  const struct addr *addr)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_connect(sqe, fd, &addr->any, addr->size);
	arm(ring, op, sqe);
}

static void recv_into(struct ring *ring, struct op *op, int fd, void *bytes,
		      size_t size, int flags)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_recv(sqe, fd, bytes, size, flags);
	arm(ring, op, sqe);
}

void ring_recv(struct ring *ring, struct op *op, int fd, void *bytes,
	       size_t size)
{
	recv_into(ring, op, fd, bytes, size, 0);
}

void ring_recv_now(struct ring *ring, struct op *op, int fd, void *bytes,
		   size_t size)
{
	recv_into(ring, op, fd, bytes, size, MSG_DONTWAIT);
}

void ring_recv_select(struct ring *ring, struct op *op, int fd, int group)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_recv(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = (uint16_t)group;
	arm(ring, op, sqe);
}

static void send_from(struct ring *ring, struct op *op, int fd,
		      const void *bytes, size_t size, int flags)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_send(sqe, fd, bytes, size, MSG_NOSIGNAL | flags);
	arm(ring, op, sqe);
}

void ring_send(struct ring *ring, struct op *op, int fd, const void *bytes,
	       size_t size)
{
	send_from(ring, op, fd, bytes, size, 0);
}

void ring_send_more(struct ring *ring, struct op *op, int fd, const void *bytes,
		    size_t size)
{
	send_from(ring, op, fd, bytes, size, MSG_MORE);
}

void ring_poll(struct ring *ring, struct op *op, int fd, unsigned int events)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_poll_add(sqe, fd, events);
	arm(ring, op, sqe);
}

void ring_read(struct ring *ring, struct op *op, int fd, void *bytes,
	       size_t size)
{
	struct io_uring_sqe *sqe = take_sqe(ring);

	io_uring_prep_read(sqe, fd, bytes, (unsigned int)size, 0);
	arm(ring, op, sqe);
}

void ring_cancel(struct ring *ring, struct op *op)
{
	struct io_uring_sqe *sqe;

	if (!op->armed)
		return;
	sqe = take_sqe(ring);
	io_uring_prep_cancel(sqe, op, 0);
	/* What the cancel itself reports is of no use to anybody. */
	io_uring_sqe_set_data(sqe, NULL);
}

static void complete(struct ring *ring, const struct io_uring_cqe *cqe)
{
	struct op *op = io_uring_cqe_get_data(cqe);

	if (!op)
		return;
	assert(op->magic == OP_MAGIC && op->armed);
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		op->armed = false;
		ring->in_flight--;
	}
	op->done(op, cqe->res, cqe->flags);
}

void ring_gather(struct ring *ring, unsigned int us)
{
	ring->gather_us = us;
	ring->gather_waits = us && ring->can_gather ? GATHER_WAITS : 0;
}

/* liburing 2.3 cannot say it; what it would submit goes first. */
static int wait_for_several(struct ring *ring, struct __kernel_timespec *wait)
{
	struct wait_arg arg = {
		.sigmask_size = _NSIG / 8,
		.min_wait_us = ring->gather_us,
		.timeout = (uintptr_t)wait,
	};
	int r = io_uring_submit(&ring->uring);

	if (r < 0 || io_uring_cq_ready(&ring->uring))
		return r;
	return io_uring_enter2((unsigned int)ring->uring.ring_fd, 0,
			       RING_GATHER,
			       IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
			       (sigset_t *)&arg, sizeof(arg));
}

int ring_wait(struct ring *ring, uint64_t wait_ms)
{
	struct __kernel_timespec wait = {
		.tv_sec = (long long)(wait_ms / 1000),
		.tv_nsec = (long long)(wait_ms % 1000) * 1000000,
	};
	struct io_uring_cqe *first;
	int r;

	if (ring->gather_waits && wait_ms) {
		ring->gather_waits--;
		r = wait_for_several(ring, &wait);
	} else {
		r = io_uring_submit_and_wait_timeout(&ring->uring, &first, 1,
						     &wait, NULL);
	}
	if (r < 0 && r != -ETIME && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		return r;
	return 0;
}

/* The operation, and what it stands in, as far as a lane goes. */
static void prefetch(const char *op)
{
	for (int line = 0; line < 4; line++)
		__builtin_prefetch(op + 64 * line, 1);
}

void ring_complete(struct ring *ring)
{
	struct io_uring_cqe *cqes[COMPLETIONS_PER_TURN];
	unsigned int count;

	count = io_uring_peek_batch_cqe(&ring->uring, cqes,
					COMPLETIONS_PER_TURN);
	for (unsigned int i = 0; i < count; i++) {
		/* Of a crowd none is in the cache any more. */
		if (i + AHEAD < count)
			prefetch(io_uring_cqe_get_data(cqes[i + AHEAD]));
		complete(ring, cqes[i]);
	}
	io_uring_cq_advance(&ring->uring, count);
}
