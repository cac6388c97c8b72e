/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_write: what an import writes: blocks of YAML, those that cannot
 * serve yet as comments, and notes of what is not as it was.
 */
#ifndef MILLRACE_CONFIG_IMPORT_WRITE_H
#define MILLRACE_CONFIG_IMPORT_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* One item of a list. Where memory is short, out is NULL and failed is set
 * in the notes. */
struct block {
	FILE *out;
	bool off; /* becomes a comment: it could not be served */
	char *text;
	size_t size;
};

struct notes {
	FILE *told; /* the caller's: a line for each */
	FILE *head; /* the same as comments */
	char *text; /* of head, once notes_end() was called */
	size_t size;
	size_t count;
	bool failed; /* memory was short */
};

#define IMPORT_TEXT_MAX 1024

/* told may be NULL. */
void notes_begin(struct notes *notes, FILE *told);
/* Something is not as it was: where, and what happens instead. */
void notes_add(struct notes *notes, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Something that changes nothing: a comment only. */
void notes_remark(struct notes *notes, const char *where, const char *words);
/* Afterwards text holds the comments; it is freed by notes_fini(). */
void notes_end(struct notes *notes);
void notes_fini(struct notes *notes);

void block_begin(struct block *block, struct notes *notes);
/* Appends it to out, as a comment where it is off. */
void block_end(struct block *block, FILE *out);

/* In double quotes, as YAML has them; cut to fit. Returns ret. */
char *import_quote(const char *text, char ret[static IMPORT_TEXT_MAX]);

/* A name such as millrace takes: other characters become "-"; at most 63.
 * Returns ret. */
char *import_name(const char *prefix, const char *text, char ret[static 64]);

#endif
