/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCALAR_MAX 65536

int value_line(const yaml_node_t *node)
{
	return (int)node->start_mark.line + 1;
}

const char *value_kind(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SCALAR_NODE:
		return node->data.scalar.length ? "a single value" : "nothing";
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a map";
	default:
		return "nothing";
	}
}

/* The scalar's text, or NULL when it was told that it is none. */
const char *value_scalar(struct schema_errors *errors, const yaml_node_t *node,
			 const char *path, const char *wanted)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0) {
		schema_error(errors, value_line(node), path,
			     "%s was expected, and here is %s", wanted,
			     value_kind(node));
		return NULL;
	}
	if (node->data.scalar.length > SCALAR_MAX ||
	    strlen(text) != node->data.scalar.length) {
		schema_error(errors, value_line(node), path, "the value is %s",
			     node->data.scalar.length > SCALAR_MAX
				     ? "longer than 64 KiB"
				     : "cut by a NUL byte");
		return NULL;
	}
	return text;
}

void value_text(struct schema_errors *errors, const yaml_node_t *node,
		const char *path, struct schema_text *ret)
{
	const char *text = value_scalar(errors, node, path, "a text");

	if (!text)
		return;
	ret->line = value_line(node);
	ret->text = strdup(text);
	if (!ret->text)
		errors->out_of_memory = true;
}

void value_addr(struct schema_errors *errors, const yaml_node_t *node,
		const char *path, struct schema_addr *ret)
{
	const char *text = value_scalar(errors, node, path, "an address");
	struct err err;

	if (!text)
		return;
	if (addr_parse(text, &ret->addr, &err) < 0)
		schema_error(errors, value_line(node), path, "%s", err.text);
	else
		ret->line = value_line(node);
}

static void list_words(const struct schema_word *words, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (; words->word && used < size; words++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 used ? ", " : "", words->word);
}

void value_word(struct schema_errors *errors, const yaml_node_t *node,
		const char *path, const struct schema_field *field, int *ret)
{
	const char *text = value_scalar(errors, node, path, "a word");
	char words[256];

	if (!text)
		return;
	for (const struct schema_word *word = field->words; word->word; word++)
		if (strcmp(word->word, text) == 0) {
			*ret = word->value;
			return;
		}
	list_words(field->words, words, sizeof(words));
	schema_error(errors, value_line(node), path,
		     "\"%.80s\" is not known here; one of %s", text, words);
}

static bool digits(const char *text, const char **ret_rest, uint64_t *ret)
{
	char *rest;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &rest, 10);
	*ret_rest = rest;
	return errno == 0;
}

void value_number(struct schema_errors *errors, const yaml_node_t *node,
		  const char *path, const struct schema_field *field,
		  uint64_t *ret)
{
	const char *text = value_scalar(errors, node, path, "a number");
	const char *rest;
	uint64_t value;

	if (!text)
		return;
	if (!digits(text, &rest, &value) || *rest || value < field->min ||
	    value > field->max) {
		schema_error(errors, value_line(node), path,
			     "\"%.80s\" is not a number from %" PRIu64
			     " to %" PRIu64,
			     text, field->min, field->max);
		return;
	}
	*ret = value;
}

static void format_duration(uint64_t ms, char text[32])
{
	if (ms == 0)
		snprintf(text, 32, "0");
	else if (ms % 3600000 == 0)
		snprintf(text, 32, "%" PRIu64 "h", ms / 3600000);
	else if (ms % 1000 == 0)
		snprintf(text, 32, "%" PRIu64 "s", ms / 1000);
	else
		snprintf(text, 32, "%" PRIu64 "ms", ms);
}

static bool parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"ms", 1},
		     {"s", 1000},
		     {"m", 60000},
		     {"h", 3600000},
		     {"d", 86400000}};
	const char *rest;
	uint64_t value;

	if (strcmp(text, "never") == 0)
		text = "0";
	if (!digits(text, &rest, &value))
		return false;
	if (value == 0 && !*rest) {
		*ret_ms = 0;
		return true;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(rest, units[i].unit) == 0)
			return !__builtin_mul_overflow(value, units[i].ms,
						       ret_ms);
	return false;
}

void value_duration(struct schema_errors *errors, const yaml_node_t *node,
		    const char *path, const struct schema_field *field,
		    uint64_t *ret)
{
	const char *text = value_scalar(errors, node, path, "a duration");
	char min[32], max[32];
	uint64_t ms;

	if (!text)
		return;
	if (parse_duration(text, &ms) && ms >= field->min && ms <= field->max) {
		*ret = ms;
		return;
	}
	format_duration(field->min, min);
	format_duration(field->max, max);
	schema_error(errors, value_line(node), path,
		     "\"%.80s\" is not a duration from %s to %s, such as "
		     "500ms, 10s, 5m or 1h",
		     text, min, max);
}
