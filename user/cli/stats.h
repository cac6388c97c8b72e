/* SPDX-License-Identifier: BSD-2-Clause */
/* stats: a daemon's counters, with rates, once or again and again. */
#ifndef MILLRACE_CLI_STATS_H
#define MILLRACE_CLI_STATS_H

/*
 * "stats [-c FILE | --admin ADDRESS] [--watch] [--interval SECONDS]
 * [--count N] [--all] [FILTER]": 0, 1 when the daemon cannot be asked, 2 for
 * a wrong command line.
 */
int cli_stats(int argc, char **argv);

#endif
