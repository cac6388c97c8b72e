/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recheck: whether the peers of open connections are still to be trusted:
 * when trust or a revocation list changed, and when a certificate ends.
 */
#ifndef MILLRACE_FLOW_RECHECK_H
#define MILLRACE_FLOW_RECHECK_H

#include "flow/conn.h"

/* The side's handshake is done: keeps its peer's certificate, if one was
 * demanded. 0 or -ENOMEM. */
int recheck_keep(struct conn *conn, struct side *side)
	__attribute__((warn_unused_result));

/* Gives it back. */
void recheck_fini(struct conn *conn, struct side *side);

/* Ends the connection if trust changed while its hands were shaken. */
void recheck(struct conn *conn);

/* Ends the worker's connections whose peers its generation trusts no longer;
 * the others go on. */
void recheck_all(struct worker *worker);

#endif
