/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * value: single YAML values, read by their kind. What is wrong with one is
 * told in errors, and *ret is then untouched.
 */
#ifndef MILLRACE_CONFIG_VALUE_H
#define MILLRACE_CONFIG_VALUE_H

#include <yaml.h>

#include "config/schema.h"

/* The line a node begins on, from 1. */
int value_line(const yaml_node_t *node);

/* What a node is, in words. */
const char *value_kind(const yaml_node_t *node);

/* The text of a single value; NULL when it was told that it is none. */
const char *value_scalar(struct schema_errors *errors, const yaml_node_t *node,
			 const char *path, const char *wanted);

void value_text(struct schema_errors *errors, const yaml_node_t *node,
		const char *path, struct schema_text *ret);
void value_addr(struct schema_errors *errors, const yaml_node_t *node,
		const char *path, struct schema_addr *ret);
void value_word(struct schema_errors *errors, const yaml_node_t *node,
		const char *path, const struct schema_field *field, int *ret);
void value_number(struct schema_errors *errors, const yaml_node_t *node,
		  const char *path, const struct schema_field *field,
		  uint64_t *ret);
void value_duration(struct schema_errors *errors, const yaml_node_t *node,
		    const char *path, const struct schema_field *field,
		    uint64_t *ret);

#endif
