/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon: which one a command asks: "-c FILE" names its configuration,
 * "--admin ADDRESS" its admin endpoint.
 */
#ifndef MILLRACE_CLI_DAEMON_H
#define MILLRACE_CLI_DAEMON_H

#include <getopt.h>
#include <stdbool.h>

#include "cli/http.h"
#include "config/config.h"

#define DAEMON_CONFIG_DEFAULT "/etc/millrace/millrace.yaml"

/* What was said of it; either may be NULL, both are the default file. */
struct daemon_named {
	const char *config;
	const char *admin;
};

/* Of getopt_long(): its short options, and its entry among the long ones. */
#define DAEMON_SHORT "c:"
#define DAEMON_LONG                                   \
	{                                             \
		"admin", required_argument, NULL, 'a' \
	}
#define DAEMON_USAGE "[-c FILE | --admin ADDRESS]"

/* Whether option is one of those; keeps what it says in optarg. */
bool daemon_option(int option, struct daemon_named *ret);

struct daemon {
	struct http_server admin;
	struct config *config; /* NULL: only its endpoint is known */
};

/*
 * The strings of named must outlive the daemon. 0, or -errno after why was
 * told on standard error. The caller ends it with daemon_fini().
 */
int daemon_find(const struct daemon_named *named, struct daemon *ret)
	__attribute__((warn_unused_result));

void daemon_fini(struct daemon *daemon);

#endif
