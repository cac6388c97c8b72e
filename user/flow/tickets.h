/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tickets: a TLS 1.3 upstream's session tickets, which come after handoff.
 *
 * Only OpenSSL can make a session of a ticket: it is given each record too,
 * until those that came together with the first ticket are worked off, until
 * data comes, or ticket_wait is over. So long the receiving direction stays in
 * the user engine. What comes later is dropped, and counted.
 */
#ifndef MILLRACE_FLOW_TICKETS_H
#define MILLRACE_FLOW_TICKETS_H

#include "flow/conn.h"

/* At handoff: takes the side's handshake over if tickets are awaited, else
 * frees it. 0 or -ENOMEM. */
int tickets_begin(struct conn *conn, struct side *side)
	__attribute__((warn_unused_result));

/* A whole record came, of that inner type; before post_record(). */
void tickets_record(struct conn *conn, struct side *side, uint8_t type,
		    const void *record, size_t size);

/* A ticket was in it: whether it was kept. */
bool tickets_kept(struct side *side);

/* What was received together is worked off. */
void tickets_settle(struct conn *conn, struct side *side);

/* None is awaited any more. Harmless when none was. */
void tickets_end(struct conn *conn, struct side *side);

#endif
