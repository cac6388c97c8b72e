/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rekey: the next key of a direction in either engine, and what becomes of
 * a connection whose kernel cannot have one (RFC 8446 section 4.6.3).
 */
#ifndef MILLRACE_FLOW_REKEY_H
#define MILLRACE_FLOW_REKEY_H

#include "flow/conn.h"

/*
 * At a record boundary of a lane that sends TLS: a new key, if one is due.
 * lane->out may hold our KeyUpdate then. A lane that cannot have a key ends
 * in order. false: the connection is ending, or the lane is paced.
 */
bool rekey_tx(struct conn *conn, struct lane *lane);

/*
 * A KeyUpdate came by lane from the kernel engine. false: nothing more can
 * be received; the connection is ending, or its other lane, which the caller
 * then pumps, ends in order.
 */
bool rekey_rx(struct conn *conn, struct lane *lane);

#endif
