/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hello: what a ClientHello asks for, read without taking part in the
 * handshake (RFC 8446 section 4.1.2, RFC 6066 section 3). Pure.
 */
#ifndef MILLRACE_TLS_HELLO_H
#define MILLRACE_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_NAME_MAX 255
/* Of the message; one that is longer is nobody's who means well. */
#define HELLO_SIZE_MAX 16384
/* With the headers of the records that it may come in. */
#define HELLO_BYTES_MAX (HELLO_SIZE_MAX + 1024)

struct hello {
	char name[HELLO_NAME_MAX + 1]; /* SNI in lower case, "" without */
	bool alpn;
};

/*
 * bytes: a stream's first ones. 0 and *ret; -EAGAIN: more is needed,
 * *ret_need bytes in all; -EMSGSIZE: too long; -EPROTO: no ClientHello, or a
 * malformed one.
 */
int hello_read(const uint8_t *bytes, size_t size, struct hello *ret,
	       size_t *ret_need) __attribute__((warn_unused_result));

#endif
