/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define UNIX "unix:"

static int read_config(const char *path, struct config **ret)
{
	struct config_errors errors = {NULL, 0};
	int r = config_load(path, ret, &errors);

	for (size_t i = 0; r && i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	config_errors_free(&errors);
	return r;
}

bool daemon_option(int option, struct daemon_named *ret)
{
	if (option == 'c')
		ret->config = optarg;
	else if (option == 'a')
		ret->admin = optarg;
	return option == 'c' || option == 'a';
}

int daemon_find(const struct daemon_named *named, struct daemon *ret)
{
	const char *config_path = named->config, *admin = named->admin;
	struct daemon daemon = {.config = NULL};
	struct err err;
	int r = 0;

	if (!config_path && !admin)
		config_path = DAEMON_CONFIG_DEFAULT;
	if (config_path)
		r = read_config(config_path, &daemon.config);
	if (r)
		return r;
	if (admin && strncmp(admin, UNIX, strlen(UNIX)) == 0) {
		daemon.admin.path = admin + strlen(UNIX);
	} else if (admin) {
		r = addr_parse(admin, &daemon.admin.addr, &err);
		if (r)
			fprintf(stderr, "--admin: %s\n", err.text);
	} else if (!daemon.config->admin) {
		fprintf(stderr,
			"%s names no admin endpoint, and only there can the "
			"daemon be asked: admin: { listen: "
			"\"127.0.0.1:9901\" }\n",
			config_path);
		r = -ENOENT;
	} else {
		daemon.admin.path = daemon.config->admin_path;
		daemon.admin.addr = daemon.config->admin_listen;
	}
	if (r)
		daemon_fini(&daemon);
	else
		*ret = daemon;
	return r;
}

void daemon_fini(struct daemon *daemon)
{
	config_free(daemon->config);
	daemon->config = NULL;
}
