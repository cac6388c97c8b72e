/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * detach: "millrace detach": ends every interception that is pinned, the
 * guard included.
 */
#ifndef MILLRACE_CLI_DETACH_H
#define MILLRACE_CLI_DETACH_H

/* argv[0] is "detach". The process's exit status. */
int cli_detach(int argc, char **argv);

#endif
