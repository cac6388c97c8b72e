/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/utf8.h"

size_t utf8_take(const char *text, uint32_t *ret_code)
{
	const unsigned char *c = (const unsigned char *)text;
	uint32_t value;
	size_t size;

	*ret_code = *c;
	if (*c < 0x80)
		return 1;
	if (*c < 0xc2 || *c > 0xf4)
		return 0;
	size = *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : 4;
	value = *c & (0x7fU >> size);
	for (size_t i = 1; i < size; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (c[i] & 0x3f);
	}
	/* overlong, a surrogate, or beyond the last */
	if ((size == 3 && value < 0x800) || (size == 4 && value < 0x10000) ||
	    (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
		return 0;
	*ret_code = value;
	return size;
}
