/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/detach.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mounts.h"
#include "bpf/intercept.h"

/* Where a daemon pins what it intercepts with, unless it is told. */
#define PIN_FOLDER "millrace-intercept"

static int usage(void)
{
	fprintf(stderr, "usage: millrace detach [--pin DIR] [--force]\n"
			"--force: also while a daemon runs there\n");
	return 2;
}

static int default_folder(char *ret, size_t size)
{
	char mount[PATH_MAX];
	int r = mounts_find("bpf", mount, sizeof(mount));

	if (r)
		return r;
	return snprintf(ret, size, "%s/" PIN_FOLDER, mount) < (int)size
		       ? 0
		       : -ENAMETOOLONG;
}

int cli_detach(int argc, char **argv)
{
	char folder[PATH_MAX] = "";
	struct err err = {""};
	bool force = false;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--force") == 0)
			force = true;
		else if (strcmp(argv[i], "--pin") == 0 && i + 1 < argc &&
			 strlen(argv[i + 1]) < sizeof(folder))
			strcpy(folder, argv[++i]);
		else
			return usage();
	}
	if (!folder[0] && default_folder(folder, sizeof(folder)) != 0) {
		fprintf(stderr, "there is no bpf file system, so nothing is "
				"pinned\n");
		return 0;
	}
	r = intercept_detach(folder, force, &err);
	if (r == -ENOENT) {
		printf("%s: nothing is pinned there\n", folder);
		return 0;
	}
	if (r) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	printf("%s: detached\n", folder);
	return 0;
}
