/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

struct line {
	char text[LOG_LINE_MAX];
	size_t used;
};

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static atomic_int level_max = LOG_LEVEL_INFO;

void log_level_set(enum log_level level)
{
	atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

bool log_on(enum log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&level_max, memory_order_relaxed);
}

/* Two bytes stay free for the closing quote and the newline. */
static void put(struct line *line, char byte)
{
	if (line->used < sizeof(line->text) - 2)
		line->text[line->used++] = byte;
}

static void put_word(struct line *line, const char *word)
{
	while (*word)
		put(line, *word++);
}

static void put_escaped(struct line *line, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";

	if (byte == '"' || byte == '\\') {
		put(line, '\\');
		put(line, (char)byte);
	} else if (byte == '\n') {
		put_word(line, "\\n");
	} else if (byte < 0x20 || byte == 0x7f) {
		put_word(line, "\\x");
		put(line, hex[byte >> 4]);
		put(line, hex[byte & 15]);
	} else {
		put(line, (char)byte);
	}
}

static void put_value(struct line *line, const char *value)
{
	bool bare = *value != '\0';

	for (const char *c = value; *c; c++)
		if ((unsigned char)*c <= 0x20 || strchr("\"\\=\x7f", *c))
			bare = false;
	if (bare) {
		put_word(line, value);
		return;
	}
	put(line, '"');
	for (const char *c = value; *c; c++)
		put_escaped(line, (unsigned char)*c);
	line->text[line->used++] = '"';
}

static void put_time(struct line *line)
{
	struct timespec now;
	struct tm tm;
	char text[40];
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	used = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + used, sizeof(text) - used, ".%03ldZ",
		 now.tv_nsec / 1000000);
	put_word(line, "time=");
	put_word(line, text);
}

void log_line(enum log_level level, const char *message, ...)
{
	struct line line = {.used = 0};
	const char *key;
	va_list args;

	if (!log_on(level))
		return;
	put_time(&line);
	put_word(&line, " level=");
	put_word(&line, level_names[level]);
	put_word(&line, " msg=");
	put_value(&line, message);
	va_start(args, message);
	while ((key = va_arg(args, const char *))) {
		put(&line, ' ');
		put_word(&line, key);
		put(&line, '=');
		put_value(&line, va_arg(args, const char *));
	}
	va_end(args);
	line.text[line.used++] = '\n';
	/* Where standard error is gone there is nobody left to tell. */
	if (write(STDERR_FILENO, line.text, line.used) < 0)
		return;
}
