/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_tree: documents of another program (YAML, and so JSON), and which of
 * their fields were looked at: what was not can be told.
 */
#ifndef MILLRACE_CONFIG_IMPORT_TREE_H
#define MILLRACE_CONFIG_IMPORT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "base/err.h"

struct tree {
	struct tree *next;
	const char *file; /* the caller's */
	yaml_document_t document;
	bool *seen; /* per node: a key that was looked up */
};

/*
 * Reads every document of a file, at most 4 MiB, and appends them to *list.
 * 0, or -errno with the words; those that were whole are in the list then.
 */
int tree_read(const char *path, struct tree **list, struct err *err)
	__attribute__((warn_unused_result));

void tree_free(struct tree *list);

/* Of a mapping, which may be NULL: the value of key, or NULL. */
yaml_node_t *tree_get(struct tree *tree, const yaml_node_t *map,
		      const char *key);

/* The same for keys in a row, the last one NULL. */
yaml_node_t *tree_at(struct tree *tree, const yaml_node_t *map, ...)
	__attribute__((sentinel));

/* A scalar's text, or NULL. */
const char *tree_text(const yaml_node_t *node);

/* A sequence's items; 0 and NULL where it is none, or NULL. */
size_t tree_count(const yaml_node_t *list);
yaml_node_t *tree_item(struct tree *tree, const yaml_node_t *list, size_t i);

/* All that stands below node counts as looked up. NULL is allowed. */
void tree_see_all(struct tree *tree, const yaml_node_t *node);

/* Calls each for every field below node that was never looked up. path is
 * "spec" to begin with. */
typedef void tree_unseen(void *data, const char *path, const char *key,
			 const yaml_node_t *value);
void tree_walk(struct tree *tree, const yaml_node_t *node, const char *path,
	       tree_unseen *each, void *data);

#endif
