/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cli/check.h"
#include "cli/detach.h"
#include "cli/import.h"
#include "cli/probe.h"
#include "cli/stats.h"
#include "cli/verify.h"
#include "config/config.h"
#include "service/control.h"

/* Keys live in this process's memory: none of it may reach a core file, nor
 * a debugger of the same user. */
static void forbid_dumps(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int run(int argc, char **argv)
{
	struct config_errors errors = {NULL, 0};
	struct config *config;
	struct err err = {""};
	int r;

	if (argc != 3 || strcmp(argv[1], "-c") != 0) {
		fprintf(stderr, "usage: millrace run -c FILE\n");
		return 2;
	}
	forbid_dumps();
	umask(022);
	r = config_load(argv[2], &config, &errors);
	if (r < 0) {
		for (size_t i = 0; i < errors.count; i++)
			fprintf(stderr, "%s\n", errors.lines[i]);
		config_errors_free(&errors);
		return 1;
	}
	config_errors_free(&errors);
	log_begin(config->log_format);
	r = control_run(config, &err);
	if (r < 0) {
		log_line(LOG_LEVEL_ERROR, "cannot serve", "why", err.text,
			 NULL);
		return 1;
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *options; /* all of them: bash completes from here */
	const char *purpose;
} commands[] = {
	{"run", run, "-c FILE", "forward, as FILE says"},
	{"check", cli_check, "-c FILE", "say whether FILE could be run"},
	{"probe", cli_probe, "[--json]", "what this kernel can do"},
	{"stats", cli_stats,
	 "[-c FILE | --admin ADDRESS] [--watch [--count N]] "
	 "[--interval SECONDS] [--all] [FILTER]",
	 "a daemon's counters, with rates"},
	{"verify", cli_verify,
	 "[-c FILE | --admin ADDRESS] [--strict] [--json]",
	 "every connection, asked of the kernel: is it encrypted"},
	{"import", cli_import, "appmesh [--elsewhere] FILE...",
	 "a virtual node or gateway as a configuration"},
	{"detach", cli_detach, "[--pin DIR] [--force]",
	 "end an interception, the guard included"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fprintf(out, "usage:\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  millrace %s %s\n      %s\n", commands[i].name,
			commands[i].options, commands[i].purpose);
}

int main(int argc, char **argv)
{
	if (argc >= 2 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
		usage(stdout);
		return 0;
	}
	for (size_t i = 0; argc >= 2 && i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	usage(stderr);
	return 2;
}
