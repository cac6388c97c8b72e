/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/page.h"

#include <stdlib.h>
#include <string.h>

/* The file's bytes, from the assembler's .incbin. */
__asm__(".section .rodata\n"
	".global page_html\n"
	"page_html:\n"
	".incbin \"page.html\"\n"
	"1:\n"
	".balign 8\n"
	".global page_html_size\n"
	"page_html_size:\n"
	".quad 1b - page_html\n"
	".previous\n");

extern const char page_html[];
extern const unsigned long long page_html_size;

void page_get(const struct request *request, struct answer *ret)
{
	(void)request;
	ret->status = 200;
	ret->type = "text/html; charset=UTF-8";
	ret->body = malloc(page_html_size);
	if (!ret->body)
		return;
	memcpy(ret->body, page_html, page_html_size);
	ret->size = page_html_size;
}
