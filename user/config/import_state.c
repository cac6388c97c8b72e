/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/import_state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool import_is(const char *text, const char *word)
{
	return text && strcasecmp(text, word) == 0;
}

unsigned long long import_number(const yaml_node_t *node)
{
	const char *text = tree_text(node);
	char *rest;
	unsigned long long value;

	if (!text)
		return 0;
	value = strtoull(text, &rest, 10);
	return *rest ? 0 : value;
}

unsigned int import_port(struct tree *tree, const yaml_node_t *listener)
{
	unsigned long long port = import_number(
		tree_at(tree, listener, "portMapping", "port", NULL));

	return port <= 65535 ? (unsigned int)port : 0;
}

char *import_claim(struct import *import, const char *prefix, const char *text,
		   char ret[static 64])
{
	char(*names)[64] = reallocarray(import->names, import->name_count + 1,
					sizeof(*names));
	size_t i, more = 1;

	import_name(prefix, text, ret);
	if (!names) {
		import->notes.failed = true;
		return ret;
	}
	import->names = names;
	for (i = 0; i < import->name_count; i++) {
		if (strcmp(names[i], ret) != 0)
			continue;
		import_name(prefix, text, ret);
		snprintf(ret + (strlen(ret) < 56 ? strlen(ret) : 56), 8, "-%zu",
			 ++more);
		i = (size_t)-1;
	}
	memcpy(names[import->name_count++], ret, 64);
	return ret;
}
