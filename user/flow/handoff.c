/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/handoff.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "flow/recheck.h"
#include "flow/tickets.h"
#include "flow/way.h"
#include "flow/worker.h"
#include "tls/engine_kernel.h"

#define NO_ULP_MS 10000

static enum config_engine engine_wanted(const struct conn *conn,
					const struct side *side)
{
	return side->is_up ? conn->cluster->config->engine
			   : conn->listener->config->engine;
}

static const struct config_rekey *rekey_of(const struct conn *conn,
					   const struct side *side)
{
	return side->is_up ? &conn->cluster->config->rekey
			   : &conn->listener->config->rekey;
}

static void refuse(struct conn *conn, struct side *side, const char *why)
{
	side->counters->engine_refused++;
	err_set(conn_words(conn), EOPNOTSUPP,
		"engine kernel is demanded and cannot be had: %s", why);
	conn_end(conn, CONN_ENGINE_UNAVAILABLE);
}

/* For each question a kernel without TLS may start modprobe, which the thread
 * waits for: one answer holds for all connections of the next seconds. */
static int attach(struct worker *worker, int fd)
{
	int r;

	if (worker->now_ms < worker->no_ulp_until_ms)
		return -ENOENT;
	r = engine_kernel_attach(fd);
	if (r == -ENOENT)
		worker->no_ulp_until_ms = worker->now_ms + NO_ULP_MS;
	return r;
}

void handoff_prepare(struct conn *conn, struct side *side)
{
	enum config_engine wanted = engine_wanted(conn, side);
	int r;

	if (wanted == CONFIG_ENGINE_USER) {
		side->fallback = FALLBACK_CONFIGURED;
		return;
	}
	if (wanted == CONFIG_ENGINE_AUTO && rekey_of(conn, side)->required &&
	    !conn->worker->kernel_rekey) {
		side->fallback = FALLBACK_REKEY;
		return;
	}
	r = attach(conn->worker, side->fd);
	if (!r)
		return;
	/* Such a peer never gets to the end of its handshake: what it did is
	 * no fault of this kernel. */
	if (r == -ENOTCONN) {
		side->fallback = FALLBACK_GONE;
		return;
	}
	side->fallback = FALLBACK_NO_ULP;
	if (wanted == CONFIG_ENGINE_KERNEL)
		refuse(conn, side, strerror(-r));
}

void handoff_stay(struct side *side, enum fallback why, unsigned int directions)
{
	struct tls_counters *counters = side->counters;

	switch (why) {
	case FALLBACK_GONE:
	case FALLBACK_NO_ULP:
		counters->fallback_no_ulp += directions;
		break;
	case FALLBACK_CIPHER:
		counters->fallback_cipher += directions;
		break;
	case FALLBACK_KEY:
		counters->fallback_key += directions;
		break;
	case FALLBACK_REKEY:
		counters->fallback_rekey += directions;
		break;
	case FALLBACK_FRAGMENT:
		counters->fallback_fragment += directions;
		break;
	case FALLBACK_CONFIGURED:
		counters->fallback_configured += directions;
		break;
	case FALLBACK_NONE:
		break;
	}
}

/* Who encrypts what an upstream's socket sends from now on. */
static int own_state(struct conn *conn, struct side *side,
		     enum abi_own_state state)
{
	if (!side->is_up)
		return 0;
	return doors_state(&conn->listener->generation->plan->doors, conn->door,
			   side->fd, state, 0);
}

int handoff_move(struct conn *conn, struct side *side, bool tx)
{
	struct side_tls *tls = side->tls;
	int r = engine_kernel_install(side->fd,
				      tx ? ENGINE_KERNEL_TX : ENGINE_KERNEL_RX,
				      tx ? &tls->tx : &tls->rx);

	*(tx ? &tls->tx_to_kernel : &tls->rx_to_kernel) = false;
	if (!r) {
		/* Should it fail, the guard goes on taking our word. */
		if (tx && own_state(conn, side, ABI_OWN_KERNEL))
			log_line(LOG_LEVEL_DEBUG, "the guard takes our word",
				 NULL);
		tls_aead_forget(conn->worker->aead, tx ? &tls->tx : &tls->rx);
		*(tx ? &tls->tx_engine : &tls->rx_engine) = ENGINE_KERNEL;
		if (tx)
			side->counters->engine_tx_kernel++;
		else
			side->counters->engine_rx_kernel++;
		return 0;
	}
	/* ENOENT and EINVAL: the kernel does not have it; else: not this key,
	 * or not now. */
	handoff_stay(side,
		     r == -ENOENT || r == -EINVAL ? FALLBACK_CIPHER
						  : FALLBACK_KEY,
		     1);
	if (engine_wanted(conn, side) == CONFIG_ENGINE_KERNEL) {
		refuse(conn, side, strerror(-r));
		return r;
	}
	if (tx)
		side->counters->engine_tx_user++;
	else
		side->counters->engine_rx_user++;
	return 0;
}

/* What came behind the handshake becomes the lane's first input. */
static int take_leftover(struct conn *conn, struct side *side)
{
	struct lane *lane =
		&conn->lanes[side->is_up ? LANE_UP_DOWN : LANE_DOWN_UP];
	const uint8_t *bytes;
	size_t size = tls_handshake_leftover(side->handshake, &bytes);

	if (!size)
		return 0;
	if (size > BUF_RECV_SIZE)
		return -EMSGSIZE;
	lane->in = buf_take(&conn->worker->bufs);
	if (!lane->in)
		return -ENOMEM;
	memcpy(lane->in, bytes, size);
	lane->in_at = 0;
	lane->in_end = (uint32_t)size;
	return 0;
}

/* Whether the kernel keeps to the fragments that were negotiated, if any. */
static int limit_fragments(struct side *side, size_t fragment_max)
{
	side->tls->fragment_max = TLS_RECORD_PLAIN_MAX;
	if (!fragment_max || fragment_max >= TLS_RECORD_PLAIN_MAX)
		return 0;
	side->tls->fragment_max = (uint16_t)fragment_max;
	return side->fallback == FALLBACK_NONE
		       ? engine_kernel_limit(side->fd, (uint16_t)fragment_max)
		       : 0;
}

static int choose_engines(struct conn *conn, struct side *side)
{
	struct side_tls *tls = side->tls;
	int r = limit_fragments(side,
				tls_handshake_fragment_max(side->handshake));

	if (r && engine_wanted(conn, side) == CONFIG_ENGINE_KERNEL) {
		refuse(conn, side, "it cannot keep to the peer's fragments");
		return r;
	}
	if (r)
		handoff_stay(side, FALLBACK_FRAGMENT, 1);
	if (side->fallback != FALLBACK_NONE)
		handoff_stay(side, (enum fallback)side->fallback, 2);
	tls->rx_to_kernel = side->fallback == FALLBACK_NONE;
	tls->tx_to_kernel = tls->rx_to_kernel && !r;
	if (!tls->tx_to_kernel)
		side->counters->engine_tx_user++;
	if (!tls->rx_to_kernel)
		side->counters->engine_rx_user++;
	return 0;
}

static int handoff_side(struct conn *conn, struct side *side)
{
	struct tls_handshake *handshake = side->handshake;
	int r;

	if (!handshake)
		return 0;
	side->tls = calloc(1, sizeof(*side->tls));
	if (!side->tls)
		return -ENOMEM;
	side->tls->version = tls_handshake_version(handshake);
	side->tls->cipher = tls_handshake_cipher(handshake);
	r = tls_handshake_keys(handshake, &side->tls->tx, &side->tls->rx,
			       conn_words(conn));
	if (!r)
		r = take_leftover(conn, side);
	if (!r)
		r = own_state(conn, side, ABI_OWN_USER);
	if (r)
		return r;
	if (side->fallback == FALLBACK_GONE &&
	    engine_wanted(conn, side) == CONFIG_ENGINE_KERNEL) {
		refuse(conn, side, "the peer has half-closed");
		return -ECONNABORTED;
	}
	r = recheck_keep(conn, side);
	if (r)
		return r;
	r = choose_engines(conn, side);
	return r ? r : tickets_begin(conn, side);
}

void handoff_enter(struct conn *conn)
{
	int r = handoff_side(conn, &conn->down);

	if (!r)
		r = handoff_side(conn, &conn->up);
	if (r)
		conn_end(conn, r == -ENOMEM ? CONN_NO_MEMORY : CONN_INTERNAL);
	else
		conn_unsay(conn);
	recheck(conn);
	if (conn->stage != WAY_CLOSE)
		way_next(conn);
}
