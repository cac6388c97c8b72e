/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verdict: whether one socket is encrypted, from the daemon's word before
 * the kernel was asked, the kernel's, and the daemon's word afterwards.
 *
 * A direction moves from the user engine to the kernel's once and never back
 * (flow/handoff.h). So what the daemon ascribed to the kernel before must be
 * there, and what was there must be ascribed to the kernel afterwards:
 * whatever else is a contradiction, however busy the daemon is.
 */
#ifndef MILLRACE_CLI_VERDICT_H
#define MILLRACE_CLI_VERDICT_H

#include <stdbool.h>

#include "cli/said.h"
#include "net/diag.h"

enum verdict {
	VERDICT_PROVED,	 /* the kernel encrypts both directions */
	VERDICT_CLAIMED, /* the user engine does: the daemon's word */
	VERDICT_PLAIN,
	VERDICT_HANDSHAKE, /* no byte of an application has gone through */
	VERDICT_UNKNOWN,   /* the daemon says nothing of it */
	VERDICT_CONTRADICTION,
};

struct judgement {
	enum verdict verdict;
	const char *why; /* of a contradiction; static. NULL: none */
};

/* before, after: NULL where the daemon did not list it; for both together
 * the socket must have been there all the while. */
struct judgement verdict_judge(const struct diag_socket *socket,
			       const struct said *before,
			       const struct said *after);

/* Whether it may stay so, under a policy. strict: only proof counts. */
bool verdict_acceptable(enum verdict verdict, enum said_policy policy,
			bool strict);

/* "proved by the kernel" */
const char *verdict_words(enum verdict verdict);

/* Who encrypts a direction: "kernel", "NIC", "user space", "-": nobody. */
const char *verdict_engine(const struct diag_socket *socket,
			   const struct said *said, bool tx);

#endif
