/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/line.h"

#define LOG_LINE_MAX 2048
#define SECOND_US 1000000ULL

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* syslog(3)'s numbers, which sd-daemon(3) takes at a line's beginning */
static const char *const priorities[] = {
	[LOG_LEVEL_ERROR] = "<3>",
	[LOG_LEVEL_WARNING] = "<4>",
	[LOG_LEVEL_INFO] = "<6>",
	[LOG_LEVEL_DEBUG] = "<7>",
};

static atomic_int level_max = LOG_LEVEL_INFO;
static enum line_format log_format = LINE_TEXT;
static bool journal;
static atomic_uint line_rate = LOG_RATE_DEFAULT;
static atomic_ullong held_all;

void log_level_set(enum log_level level)
{
	atomic_store_explicit(&level_max, (int)level, memory_order_relaxed);
}

enum log_level log_level_get(void)
{
	return (enum log_level)atomic_load_explicit(&level_max,
						    memory_order_relaxed);
}

bool log_level_parse(const char *word, enum log_level *ret)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(word, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

/* systemd tells device and inode of what it gave as standard error. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat stat;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &stat) == 0 && stat.st_dev == device &&
	       stat.st_ino == inode;
}

void log_begin(enum line_format format)
{
	log_format = format;
	journal = is_journal();
}

void log_rate_set(unsigned int rate)
{
	atomic_store_explicit(&line_rate, rate, memory_order_relaxed);
}

bool log_on(enum log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&level_max, memory_order_relaxed);
}

/* With room for a priority before it. */
static size_t begin(struct line *line, char text[static LOG_LINE_MAX],
		    enum log_level level, const char *message)
{
	size_t before = journal ? strlen(priorities[level]) : 0;

	memcpy(text, priorities[level], before);
	line_begin(line, text + before, LOG_LINE_MAX - before, log_format);
	if (!journal)
		line_time(line, "time");
	line_text(line, "level", level_names[level]);
	line_text(line, "msg", message);
	return before;
}

void log_line(enum log_level level, const char *message, ...)
{
	char text[LOG_LINE_MAX];
	struct line line;
	const char *key;
	va_list args;
	size_t size;

	if (!log_on(level))
		return;
	size = begin(&line, text, level, message);
	va_start(args, message);
	while ((key = va_arg(args, const char *))) {
		const char *value = va_arg(args, const char *);

		if (value)
			line_text(&line, key,
				  strcmp(value, "-") ? value : NULL);
	}
	va_end(args);
	size += line_end(&line);
	/* Where standard error is gone there is nobody left to tell. */
	if (write(STDERR_FILENO, text, size) < 0)
		return;
}

/* ---- limits */

static unsigned long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * SECOND_US +
	       (unsigned long long)now.tv_nsec / 1000;
}

/* A bucket as the moment at which it would be full again: one number, so
 * that threads need no lock. */
bool log_limit_pass(struct log_limit *limit, unsigned int *ret_held)
{
	unsigned long long now = now_us();
	unsigned long long step =
		SECOND_US /
		atomic_load_explicit(&line_rate, memory_order_relaxed);
	unsigned long long burst = LOG_BURST * SECOND_US;
	unsigned long long full = atomic_load(&limit->full_us);
	unsigned long long next;

	do {
		next = (full > now ? full : now) + step;
		if (next > now + burst) {
			atomic_fetch_add(&limit->held, 1);
			atomic_fetch_add(&held_all, 1);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&limit->full_us, &full, next));
	*ret_held = atomic_exchange(&limit->held, 0);
	return true;
}

unsigned long long log_held(void)
{
	return atomic_load(&held_all);
}
