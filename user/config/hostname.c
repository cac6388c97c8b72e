/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/hostname.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool hostname_valid(const char *name)
{
	size_t size = strlen(name), label = 0;

	if (size > 254)
		return false;
	for (const char *at = name; *at; at++) {
		if (*at == '.' ? !label
			       : !isalnum((unsigned char)*at) &&
					 !strchr("-_", *at))
			return false;
		label = *at == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return true;
}
