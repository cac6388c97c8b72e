/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/import.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/import_appmesh.h"

static int usage(void)
{
	fprintf(stderr,
		"usage: millrace import appmesh [--elsewhere] FILE...\n"
		"  The first virtual node or gateway in the files is this "
		"host's; others tell\n  about its backends. --elsewhere: the "
		"certificates' files need not be here.\n");
	return 1;
}

int cli_import(int argc, char **argv)
{
	struct err err = {""};
	bool elsewhere = false;
	size_t notes = 0;
	int first = 2, r;

	if (argc < 2 || strcmp(argv[1], "appmesh") != 0)
		return usage();
	if (argc > first && strcmp(argv[first], "--elsewhere") == 0) {
		elsewhere = true;
		first++;
	}
	if (argc == first || argv[first][0] == '-')
		return usage();
	r = import_appmesh(argv + first, (size_t)(argc - first), elsewhere,
			   stdout, stderr, &notes, &err);
	if (r < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (fflush(stdout) != 0) {
		perror("standard output");
		return 1;
	}
	return notes ? 2 : 0;
}
