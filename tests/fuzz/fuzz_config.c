/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration: taken, or refused with at least one line that says why. */
#include <assert.h>

#include "config/config.h"
#include "file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct config *config = NULL;
	struct config_errors errors = {0};
	int r = config_load(file_with(0, bytes, size), &config, &errors);

	assert(r == 0 ? config != NULL : !config && errors.count > 0);
	config_free(config);
	config_errors_free(&errors);
	return 0;
}
