/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema: tables that say what a YAML file may hold, and the reader that
 * fills structs by them and tells every deviation.
 *
 * A struct that a table describes begins with "int line", the line on which
 * it stands (0: it is absent). Texts belong to the struct; schema_free()
 * gives back all that schema_read() made.
 */
#ifndef MILLRACE_CONFIG_SCHEMA_H
#define MILLRACE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum schema_kind {
	SCHEMA_TEXT,   /* struct schema_text, not empty */
	SCHEMA_TEXTS,  /* struct schema_texts, at least one unless may_be_empty
			*/
	SCHEMA_WORD,   /* int: one of words */
	SCHEMA_NUMBER, /* uint64_t: min..max */
	SCHEMA_DURATION, /* uint64_t: milliseconds, min..max */
	SCHEMA_ADDR,	 /* struct schema_addr */
	SCHEMA_ADDRS,	 /* struct schema_addrs, at least one */
	SCHEMA_MAP,	 /* a struct by another table, in place */
	SCHEMA_MAPS, /* struct schema_maps: an array of such, at least one */
};

struct schema_text {
	char *text; /* NULL: absent */
	int line;
};

struct schema_texts {
	struct schema_text *items;
	size_t count;
	int line;
};

struct schema_addr {
	struct addr addr;
	int line; /* 0: absent */
};

struct schema_addrs {
	struct schema_addr *items;
	size_t count;
	int line;
};

struct schema_maps {
	void *items;
	size_t count;
	int line;
};

struct schema_word {
	const char *word;
	int value;
};

struct schema_field {
	const char *name; /* NULL ends a table */
	enum schema_kind kind;
	bool required;
	bool may_be_empty; /* TEXTS, MAPS: [] is said on purpose */
	bool secret;	   /* not to be shown */
	size_t offset;
	uint64_t min; /* NUMBER, DURATION */
	uint64_t max;
	uint64_t preset;		 /* NUMBER, DURATION, WORD */
	const struct schema_word *words; /* ends with a NULL word */
	const struct schema *map;	 /* MAP, MAPS */
	const char *missing; /* what to say when it is required and absent */
};

struct schema {
	const struct schema_field *fields;
	size_t size; /* of the struct */
};

/* In the order they were found. */
struct schema_errors {
	const char *file;
	struct schema_error {
		int line;
		char *text; /* "FILE:LINE: path: words" */
	} * items;
	size_t count;
	bool out_of_memory;
};

/* Adds one; path may be "". */
void schema_error(struct schema_errors *errors, int line, const char *path,
		  const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Reads a whole YAML document (size bytes of text) into *ret, which schema
 * describes; what is absent has its preset, or 0. What is wrong is told in
 * errors and left at its preset; the rest is read all the same.
 */
void schema_read(const struct schema *schema, const char *text, size_t size,
		 void *ret, struct schema_errors *errors);

void schema_free(const struct schema *schema, void *data);

#endif
