/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/check.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "identity/credentials.h"

/* What is right, and may be meant otherwise. */
static void warn(const struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];

		if (listener->tls_mode == CONFIG_TLS_PERMISSIVE &&
		    listener->validation.required)
			fprintf(stderr,
				"%s: warning: listeners[%zu] (%s): validation "
				"does not bind those who speak plaintext, and "
				"mode permissive takes them\n",
				config->path, i, listener->name);
	}
}

int cli_check(int argc, char **argv)
{
	struct config_errors errors;
	struct credentials *credentials = NULL;
	struct config *config = NULL;
	struct err err;
	int r;

	if (argc != 3 || strcmp(argv[1], "-c") != 0) {
		fprintf(stderr, "usage: millrace check -c FILE\n");
		return 2;
	}
	r = config_load(argv[2], &config, &errors);
	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	config_errors_free(&errors);
	if (r < 0)
		return 1;
	warn(config);
	r = credentials_read(config, NULL, &credentials, &err);
	config_free(config);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[2], err.text);
		return 1;
	}
	credentials_unref(credentials);
	printf("%s: ok\n", argv[2]);
	return 0;
}
