/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/buf.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GROUP_SIZE (BUF_STOCK * sizeof(struct io_uring_buf))

static uint8_t *fresh(struct bufs *bufs)
{
	if (!bufs->spare_count)
		return malloc(BUF_SIZE);
	if (--bufs->spare_count < bufs->spare_least)
		bufs->spare_least = bufs->spare_count;
	return bufs->spare[bufs->spare_count];
}

/* An id whose buffer went to a connection gets another one. Where memory is
 * short the group runs dry, and receives fail with ENOBUFS until buffers
 * come back. */
static void restock(struct bufs *bufs, unsigned int id)
{
	uint8_t *buf = fresh(bufs);

	if (!buf)
		return;
	bufs->stock[id] = buf;
	io_uring_buf_ring_add(bufs->group, buf, BUF_RECV_SIZE,
			      (unsigned short)id,
			      io_uring_buf_ring_mask(BUF_STOCK), 0);
	io_uring_buf_ring_advance(bufs->group, 1);
}

int bufs_init(struct bufs *bufs, struct ring *ring, struct err *err)
{
	struct io_uring_buf_reg reg = {
		.ring_entries = BUF_STOCK,
		.bgid = BUF_GROUP,
	};
	int r;

	memset(bufs, 0, sizeof(*bufs));
	bufs->ring = ring;
	bufs->group = mmap(NULL, GROUP_SIZE, PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (bufs->group == MAP_FAILED)
		return err_set(err, errno,
			       "no memory for the ring of buffers: %s",
			       strerror(errno));
	reg.ring_addr = (uintptr_t)bufs->group;
	r = io_uring_register_buf_ring(&ring->uring, &reg, 0);
	if (r) {
		munmap(bufs->group, GROUP_SIZE);
		return err_set(err, -r,
			       "io_uring refuses a ring of provided buffers: "
			       "%s; millrace needs Linux 6.1 or later",
			       strerror(-r));
	}
	io_uring_buf_ring_init(bufs->group);
	for (unsigned int id = 0; id < BUF_STOCK; id++)
		restock(bufs, id);
	return 0;
}

void bufs_fini(struct bufs *bufs)
{
	io_uring_unregister_buf_ring(&bufs->ring->uring, BUF_GROUP);
	for (unsigned int id = 0; id < BUF_STOCK; id++)
		free(bufs->stock[id]);
	while (bufs->spare_count)
		free(bufs->spare[--bufs->spare_count]);
	munmap(bufs->group, GROUP_SIZE);
}

uint8_t *buf_take(struct bufs *bufs)
{
	uint8_t *buf = fresh(bufs);

	if (buf)
		bufs->taken++;
	return buf;
}

uint8_t *buf_claim(struct bufs *bufs, unsigned int flags)
{
	unsigned int id = flags >> IORING_CQE_BUFFER_SHIFT;
	uint8_t *buf;

	assert((flags & IORING_CQE_F_BUFFER) && id < BUF_STOCK);
	buf = bufs->stock[id];
	assert(buf);
	bufs->stock[id] = NULL;
	bufs->taken++;
	restock(bufs, id);
	return buf;
}

static void discard(struct bufs *bufs, uint8_t *buf)
{
	OPENSSL_cleanse(buf, BUF_SIZE);
	free(buf);
	bufs->freed = true;
}

void buf_give(struct bufs *bufs, uint8_t *buf)
{
	if (!buf)
		return;
	assert(bufs->taken);
	bufs->taken--;
	for (unsigned int id = 0; id < BUF_STOCK; id++) {
		if (bufs->stock[id])
			continue;
		bufs->spare[bufs->spare_count++] = buf;
		restock(bufs, id);
		return;
	}
	if (bufs->spare_count < BUF_SPARE_MAX) {
		bufs->spare[bufs->spare_count++] = buf;
		return;
	}
	discard(bufs, buf);
}

void bufs_trim(struct bufs *bufs)
{
	/* More come back than are kept, and will be wanted again. */
	bool crowded = bufs->freed;
	unsigned int unused = bufs->spare_least > BUF_SPARE_MIN
				      ? bufs->spare_least - BUF_SPARE_MIN
				      : 0;

	/* Taken from the end: those at the front are in no cache any more. */
	for (unsigned int i = 0; i < unused; i++)
		discard(bufs, bufs->spare[i]);
	bufs->spare_count -= unused;
	memmove(bufs->spare, bufs->spare + unused,
		bufs->spare_count * sizeof(bufs->spare[0]));
	bufs->loose = bufs->loose || bufs->freed;
	if (bufs->loose && !crowded) {
		malloc_trim(0);
		bufs->loose = false;
	}
	bufs->spare_least = bufs->spare_count;
	bufs->freed = false;
}
