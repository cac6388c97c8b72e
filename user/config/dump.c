/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/dump.h"

#include <string.h>

#include "base/text.h"

#define DEPTH_LISTED 2 /* from there on a map stands in one line */

static void put_map(struct text *text, const struct schema *schema,
		    const void *data, unsigned int depth);

/* Every struct that a table describes begins with its line. */
static bool is_absent(const void *map)
{
	return *(const int *)map == 0;
}

/* Whether it means something where it was left out: settings do, by their
 * presets; a certificate does not. */
static bool has_presets(const struct schema *schema)
{
	for (const struct schema_field *field = schema->fields; field->name;
	     field++)
		if (field->required || (field->kind != SCHEMA_NUMBER &&
					field->kind != SCHEMA_DURATION &&
					field->kind != SCHEMA_WORD))
			return false;
	return true;
}

static void put_text(struct text *text, const struct schema_field *field,
		     const struct schema_text *value)
{
	text_json(text,
		  value->text && field->secret ? "[redacted]" : value->text);
}

static void put_addr(struct text *text, const struct schema_addr *value)
{
	char words[ADDR_TEXT_MAX];

	text_json(text, value->line ? addr_format(&value->addr, words) : NULL);
}

static void put_word(struct text *text, const struct schema_field *field,
		     int value)
{
	const struct schema_word *word = field->words;

	while (word->word && word->value != value)
		word++;
	text_json(text, word->word);
}

/* As the file could say it; what is unlimited is 0. */
static void put_duration(struct text *text, uint64_t ms)
{
	if (ms && ms % 1000 == 0)
		text_format(text, "\"%llus\"", (unsigned long long)ms / 1000);
	else
		text_format(text, ms ? "\"%llums\"" : "\"%llu\"",
			    (unsigned long long)ms);
}

static void put_list(struct text *text, const struct schema_field *field,
		     const void *at, unsigned int depth)
{
	/* The three lists have one shape: items, count, line. */
	const struct schema_maps *list = at;
	size_t size = field->kind == SCHEMA_TEXTS   ? sizeof(struct schema_text)
		      : field->kind == SCHEMA_ADDRS ? sizeof(struct schema_addr)
						    : field->map->size;

	text_word(text, "[");
	for (size_t i = 0; i < list->count; i++) {
		const void *item = (const char *)list->items + i * size;

		text_word(text, i ? "," : "");
		if (field->kind == SCHEMA_TEXTS)
			put_text(text, field, item);
		else if (field->kind == SCHEMA_ADDRS)
			put_addr(text, item);
		else
			put_map(text, field->map, item, depth + 1);
	}
	text_word(text, "]");
}

static void put_field(struct text *text, const struct schema_field *field,
		      const void *at, unsigned int depth)
{
	uint64_t number;

	switch (field->kind) {
	case SCHEMA_TEXT:
		put_text(text, field, at);
		break;
	case SCHEMA_WORD:
		put_word(text, field, *(const int *)at);
		break;
	case SCHEMA_NUMBER:
		memcpy(&number, at, sizeof(number));
		text_number(text, number);
		break;
	case SCHEMA_DURATION:
		memcpy(&number, at, sizeof(number));
		put_duration(text, number);
		break;
	case SCHEMA_ADDR:
		put_addr(text, at);
		break;
	case SCHEMA_MAP:
		if (is_absent(at) && !has_presets(field->map))
			text_word(text, "null");
		else
			put_map(text, field->map, at, depth + 1);
		break;
	case SCHEMA_TEXTS:
	case SCHEMA_ADDRS:
	case SCHEMA_MAPS:
		put_list(text, field, at, depth);
		break;
	}
}

static void put_map(struct text *text, const struct schema *schema,
		    const void *data, unsigned int depth)
{
	text_word(text, "{");
	for (const struct schema_field *field = schema->fields; field->name;
	     field++) {
		text_word(text, field == schema->fields ? "" : ",");
		if (depth <= DEPTH_LISTED)
			text_format(text, "\n%*s", (int)depth, "");
		text_json(text, field->name);
		text_word(text, ":");
		put_field(text, field, (const char *)data + field->offset,
			  depth);
	}
	text_word(text, "}");
}

int dump_document(const struct document *document, char **ret_json)
{
	struct text text = {0};
	size_t size;

	put_map(&text, &document_schema, document, 1);
	return text_take(&text, ret_json, &size);
}
