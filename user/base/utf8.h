/* SPDX-License-Identifier: BSD-2-Clause */
/* utf8: characters of a text that need not be UTF-8 (RFC 3629). */
#ifndef MILLRACE_BASE_UTF8_H
#define MILLRACE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The character that text begins with; how many bytes it has, or 0 where it is
 * none: a byte out of place, an overlong form, a surrogate, beyond U+10FFFF.
 * text ends with a NUL, which is a character of one byte.
 */
size_t utf8_take(const char *text, uint32_t *ret_code);

#endif
