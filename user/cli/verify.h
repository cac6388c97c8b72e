/* SPDX-License-Identifier: BSD-2-Clause */
/* verify: every live connection of a daemon, asked of the kernel: is it
 * encrypted, by whom, with what. */
#ifndef MILLRACE_CLI_VERIFY_H
#define MILLRACE_CLI_VERIFY_H

/* "verify [-c FILE | --admin ADDRESS] [--strict] [--json]": 0; 1 when a
 * connection is not encrypted that should be (--strict: not proved to be),
 * or it cannot be told; 2 for a wrong command line. */
int cli_verify(int argc, char **argv);

#endif
