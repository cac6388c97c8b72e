/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text: a growing string, for answers of tens of thousands of lines, which
 * stdio would make several times as costly, and for JSON.
 *
 * Once memory was short everything is dropped, and text_take() tells. Owned
 * by whoever declared it; begins as {0}.
 */
#ifndef MILLRACE_BASE_TEXT_H
#define MILLRACE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
	char *at;
	size_t size;
	size_t room;
	bool short_of_memory;
};

/* What text_put() does where there is no room left. */
void text_grow(struct text *text, const char *bytes, size_t size);

/* Inline: an answer of tens of thousands of lines has ten of these in each. */
static inline void text_put(struct text *text, const char *bytes, size_t size)
{
	if (size >= text->room - text->size) {
		text_grow(text, bytes, size);
		return;
	}
	memcpy(text->at + text->size, bytes, size);
	text->size += size;
}

static inline void text_word(struct text *text, const char *word)
{
	text_put(text, word, strlen(word));
}

void text_number(struct text *text, unsigned long long value);
void text_format(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* value in quotes, escaped (RFC 8259); NULL is null. Bytes that are no UTF-8
 * become U+FFFD. */
void text_json(struct text *text, const char *value);

/* The same without the quotes, for a string of several parts. */
void text_json_part(struct text *text, const char *value);

/*
 * The string, which is the caller's to free; text is empty again. 0 or
 * -ENOMEM, and then nothing is left to free.
 */
int text_take(struct text *text, char **ret, size_t *ret_size)
	__attribute__((warn_unused_result));

#endif
