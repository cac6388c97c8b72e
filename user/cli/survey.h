/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * survey: every TCP socket of a daemon, what the kernel says of it, and the
 * verdict.
 *
 * The daemon is asked before and after the kernel (verdict.h), and what it
 * does not list is looked for once more: a socket that two surveys in a row
 * found, and no listing named, is one that it keeps to itself.
 */
#ifndef MILLRACE_CLI_SURVEY_H
#define MILLRACE_CLI_SURVEY_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/daemon.h"
#include "cli/said.h"
#include "cli/verdict.h"
#include "net/diag.h"

struct survey_row {
	struct diag_socket socket;
	const struct said *said; /* NULL: the daemon does not list it */
	enum said_policy policy; /* the configuration's, else the daemon's */
	struct judgement judgement;
};

struct survey {
	struct said_list before;
	struct said_list after;
	struct survey_row *rows; /* by listener, and connection */
	size_t count;
	size_t gone;	 /* listed, but no longer connected */
	bool fds_unseen; /* the daemon's descriptors: not permitted */
	bool ulp_untold; /* the kernel tells it to CAP_NET_ADMIN only */
};

/* 0, or -errno with the words. The caller ends it with survey_fini(). */
int survey_take(const struct daemon *daemon, struct survey *ret,
		struct err *err) __attribute__((warn_unused_result));

void survey_fini(struct survey *survey);

#endif
