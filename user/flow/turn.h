/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * turn: what a lane received becomes what it sends: records are opened by
 * the user engine of the one side, sealed by that of the other; a side in
 * plaintext or in the kernel engine passes bytes as they are.
 */
#ifndef MILLRACE_FLOW_TURN_H
#define MILLRACE_FLOW_TURN_H

#include "flow/conn.h"

enum turn_result {
	TURN_OUTPUT, /* lane->out holds bytes */
	TURN_NEED,   /* more input is needed, or there was only a control
			record */
	TURN_CLOSED, /* close_notify came; lane->out may hold the last bytes */
	TURN_ENDED,  /* the connection is ending */
};

/* lane->in holds bytes, lane->out does not. */
enum turn_result turn(struct conn *conn, struct lane *lane);

/*
 * How many bytes to receive so that not one beyond the current record is
 * taken: what is needed before a direction can move to the kernel.
 */
size_t turn_record_rest(struct conn *conn, struct lane *lane);

/* Seals one control record into lane->out, which must be empty. */
int turn_control(struct conn *conn, struct lane *lane, uint8_t type,
		 const uint8_t *content, size_t size)
	__attribute__((warn_unused_result));

/* Seals our KeyUpdate into lane->out, which must be empty; what follows is
 * under the next key. */
int turn_key_update(struct conn *conn, struct lane *lane)
	__attribute__((warn_unused_result));

/* Whether a direction's key has done its work. */
bool turn_exhausted(const struct conn *conn, const struct side *side);

/*
 * What the kernel seals is counted here: so many bytes in full records, as
 * the kernel cuts one send.
 */
void turn_count_kernel(struct side_tls *tls, size_t size);

/*
 * A KeyUpdate came: the receiving direction has its next key, in whichever
 * engine. 0, or -errno: -EKEYREJECTED it cannot be derived; else the kernel
 * refuses it, and nothing more can be received.
 */
int turn_rekey_rx(struct conn *conn, struct side *from)
	__attribute__((warn_unused_result));

#endif
