/* SPDX-License-Identifier: BSD-2-Clause */
/* What strangers send first: a ClientHello, whole or in part, or anything. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "file.h"
#include "tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct hello hello;
	size_t need = 0;
	int r = hello_read(bytes, size, &hello, &need);

	if (r == -EAGAIN) {
		assert(need > size && need <= HELLO_BYTES_MAX);
	} else if (r == 0) {
		assert(memchr(hello.name, '\0', sizeof(hello.name)));
		for (const char *c = hello.name; *c; c++)
			assert(!isupper((unsigned char)*c));
	} else {
		assert(r == -EMSGSIZE || r == -EPROTO);
	}
	return 0;
}
