/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff: the keys leave OpenSSL, the SSL objects are freed, and each
 * direction is told which engine it shall have.
 */
#ifndef MILLRACE_FLOW_HANDOFF_H
#define MILLRACE_FLOW_HANDOFF_H

#include "flow/conn.h"

void handoff_enter(struct conn *conn);

/*
 * Puts the ULP on a side's socket while it is certainly established, where
 * the configuration lets the kernel engine be used. Counts why not.
 */
void handoff_prepare(struct conn *conn, struct side *side);

/* Counts that so many directions of a side stay in the user engine. */
void handoff_stay(struct side *side, enum fallback why,
		  unsigned int directions);

/*
 * Moves a direction to the kernel engine, at a record boundary. 0 when it
 * went, or stays in the user engine (counted); -errno when the kernel engine
 * was demanded: the connection is then ending.
 */
int handoff_move(struct conn *conn, struct side *side, bool tx)
	__attribute__((warn_unused_result));

#endif
