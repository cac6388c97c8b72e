/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hex: test vectors as the documents print them.
 */
#ifndef MILLRACE_TESTS_HEX_H
#define MILLRACE_TESTS_HEX_H

#include <assert.h>
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes from hex digits (lower case; spaces are skipped); how many. */
static inline size_t hex(const char *text, uint8_t *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t nibbles = 0;

	for (; *text; text++) {
		const char *digit = strchr(digits, *text);

		if (isspace((unsigned char)*text))
			continue;
		assert(digit && nibbles / 2 < size);
		if (nibbles % 2 == 0)
			out[nibbles / 2] = (uint8_t)((digit - digits) << 4);
		else
			out[nibbles / 2] |= (uint8_t)(digit - digits);
		nibbles++;
	}
	assert(nibbles % 2 == 0);
	return nibbles / 2;
}

#endif
