/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/build.h"
#include "config/config.h"
#include "config/document.h"
#include "config/dump.h"

#define FILE_SIZE_MAX (4U << 20)

static int read_all(int fd, char *text, size_t size, size_t *ret_size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, text + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	*ret_size = used;
	return used < size ? 0 : -EFBIG;
}

/* 0 and the file's text, caller-owned, or -errno. */
static int read_file(const char *path, char **ret_text, size_t *ret_size)
{
	char *text = malloc(FILE_SIZE_MAX);
	int fd, r;

	if (!text)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : read_all(fd, text, FILE_SIZE_MAX, ret_size);
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		free(text);
		return r;
	}
	*ret_text = text;
	return 0;
}

static int by_line(const void *a, const void *b)
{
	const struct schema_error *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return strcmp(x->text, y->text);
}

/* The found errors become the caller's. */
static void hand_over(struct schema_errors *found, struct config_errors *errors)
{
	errors->lines = NULL;
	errors->count = 0;
	if (found->count)
		qsort(found->items, found->count, sizeof(*found->items),
		      by_line);
	errors->lines = calloc(found->count + 1, sizeof(*errors->lines));
	for (size_t i = 0; i < found->count; i++) {
		if (errors->lines)
			errors->lines[errors->count++] = found->items[i].text;
		else
			free(found->items[i].text);
	}
	free(found->items);
}

static void only_error(struct schema_errors *found, const char *file,
		       const char *words)
{
	char *text;

	found->items = calloc(1, sizeof(*found->items));
	if (!found->items || asprintf(&text, "%s: %s", file, words) < 0)
		return;
	found->items[0].text = text;
	found->count = 1;
}

static int load_text(const char *path, const char *text, size_t size,
		     struct config **ret_config, struct schema_errors *found)
{
	struct document document;
	struct config *config = NULL;

	schema_read(&document_schema, text, size, &document, found);
	/* What is missing by the schema would only be told twice. */
	config = build_config(path, &document, found);
	if (config && dump_document(&document, &config->dump))
		found->out_of_memory = true;
	schema_free(&document_schema, &document);
	if (found->out_of_memory) {
		config_free(config);
		return -ENOMEM;
	}
	if (found->count) {
		config_free(config);
		return -EINVAL;
	}
	*ret_config = config;
	return 0;
}

int config_load(const char *path, struct config **ret_config,
		struct config_errors *errors)
{
	struct schema_errors found = {.file = path};
	char *text = NULL;
	size_t size = 0;
	int r = read_file(path, &text, &size);

	if (r == -EFBIG)
		only_error(&found, path, "longer than 4 MiB");
	else if (r < 0)
		only_error(&found, path, strerror(-r));
	else
		r = load_text(path, text, size, ret_config, &found);
	free(text);
	if (r == -ENOMEM && !found.items)
		only_error(&found, path, "memory is short");
	hand_over(&found, errors);
	return r;
}

void config_errors_free(struct config_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->lines[i]);
	free(errors->lines);
	errors->lines = NULL;
	errors->count = 0;
}
