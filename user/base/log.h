/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log: one line of key=value pairs per event, to standard error.
 *
 * Thread-safe: a line is one write(2). Values that hold blanks, quotes or
 * control bytes are quoted and escaped, so that a peer cannot forge a line.
 * Nobody ever logs a secret.
 */
#ifndef MILLRACE_BASE_LOG_H
#define MILLRACE_BASE_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Lines above this level are dropped. May be called from any thread. */
void log_level_set(enum log_level level);

/* Whether a line of this level would be written. */
bool log_on(enum log_level level);

/*
 * Begins with the level and msg="..."; then pairs of (const char *key,
 * const char *value), ended by NULL:
 *	log_line(LOG_LEVEL_INFO, "listening", "listener", name, NULL);
 */
void log_line(enum log_level level, const char *message, ...)
	__attribute__((sentinel));

#endif
