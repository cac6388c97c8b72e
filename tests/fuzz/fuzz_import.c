/* SPDX-License-Identifier: BSD-2-Clause */
/* App Mesh's description, as JSON or YAML: what is written always passes
 * `millrace check`. */
#include <assert.h>

#include "config/config.h"
#include "config/import_appmesh.h"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *path = file_with(0, bytes, size);
	char *written = NULL, *told = NULL;
	size_t written_size = 0, told_size = 0, notes = 0;
	FILE *out = open_memstream(&written, &written_size);
	FILE *notice = open_memstream(&told, &told_size);
	struct config_errors errors = {0};
	struct config *config = NULL;
	struct err err = {""};
	int r = import_appmesh(&path, 1, false, out, notice, &notes, &err);

	fclose(out);
	fclose(notice);
	if (r == 0) {
		r = config_load(file_with(1, written, written_size), &config,
				&errors);
		for (size_t i = 0; i < errors.count && r; i++)
			fprintf(stderr, "%s\n", errors.lines[i]);
		if (r)
			fprintf(stderr, "%s\n", written);
		assert(r == 0);
	} else {
		assert(err.text[0]);
	}
	config_free(config);
	config_errors_free(&errors);
	free(written);
	free(told);
	return 0;
}
