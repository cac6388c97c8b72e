/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_kernel: TLS records in the kernel (linux/tls.h,
 * Documentation/networking/tls.rst).
 *
 * A socket gets the ULP once; then each direction moves in once, at a record
 * boundary. Nothing may be sent or received around the ULP afterwards.
 */
#ifndef MILLRACE_TLS_ENGINE_KERNEL_H
#define MILLRACE_TLS_ENGINE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls/keys.h"

enum engine_kernel_side {
	ENGINE_KERNEL_TX,
	ENGINE_KERNEL_RX,
};

/* 0, or -errno: -ENOENT no such ULP in this kernel, -ENOTCONN not
 * established (the peer may have gone). */
int engine_kernel_attach(int fd) __attribute__((warn_unused_result));

/*
 * Installs the direction's keys with its sequence (and nonce): the first
 * time, or, where the kernel can rekey, again after tls_direction_next().
 * 0, or -errno: -ENOENT/-EINVAL cipher refused, -EBUSY no rekey here.
 */
int engine_kernel_install(int fd, enum engine_kernel_side side,
			  const struct tls_direction *direction)
	__attribute__((warn_unused_result));

/*
 * A kernel that can rekey receives nothing more once a record has begun with a
 * KeyUpdate, though the message may be in pieces and its key is not due yet:
 * lets it go on under the key it has. 0 or -errno.
 */
int engine_kernel_go_on(int fd) __attribute__((warn_unused_result));

/*
 * Keeps what will be sent in records of at most content_max bytes (RFC 6066
 * section 4), once the ULP is attached. 0, or -errno: -ENOPROTOOPT not in this
 * kernel.
 */
int engine_kernel_limit(int fd, uint16_t content_max)
	__attribute__((warn_unused_result));

/*
 * Reads one run of bytes of one record type without blocking. >= 0 bytes and
 * the type (23 for data; 0 bytes of data is the end of the stream), or
 * -errno: -EAGAIN, -EKEYEXPIRED a rekey is due, -EBADMSG, -EMSGSIZE, -EINVAL.
 */
ssize_t engine_kernel_receive(int fd, void *bytes, size_t size,
			      uint8_t *ret_type)
	__attribute__((warn_unused_result));

/*
 * Whether 0 bytes from a receive were the stream's end. They need not be: a
 * record of no data is read as that when one of another type stands behind
 * it.
 */
bool engine_kernel_ended(int fd);

/* Sends one non-data record without blocking. 0 or -errno. */
int engine_kernel_send(int fd, uint8_t type, const void *content, size_t size)
	__attribute__((warn_unused_result));

#endif
