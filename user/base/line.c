/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/line.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

/* What may still follow any byte: a quote, a brace, a newline. */
#define TAIL 3

void line_begin(struct line *line, char *text, size_t size,
		enum line_format format)
{
	assert(size >= LINE_SIZE_MIN);
	*line = (struct line){.text = text, .size = size, .format = format};
	if (format == LINE_JSON)
		line->text[line->used++] = '{';
}

static size_t room(const struct line *line)
{
	size_t used = line->used + TAIL;

	return used < line->size ? line->size - used : 0;
}

/* The whole word or nothing: half an escape would be another value. */
static bool put(struct line *line, const char *word, size_t size)
{
	if (size > room(line))
		return false;
	memcpy(line->text + line->used, word, size);
	line->used += size;
	return true;
}

static bool plain(const char *value)
{
	if (!*value || strcmp(value, "-") == 0)
		return false;
	for (const char *c = value; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"\\=", *c))
			return false;
	return true;
}

/* What could end the value or the line is escaped; the journal's values need
 * no more than that. */
static void put_escaped(struct line *line, const char *value)
{
	const char *backslash = line->format == LINE_JSON ? "\\\\" : "\\";
	bool quoted = line->format != LINE_JOURNAL;

	for (const char *c = value; *c; c++) {
		char escape[8];
		int size;

		if (quoted && (*c == '"' || *c == '\\'))
			size = snprintf(escape, sizeof(escape), "\\%c", *c);
		else if (*c < ' ' || *c > '~')
			size = snprintf(escape, sizeof(escape), "%sx%02x",
					backslash, (unsigned char)*c);
		else
			size = snprintf(escape, sizeof(escape), "%c", *c);
		if (!put(line, escape, (size_t)size))
			break;
	}
}

static void put_quoted(struct line *line, const char *value)
{
	line->text[line->used++] = '"';
	put_escaped(line, value);
	line->text[line->used++] = '"';
}

static int key_format(const struct line *line, const char *key, char *text,
		      size_t size)
{
	bool first = line->used == (line->format == LINE_JSON ? 1U : 0U);
	int used;

	if (line->format == LINE_JSON)
		return snprintf(text, size, "%s\"%s\":", first ? "" : ",", key);
	if (line->format == LINE_TEXT)
		return snprintf(text, size, "%s%s=", first ? "" : " ", key);
	used = snprintf(text, size, "%sMILLRACE_%s=", first ? "" : "\n", key);
	for (char *c = text; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return used;
}

/* False when there is no room for the key and a short value. */
static bool put_key(struct line *line, const char *key)
{
	char text[64];
	int size = key_format(line, key, text, sizeof(text));

	/* A number has 20 digits at most. */
	if ((size_t)size + 24 > room(line))
		return false;
	return put(line, text, (size_t)size);
}

void line_text(struct line *line, const char *key, const char *value)
{
	bool json = line->format == LINE_JSON;

	if (line->format == LINE_JOURNAL && !value)
		return;
	if (!put_key(line, key))
		return;
	if (!value)
		put(line, json ? "null" : "-", json ? 4 : 1);
	else if (line->format == LINE_JOURNAL)
		put_escaped(line, value);
	else if (!json && plain(value) && strlen(value) < room(line))
		put(line, value, strlen(value));
	else
		put_quoted(line, value);
}

void line_number(struct line *line, const char *key, unsigned long long value)
{
	char text[24];
	int size = snprintf(text, sizeof(text), "%llu", value);

	if (put_key(line, key))
		put(line, text, (size_t)size);
}

void line_time(struct line *line, const char *key)
{
	char text[CLOCK_TEXT_MAX];

	/* The journal has its own. */
	if (line->format != LINE_JOURNAL)
		line_text(line, key, clock_text(text));
}

void line_message(struct line *line, const char *message)
{
	static const char key[] = "MESSAGE=";

	if (line->format != LINE_JOURNAL)
		return;
	put(line, key, sizeof(key) - 1);
	put_escaped(line, message);
}

size_t line_end(struct line *line)
{
	if (line->format == LINE_JSON)
		line->text[line->used++] = '}';
	if (line->format == LINE_JOURNAL)
		line->text[line->used++] = '\n';
	line->text[line->used++] = '\n';
	return line->used;
}
