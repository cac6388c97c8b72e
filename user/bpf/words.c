/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char last[256];

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(last, sizeof(last), format, args);
	last[strcspn(last, "\n")] = '\0';
	return 0;
}

libbpf_print_fn_t words_keep(void)
{
	last[0] = '\0';
	return libbpf_set_print(keep);
}

const char *words_last(void)
{
	return last;
}
