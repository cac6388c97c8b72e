/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buf: a worker's data buffers.
 *
 * A buffer is BUF_SIZE bytes. Some stand in the ring's provided group, so
 * that an idle connection holds none: a receive that selects from the group
 * completes with a buffer id, and buf_claim() makes that buffer the caller's.
 * buf_take() gives one without the ring. Each ends with buf_give().
 */
#ifndef MILLRACE_IO_BUF_H
#define MILLRACE_IO_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "io/ring.h"

#define BUF_GROUP 1
/* What a receive fills at most: eight full TLS records. Half as much costs a
 * tenth more CPU per byte; twice as much gains nothing (bench/README.md). */
#define BUF_RECV_SIZE 131072
/* Room for BUF_RECV_SIZE sealed in records of 512 bytes, the smallest
 * fragment limit of RFC 6066 section 4. */
#define BUF_SIZE (BUF_RECV_SIZE + 16384)
#define BUF_STOCK 16	 /* how many stand in the group; a power of two */
#define BUF_SPARE_MAX 64 /* free buffers kept for reuse */
#define BUF_SPARE_MIN 8	 /* ... though nobody took them for a while */

struct bufs {
	struct ring *ring;
	struct io_uring_buf_ring *group;
	uint8_t *stock[BUF_STOCK]; /* by buffer id; NULL: with a connection */
	uint8_t *spare[BUF_SPARE_MAX];
	unsigned int spare_count;
	unsigned int taken; /* buffers that connections hold */
	/* since bufs_trim() */
	unsigned int spare_least;
	bool freed;
	bool loose; /* what was freed, before that too, is the heap's still */
};

int bufs_init(struct bufs *bufs, struct ring *ring, struct err *err)
	__attribute__((warn_unused_result));

/* After the last completion; buffers that were not given back leak. */
void bufs_fini(struct bufs *bufs);

/* NULL when memory is short. */
uint8_t *buf_take(struct bufs *bufs);

/* The buffer that a completion's flags name (IORING_CQE_F_BUFFER). */
uint8_t *buf_claim(struct bufs *bufs, unsigned int flags);

/* NULL is allowed. */
void buf_give(struct bufs *bufs, uint8_t *buf);

/* Every few seconds: frees what was spare all the time since the last call;
 * once a crowd is gone the system gets its memory back. */
void bufs_trim(struct bufs *bufs);

#endif
