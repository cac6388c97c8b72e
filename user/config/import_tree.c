/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
#define PATH_SIZE 256
#define FILE_SIZE_MAX (4 << 20)

static int add(struct tree **list, const char *path, yaml_document_t *document)
{
	size_t count = (size_t)(document->nodes.top - document->nodes.start);
	struct tree *tree = calloc(1, sizeof(*tree));

	if (tree)
		tree->seen = calloc(count + 1, sizeof(*tree->seen));
	if (!tree || !tree->seen) {
		free(tree);
		yaml_document_delete(document);
		return -ENOMEM;
	}
	tree->file = path;
	tree->document = *document;
	while (*list)
		list = &(*list)->next;
	*list = tree;
	return 0;
}

static int read_documents(const char *path, yaml_parser_t *parser,
			  struct tree **list, struct err *err)
{
	yaml_document_t document;

	for (;;) {
		if (!yaml_parser_load(parser, &document))
			return err_set(err, EINVAL,
				       "%s:%zu: neither YAML nor JSON: %s",
				       path, parser->problem_mark.line + 1,
				       parser->problem ? parser->problem
						       : "memory is short");
		if (!yaml_document_get_root_node(&document)) {
			yaml_document_delete(&document);
			return 0;
		}
		if (add(list, path, &document))
			return err_set(err, ENOMEM, "memory is short");
	}
}

int tree_read(const char *path, struct tree **list, struct err *err)
{
	FILE *file = fopen(path, "re");
	yaml_parser_t parser;
	int r;

	if (!file)
		return err_set(err, errno, "%s: %s", path, strerror(errno));
	if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > FILE_SIZE_MAX) {
		fclose(file);
		return err_set(err, EFBIG, "%s: longer than 4 MiB", path);
	}
	rewind(file);
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return err_set(err, ENOMEM, "memory is short");
	}
	yaml_parser_set_input_file(&parser, file);
	r = read_documents(path, &parser, list, err);
	yaml_parser_delete(&parser);
	fclose(file);
	return r;
}

void tree_free(struct tree *list)
{
	while (list) {
		struct tree *next = list->next;

		yaml_document_delete(&list->document);
		free(list->seen);
		free(list);
		list = next;
	}
}

yaml_node_t *tree_get(struct tree *tree, const yaml_node_t *map,
		      const char *key)
{
	const yaml_node_pair_t *pair;

	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = map->data.mapping.pairs.start;
	     pair < map->data.mapping.pairs.top; pair++) {
		const char *name = tree_text(
			yaml_document_get_node(&tree->document, pair->key));

		if (!name || strcmp(name, key) != 0)
			continue;
		tree->seen[pair->key] = true;
		return yaml_document_get_node(&tree->document, pair->value);
	}
	return NULL;
}

yaml_node_t *tree_at(struct tree *tree, const yaml_node_t *map, ...)
{
	yaml_node_t *node = NULL;
	const char *key;
	va_list keys;

	va_start(keys, map);
	while ((key = va_arg(keys, const char *))) {
		node = tree_get(tree, map, key);
		map = node;
	}
	va_end(keys);
	return node;
}

const char *tree_text(const yaml_node_t *node)
{
	if (!node || node->type != YAML_SCALAR_NODE ||
	    !node->data.scalar.length)
		return NULL;
	return (const char *)node->data.scalar.value;
}

size_t tree_count(const yaml_node_t *list)
{
	if (!list || list->type != YAML_SEQUENCE_NODE)
		return 0;
	return (size_t)(list->data.sequence.items.top -
			list->data.sequence.items.start);
}

yaml_node_t *tree_item(struct tree *tree, const yaml_node_t *list, size_t i)
{
	if (i >= tree_count(list))
		return NULL;
	return yaml_document_get_node(&tree->document,
				      list->data.sequence.items.start[i]);
}

static void see(struct tree *tree, const yaml_node_t *node, int depth)
{
	const yaml_node_pair_t *pair;

	if (!node || depth == DEPTH_MAX)
		return;
	for (size_t i = 0; i < tree_count(node); i++)
		see(tree, tree_item(tree, node, i), depth + 1);
	if (node->type != YAML_MAPPING_NODE)
		return;
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		tree->seen[pair->key] = true;
		see(tree, yaml_document_get_node(&tree->document, pair->value),
		    depth + 1);
	}
}

void tree_see_all(struct tree *tree, const yaml_node_t *node)
{
	see(tree, node, 0);
}

struct walk {
	struct tree *tree;
	tree_unseen *each;
	void *data;
};

/* An alias may point to what it stands in: so deep, and no deeper. */
static void walk(const struct walk *walk_, const yaml_node_t *node,
		 const char *path, int depth)
{
	yaml_document_t *document = &walk_->tree->document;
	const yaml_node_pair_t *pair;
	char longer[PATH_SIZE];

	if (!node || depth == DEPTH_MAX)
		return;
	for (size_t i = 0; i < tree_count(node); i++) {
		snprintf(longer, sizeof(longer), "%.200s[%zu]", path, i);
		walk(walk_, tree_item(walk_->tree, node, i), longer, depth + 1);
	}
	if (node->type != YAML_MAPPING_NODE)
		return;
	for (pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *value =
			yaml_document_get_node(document, pair->value);
		const char *key =
			tree_text(yaml_document_get_node(document, pair->key));

		if (!key)
			key = "?";
		snprintf(longer, sizeof(longer), "%.180s.%.60s", path, key);
		if (walk_->tree->seen[pair->key])
			walk(walk_, value, longer, depth + 1);
		else
			walk_->each(walk_->data, longer, key, value);
	}
}

void tree_walk(struct tree *tree, const yaml_node_t *node, const char *path,
	       tree_unseen *each, void *data)
{
	const struct walk walk_ = {tree, each, data};

	walk(&walk_, node, path, 0);
}
