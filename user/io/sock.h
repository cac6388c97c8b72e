/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock: what the kernel says of a connected TCP socket's end (tcp(7)).
 *
 * Neither call blocks or changes anything.
 */
#ifndef MILLRACE_IO_SOCK_H
#define MILLRACE_IO_SOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Whether nothing will pass any more: both ends have said FIN and had it
 * acknowledged, or there was a reset. */
bool sock_over(int fd);

/*
 * How many bytes, a FIN among them, the peer's kernel has not acknowledged.
 * 0, or -errno: -ECONNRESET nobody will acknowledge them any more.
 */
int sock_unsent(int fd, uint32_t *ret_bytes)
	__attribute__((warn_unused_result));

#endif
