/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/mounts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a host has them; others are somebody's own (Cilium's, a test's). */
#define USUAL "/sys/fs/"

static bool octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blanks and backslashes in paths stand as three octal digits. */
static void unescape(char *text)
{
	char *out = text;

	for (char *in = text; *in; out++) {
		if (in[0] == '\\' && octal(in[1]) && octal(in[2]) &&
		    octal(in[3])) {
			*out = (char)((unsigned int)(in[1] - '0') << 6 |
				      (unsigned int)(in[2] - '0') << 3 |
				      (unsigned int)(in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 ROOT POINT OPTIONS ... - TYPE SOURCE SUPER" */
static bool parse_line(char *line, const char *type, char *ret_path,
		       size_t size)
{
	char *separator = strstr(line, " - ");
	char root[4096], point[4096], found[64];

	if (!separator || sscanf(separator, " - %63s", found) != 1 ||
	    strcmp(found, type) != 0 ||
	    sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 ||
	    strcmp(root, "/") != 0)
		return false;
	unescape(point);
	return snprintf(ret_path, size, "%s", point) < (int)size;
}

static bool is_usual(const char *path)
{
	return strncmp(path, USUAL, sizeof(USUAL) - 1) == 0;
}

int mounts_find(const char *type, char *ret_path, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	bool found = false, usual = false;
	char *line = NULL, path[4096];
	size_t room = 0;

	if (!file)
		return -errno;
	while (!usual && getline(&line, &room, file) > 0) {
		if (!parse_line(line, type, path, sizeof(path)) ||
		    strlen(path) >= size)
			continue;
		usual = is_usual(path);
		if (!found || usual)
			memcpy(ret_path, path, strlen(path) + 1);
		found = true;
	}
	free(line);
	fclose(file);
	return found ? 0 : -ENOENT;
}
