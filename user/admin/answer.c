/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT "text/plain; charset=UTF-8"

void answer_say(struct answer *ret, unsigned int status, const char *format,
		...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vasprintf(&ret->body, format, args);
	va_end(args);
	if (size < 0)
		ret->body = NULL;
	ret->status = status;
	ret->type = TEXT;
	ret->size = size < 0 ? 0 : (size_t)size;
}

static void take(struct answer *ret, struct text *text, const char *type)
{
	ret->status = 200;
	ret->type = type;
	if (text_take(text, &ret->body, &ret->size))
		ret->body = NULL;
}

void answer_text(struct answer *ret, struct text *text)
{
	take(ret, text, TEXT);
}

void answer_json(struct answer *ret, struct text *text)
{
	take(ret, text, "application/json");
}

bool request_wants(const struct request *request, const char *format)
{
	const char *value = request->value(request, "format");

	return value && strcmp(value, format) == 0;
}
