/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log: one line per event to standard error: key=value pairs, or JSON. Where
 * that is the journal, a line begins with its priority (sd-daemon(3)) and
 * leaves the time to it.
 *
 * Thread-safe: a line is one write(2). Values are escaped (line.h), so that a
 * peer cannot forge a line. Nobody ever logs a secret.
 */
#ifndef MILLRACE_BASE_LOG_H
#define MILLRACE_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/line.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Lines above this level are dropped. May be called from any thread. */
void log_level_set(enum log_level level);
enum log_level log_level_get(void);

/* "error", "warning", "info", "debug"; false for another word. */
bool log_level_parse(const char *word, enum log_level *ret);
const char *log_level_name(enum log_level level);

/* Before the first line; LINE_TEXT or LINE_JSON. Finds out whether the journal
 * listens, too. */
void log_begin(enum line_format format);

/*
 * What a peer can provoke is told LOG_BURST times the rate at once, and then
 * rate times a second (1 to 1000000). May be called from any thread.
 */
#define LOG_BURST 4
#define LOG_RATE_DEFAULT 1000
void log_rate_set(unsigned int rate);

/* One for each kind of line, static; threads may share it. */
struct log_limit {
	atomic_ullong full_us; /* when the bucket is full again */
	atomic_uint held;
};

/*
 * Whether a line may be written now; *ret_held then is how many were held
 * back since the last one that was.
 */
bool log_limit_pass(struct log_limit *limit, unsigned int *ret_held);

/* How many lines were held back since the start. */
unsigned long long log_held(void);

/* Whether a line of this level would be written. */
bool log_on(enum log_level level);

/*
 * Begins with the level and msg="..."; then pairs of (const char *key,
 * const char *value), ended by NULL; a pair without a value is left out, "-"
 * stands for none (in JSON: null):
 *	log_line(LOG_LEVEL_INFO, "listening", "listener", name, NULL);
 */
void log_line(enum log_level level, const char *message, ...)
	__attribute__((sentinel));

#endif
