/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table: short forms, so that a table of schema.h reads as one. For the files
 * that are nothing but such tables.
 */
#ifndef MILLRACE_CONFIG_TABLE_H
#define MILLRACE_CONFIG_TABLE_H

#include <stddef.h>

#include "config/schema.h"

/* in milliseconds */
#define SECOND 1000ULL
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

#define AT(type, member) .offset = offsetof(struct type, member)
#define TEXT .kind = SCHEMA_TEXT
#define WORD(list, first) \
	.kind = SCHEMA_WORD, .words = (list), .preset = (first)
#define NUMBER(low, high, usual) \
	.kind = SCHEMA_NUMBER, .min = (low), .max = (high), .preset = (usual)
#define DURATION(low, high, usual) \
	.kind = SCHEMA_DURATION, .min = (low), .max = (high), .preset = (usual)
#define TEXTS .kind = SCHEMA_TEXTS
#define MAP(table) .kind = SCHEMA_MAP, .map = &(table)
#define MAPS(table) .kind = SCHEMA_MAPS, .map = &(table)
#define REQUIRED .required = true
#define SECRET .secret = true
#define SCHEMA(table, type) \
	static const struct schema table = {table##_fields, sizeof(struct type)}

#endif
