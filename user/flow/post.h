/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * post: what comes in records that are not data, after the handshake.
 */
#ifndef MILLRACE_FLOW_POST_H
#define MILLRACE_FLOW_POST_H

#include "flow/conn.h"

enum post_verdict {
	POST_GO_ON,
	POST_CLOSED, /* close_notify: the stream has ended cleanly */
	POST_REKEY,  /* the peer's next record has the next key */
	POST_ENDED,  /* conn_end() was called; hands off */
};

/* Takes in one record's content of a type other than data. */
enum post_verdict post_record(struct conn *conn, struct side *from,
			      uint8_t type, const uint8_t *content,
			      size_t size);

/* A data record came, of size bytes. */
enum post_verdict post_data(struct conn *conn, struct side *from, size_t size);

#endif
