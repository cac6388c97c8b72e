/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define ROOM_FIRST 4096

/* One byte beyond the room that is asked for is kept for the end. */
static bool reserve(struct text *text, size_t more)
{
	size_t room = text->room ? text->room : ROOM_FIRST;
	char *at;

	if (text->short_of_memory)
		return false;
	if (text->at && text->size + more < text->room)
		return true;
	while (room <= text->size + more)
		room *= 2;
	at = realloc(text->at, room);
	if (!at) {
		text->short_of_memory = true;
		return false;
	}
	text->at = at;
	text->room = room;
	return true;
}

void text_grow(struct text *text, const char *bytes, size_t size)
{
	if (!reserve(text, size))
		return;
	memcpy(text->at + text->size, bytes, size);
	text->size += size;
}

void text_number(struct text *text, unsigned long long value)
{
	char digits[24];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	text_put(text, digits + at, sizeof(digits) - at);
}

void text_format(struct text *text, const char *format, ...)
{
	va_list args;
	char *words = NULL;
	int size;

	va_start(args, format);
	size = vasprintf(&words, format, args);
	va_end(args);
	if (size < 0) {
		text->short_of_memory = true;
		return;
	}
	text_put(text, words, (size_t)size);
	free(words);
}

/* How many bytes from c on stand for themselves in JSON, and are ASCII. */
static size_t plain(const unsigned char *c)
{
	size_t size = 0;

	while (c[size] >= 0x20 && c[size] < 0x7f && c[size] != '"' &&
	       c[size] != '\\')
		size++;
	return size;
}

void text_json_part(struct text *text, const char *value)
{
	const unsigned char *c = (const unsigned char *)value;
	uint32_t code;

	for (;;) {
		size_t size = plain(c);

		text_put(text, (const char *)c, size);
		c += size;
		if (!*c)
			return;
		size = utf8_take((const char *)c, &code);
		if (!size)
			text_word(text, "\\ufffd");
		else if (*c == '"' || *c == '\\')
			text_format(text, "\\%c", *c);
		else if (size == 1)
			text_format(text, "\\u%04x", *c);
		else
			text_put(text, (const char *)c, size);
		c += size ? size : 1;
	}
}

void text_json(struct text *text, const char *value)
{
	if (!value) {
		text_word(text, "null");
		return;
	}
	text_word(text, "\"");
	text_json_part(text, value);
	text_word(text, "\"");
}

int text_take(struct text *text, char **ret, size_t *ret_size)
{
	bool ok = reserve(text, 0);

	if (ok) {
		text->at[text->size] = '\0';
		*ret = text->at;
		*ret_size = text->size;
	} else {
		free(text->at);
	}
	*text = (struct text){0};
	return ok ? 0 : -ENOMEM;
}
