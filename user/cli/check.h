/* SPDX-License-Identifier: BSD-2-Clause */
/* check: whether a configuration could be run. */
#ifndef MILLRACE_CLI_CHECK_H
#define MILLRACE_CLI_CHECK_H

/*
 * "check -c FILE": prints "FILE: ok" and returns 0, or every error to
 * standard error and returns 1; 2 for a wrong command line.
 */
int cli_check(int argc, char **argv);

#endif
