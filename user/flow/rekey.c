/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/rekey.h"

#include <errno.h>
#include <string.h>

#include "flow/close.h"
#include "flow/lane.h"
#include "flow/turn.h"
#include "flow/worker.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

static const uint8_t key_update[TLS_KEY_UPDATE_SIZE] = TLS_KEY_UPDATE_BYTES;

/* ---- sending */

static bool by_user(struct conn *conn, struct lane *lane)
{
	int r = turn_key_update(conn, lane);

	if (r)
		conn_end(conn, r == -ENOMEM ? CONN_NO_MEMORY : CONN_INTERNAL);
	return r == 0;
}

static bool by_kernel(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	int r;

	if (!lane_send_control(conn, lane, TLS_RECORD_HANDSHAKE, key_update,
			       sizeof(key_update)))
		return false;
	r = tls_direction_next(&to->tls->tx, conn_words(conn));
	if (!r)
		r = engine_kernel_install(to->fd, ENGINE_KERNEL_TX,
					  &to->tls->tx);
	if (r) {
		/* The peer waits for a key that this socket cannot have. */
		err_set(conn_words(conn), -r, "rekey: %s", strerror(-r));
		conn_end(conn, CONN_INTERNAL);
		return false;
	}
	to->counters->key_update_tx++;
	return true;
}

static bool can_rekey(const struct conn *conn, const struct side *to)
{
	return to->tls->tx.version == TLS_VERSION_13 &&
	       (to->tls->tx_engine == ENGINE_USER ||
		conn->worker->kernel_rekey);
}

/* A new key is due, and there can be none. */
static void end_without_key(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);

	if (to->tls->key_update_due) {
		to->counters->key_update_unsupported++;
		err_set(conn_words(conn), EKEYEXPIRED,
			"the peer asked for a new key, and this kernel cannot "
			"rekey");
		lane_end_in_order(lane, CONN_KEY_UPDATE_UNSUPPORTED);
	} else {
		to->counters->aead_limit++;
		err_set(conn_words(conn), EKEYEXPIRED,
			"the key has reached its limit, and cannot be renewed "
			"here");
		lane_end_in_order(lane, CONN_AEAD_LIMIT);
	}
}

bool rekey_tx(struct conn *conn, struct lane *lane)
{
	struct side *to = lane_to(conn, lane);
	struct side_tls *tls = to->tls;
	bool done;

	if (!tls->key_update_due && !turn_exhausted(conn, to))
		return true;
	if (!can_rekey(conn, to)) {
		if (lane->phase == LANE_OPEN)
			end_without_key(conn, lane);
		return true;
	}
	done = tls->tx_engine == ENGINE_USER ? by_user(conn, lane)
					     : by_kernel(conn, lane);
	if (done)
		tls->key_update_due = false;
	return done;
}

/* ---- receiving */

/* The peer has a new key that this socket cannot have: nothing more can be
 * read, and what goes to the peer ends in order. */
static void end_deaf(struct conn *conn, struct lane *lane, int error)
{
	struct side *from = lane_from(conn, lane);
	struct lane *back = conn_lane_to(conn, from);

	from->counters->key_update_unsupported++;
	err_set(conn_words(conn), error,
		"the peer updated its key, and this kernel cannot rekey: %s",
		strerror(error));
	from->deaf = true;
	lane->phase = LANE_ENDED;
	lane_end_in_order(back, CONN_KEY_UPDATE_UNSUPPORTED);
	if (back->phase == LANE_ENDED)
		conn_end(conn, CONN_KEY_UPDATE_UNSUPPORTED);
}

bool rekey_rx(struct conn *conn, struct lane *lane)
{
	struct side *from = lane_from(conn, lane);
	int r = turn_rekey_rx(conn, from);

	if (r == -EKEYREJECTED)
		conn_end(conn, CONN_INTERNAL);
	else if (r)
		end_deaf(conn, lane, -r);
	return r == 0;
}
