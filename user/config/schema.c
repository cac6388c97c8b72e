/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/value.h"

#define PATH_MAX_TEXT 256
#define ERRORS_MAX 100

struct reader {
	yaml_document_t document;
	struct schema_errors *errors;
};

/* Where in the document the reader is: "listeners[0].tls.mode". */
struct path {
	char text[PATH_MAX_TEXT];
};

void schema_error(struct schema_errors *errors, int line, const char *path,
		  const char *format, ...)
{
	struct schema_error *items;
	char words[1024], *text;
	va_list args;

	if (errors->count >= ERRORS_MAX)
		return;
	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	items = realloc(errors->items, (errors->count + 1) * sizeof(*items));
	if (!items) {
		errors->out_of_memory = true;
		return;
	}
	errors->items = items;
	if (asprintf(&text, "%s:%d: %s%s%s", errors->file, line, path,
		     *path ? ": " : "", words) < 0) {
		errors->out_of_memory = true;
		return;
	}
	items[errors->count++] = (struct schema_error){line, text};
}

static struct path path_field(const struct path *path, const char *name)
{
	struct path longer;

	snprintf(longer.text, sizeof(longer.text), "%.150s%s%.90s", path->text,
		 path->text[0] ? "." : "", name);
	return longer;
}

static struct path path_item(const struct path *path, size_t index)
{
	struct path longer;

	snprintf(longer.text, sizeof(longer.text), "%.220s[%zu]", path->text,
		 index);
	return longer;
}

static yaml_node_t *node_at(struct reader *reader, int index)
{
	return yaml_document_get_node(&reader->document, index);
}

/* ---- lists and maps */

/* The number of items, 0 when it was told that it is no list of any. */
static size_t sequence(struct reader *reader, const yaml_node_t *node,
		       const struct path *path, bool may_be_empty)
{
	size_t count = 0;

	if (node->type == YAML_SEQUENCE_NODE)
		count = (size_t)(node->data.sequence.items.top -
				 node->data.sequence.items.start);
	if (!count && !(may_be_empty && node->type == YAML_SEQUENCE_NODE))
		schema_error(reader->errors, value_line(node), path->text,
			     "a list of at least one was expected, and here "
			     "is %s",
			     node->type == YAML_SEQUENCE_NODE
				     ? "an empty one"
				     : value_kind(node));
	return count;
}

static void *array(struct reader *reader, size_t count, size_t size)
{
	void *items = calloc(count, size);

	if (!items)
		reader->errors->out_of_memory = true;
	return items;
}

static void read_map(struct reader *reader, const yaml_node_t *node,
		     const struct path *path, const struct schema *schema,
		     void *ret);

static void read_list(struct reader *reader, const yaml_node_t *node,
		      const struct path *path, const struct schema_field *field,
		      void *at)
{
	size_t count = sequence(reader, node, path, field->may_be_empty);
	size_t size = field->kind == SCHEMA_TEXTS   ? sizeof(struct schema_text)
		      : field->kind == SCHEMA_ADDRS ? sizeof(struct schema_addr)
						    : field->map->size;
	/* The three lists have one shape: items, count, line. */
	struct schema_maps *list = at;

	list->line = value_line(node);
	if (!count)
		return;
	list->items = array(reader, count, size);
	if (!list->items)
		return;
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item =
			node_at(reader, node->data.sequence.items.start[i]);
		struct path longer = path_item(path, i);
		void *out = (char *)list->items + i * size;

		if (field->kind == SCHEMA_TEXTS)
			value_text(reader->errors, item, longer.text, out);
		else if (field->kind == SCHEMA_ADDRS)
			value_addr(reader->errors, item, longer.text, out);
		else
			read_map(reader, item, &longer, field->map, out);
	}
}

static void read_field(struct reader *reader, const yaml_node_t *node,
		       const struct path *path,
		       const struct schema_field *field, void *at)
{
	switch (field->kind) {
	case SCHEMA_TEXT:
		value_text(reader->errors, node, path->text, at);
		break;
	case SCHEMA_WORD:
		value_word(reader->errors, node, path->text, field, at);
		break;
	case SCHEMA_NUMBER:
		value_number(reader->errors, node, path->text, field, at);
		break;
	case SCHEMA_DURATION:
		value_duration(reader->errors, node, path->text, field, at);
		break;
	case SCHEMA_ADDR:
		value_addr(reader->errors, node, path->text, at);
		break;
	case SCHEMA_MAP:
		read_map(reader, node, path, field->map, at);
		break;
	case SCHEMA_TEXTS:
	case SCHEMA_ADDRS:
	case SCHEMA_MAPS:
		read_list(reader, node, path, field, at);
		break;
	}
}

/* How many letters must change (Levenshtein), for words up to 63 letters. */
static size_t distance(const char *a, const char *b)
{
	size_t b_size = strlen(b), row[64];

	if (strlen(a) > 63 || b_size > 63)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_size];
}

static void unknown_field(struct reader *reader, int line,
			  const struct path *path, const struct schema *schema,
			  const char *name)
{
	const char *nearest = NULL;
	size_t least = 3;
	char known[512];
	size_t used = 0;

	known[0] = '\0';
	for (const struct schema_field *field = schema->fields; field->name;
	     field++) {
		size_t d = distance(name, field->name);

		if (d < least) {
			least = d;
			nearest = field->name;
		}
		if (used < sizeof(known))
			used += (size_t)snprintf(known + used,
						 sizeof(known) - used, "%s%s",
						 used ? ", " : "", field->name);
	}
	if (nearest)
		schema_error(reader->errors, line, path->text,
			     "there is no field \"%.60s\" here; did you mean "
			     "\"%s\"?",
			     name, nearest);
	else
		schema_error(reader->errors, line, path->text,
			     "there is no field \"%.60s\" here; known are %s",
			     name, known);
}

static const struct schema_field *find_field(const struct schema *schema,
					     const char *name)
{
	for (const struct schema_field *field = schema->fields; field->name;
	     field++)
		if (strcmp(field->name, name) == 0)
			return field;
	return NULL;
}

static void set_presets(const struct schema *schema, void *data)
{
	for (const struct schema_field *field = schema->fields; field->name;
	     field++) {
		char *at = (char *)data + field->offset;
		int word = (int)field->preset;

		if (field->kind == SCHEMA_NUMBER ||
		    field->kind == SCHEMA_DURATION)
			memcpy(at, &field->preset, sizeof(field->preset));
		else if (field->kind == SCHEMA_WORD)
			memcpy(at, &word, sizeof(word));
		else if (field->kind == SCHEMA_MAP)
			set_presets(field->map, at);
	}
}

static void read_pair(struct reader *reader, const yaml_node_pair_t *pair,
		      const struct path *path, const struct schema *schema,
		      void *ret, uint64_t *seen)
{
	const yaml_node_t *key = node_at(reader, pair->key);
	const yaml_node_t *value = node_at(reader, pair->value);
	const char *name =
		value_scalar(reader->errors, key, path->text, "a field's name");
	const struct schema_field *field;
	struct path longer;
	uint64_t bit;

	if (!name)
		return;
	field = find_field(schema, name);
	if (!field) {
		unknown_field(reader, value_line(key), path, schema, name);
		return;
	}
	longer = path_field(path, name);
	bit = 1ULL << (field - schema->fields);
	if (*seen & bit) {
		schema_error(reader->errors, value_line(key), longer.text,
			     "the field stands here a second time; keep one");
		return;
	}
	*seen |= bit;
	read_field(reader, value, &longer, field, (char *)ret + field->offset);
}

static void read_map(struct reader *reader, const yaml_node_t *node,
		     const struct path *path, const struct schema *schema,
		     void *ret)
{
	uint64_t seen = 0;

	set_presets(schema, ret);
	*(int *)ret = value_line(node);
	if (node->type != YAML_MAPPING_NODE) {
		schema_error(reader->errors, value_line(node), path->text,
			     "a map (field: value) was expected, and here is "
			     "%s",
			     value_kind(node));
		return;
	}
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++)
		read_pair(reader, pair, path, schema, ret, &seen);
	for (const struct schema_field *field = schema->fields; field->name;
	     field++) {
		if (!field->required || seen & 1ULL << (field - schema->fields))
			continue;
		schema_error(reader->errors, value_line(node), path->text,
			     "the field \"%s\" is missing%s%s", field->name,
			     field->missing ? "; " : "",
			     field->missing ? field->missing : "");
	}
}

/* ---- the document */

static void syntax_error(struct schema_errors *errors,
			 const yaml_parser_t *parser)
{
	schema_error(errors, (int)parser->problem_mark.line + 1, "",
		     "not YAML: %s, at column %zu",
		     parser->problem ? parser->problem : "unreadable",
		     parser->problem_mark.column + 1);
}

/* Aliases would let a small file stand for a huge one, or for itself. */
static bool has_aliases(const char *text, size_t size,
			struct schema_errors *errors)
{
	yaml_parser_t parser;
	yaml_token_t token;
	bool found = false, end = false;

	if (!yaml_parser_initialize(&parser)) {
		errors->out_of_memory = true;
		return true;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text,
				     size);
	while (!found && !end && yaml_parser_scan(&parser, &token)) {
		found = token.type == YAML_ALIAS_TOKEN ||
			token.type == YAML_ANCHOR_TOKEN;
		end = token.type == YAML_STREAM_END_TOKEN;
		if (found)
			schema_error(errors, (int)token.start_mark.line + 1, "",
				     "anchors and aliases are not supported; "
				     "write the value out");
		yaml_token_delete(&token);
	}
	yaml_parser_delete(&parser);
	return found;
}

static void read_document(struct reader *reader, yaml_parser_t *parser,
			  const struct schema *schema, void *ret)
{
	const struct path root = {""};
	yaml_node_t *node;

	if (!yaml_parser_load(parser, &reader->document)) {
		syntax_error(reader->errors, parser);
		return;
	}
	node = yaml_document_get_root_node(&reader->document);
	if (node)
		read_map(reader, node, &root, schema, ret);
	else
		schema_error(reader->errors, 1, "", "the file is empty");
	yaml_document_delete(&reader->document);
	if (!node)
		return;
	if (!yaml_parser_load(parser, &reader->document)) {
		syntax_error(reader->errors, parser);
		return;
	}
	node = yaml_document_get_root_node(&reader->document);
	if (node)
		schema_error(reader->errors, value_line(node), "",
			     "a second document begins here; one file holds "
			     "one configuration");
	yaml_document_delete(&reader->document);
}

void schema_read(const struct schema *schema, const char *text, size_t size,
		 void *ret, struct schema_errors *errors)
{
	struct reader reader = {.errors = errors};
	yaml_parser_t parser;

	memset(ret, 0, schema->size);
	set_presets(schema, ret);
	if (has_aliases(text, size, errors))
		return;
	if (!yaml_parser_initialize(&parser)) {
		errors->out_of_memory = true;
		return;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text,
				     size);
	read_document(&reader, &parser, schema, ret);
	yaml_parser_delete(&parser);
}

static void free_list(const struct schema_field *field, void *at)
{
	struct schema_maps *list = at;
	struct schema_text *texts = list->items;

	for (size_t i = 0; i < list->count; i++) {
		if (field->kind == SCHEMA_TEXTS)
			free(texts[i].text);
		else if (field->kind == SCHEMA_MAPS)
			schema_free(field->map,
				    (char *)list->items + i * field->map->size);
	}
	free(list->items);
}

void schema_free(const struct schema *schema, void *data)
{
	for (const struct schema_field *field = schema->fields; field->name;
	     field++) {
		void *at = (char *)data + field->offset;

		if (field->kind == SCHEMA_TEXT)
			free(((struct schema_text *)at)->text);
		else if (field->kind == SCHEMA_MAP)
			schema_free(field->map, at);
		else if (field->kind == SCHEMA_TEXTS ||
			 field->kind == SCHEMA_ADDRS ||
			 field->kind == SCHEMA_MAPS)
			free_list(field, at);
	}
}
