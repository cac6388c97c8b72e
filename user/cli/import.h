/* SPDX-License-Identifier: BSD-2-Clause */
/* import: another program's configuration, as ours, on standard output. */
#ifndef MILLRACE_CLI_IMPORT_H
#define MILLRACE_CLI_IMPORT_H

/* 0: all of it is as it was; 2: see the notes on standard error; 1: failed. */
int cli_import(int argc, char **argv);

#endif
