/* SPDX-License-Identifier: BSD-2-Clause */
/* probe: what this kernel can do for millrace, as a table or as JSON. */
#ifndef MILLRACE_CLI_PROBE_H
#define MILLRACE_CLI_PROBE_H

/* "probe [--json]": 0, or 2 for a wrong command line. */
int cli_probe(int argc, char **argv);

#endif
