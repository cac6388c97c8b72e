/* SPDX-License-Identifier: BSD-2-Clause */
/* same: whether two texts that need not be there are the same. */
#ifndef MILLRACE_BASE_SAME_H
#define MILLRACE_BASE_SAME_H

#include <stdbool.h>
#include <string.h>

/* Either may be NULL, which is the same as NULL only. */
static inline bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

#endif
