/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line: one line of named values for people (key=value) or programs (JSON),
 * in a buffer of the caller's; or, for the journal, a line for each of them
 * (MILLRACE_KEY=value) and an empty one (systemd's native protocol).
 *
 * Whatever a value holds, it stays one line and one value: what could end
 * either is escaped. Bytes outside ASCII are written as \xHH, so that a line
 * is valid UTF-8 whatever a peer sent. A value that does not fit is cut, and
 * so is the list of pairs; the line is whole all the same.
 */
#ifndef MILLRACE_BASE_LINE_H
#define MILLRACE_BASE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_SIZE_MIN 64

enum line_format {
	LINE_TEXT,
	LINE_JSON,
	LINE_JOURNAL,
};

struct line {
	char *text;
	size_t size;
	size_t used;
	enum line_format format;
};

/* size is at least LINE_SIZE_MIN. */
void line_begin(struct line *line, char *text, size_t size,
		enum line_format format);

/* The journal's MESSAGE, before all else; in no other format. */
void line_message(struct line *line, const char *message);

/* key is a literal of letters, digits and underscores. A value of NULL is
 * "-", or null in JSON; the journal is not told of it. */
void line_text(struct line *line, const char *key, const char *value);
void line_number(struct line *line, const char *key, unsigned long long value);

/* The time of day, in UTC, with milliseconds. */
void line_time(struct line *line, const char *key);

/* Ends it with a newline; returns its size. There is no NUL. */
size_t line_end(struct line *line);

#endif
