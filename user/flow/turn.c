/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/turn.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "flow/post.h"
#include "flow/tickets.h"
#include "flow/worker.h"
#include "tls/engine_kernel.h"
#include "tls/wire.h"

static const uint8_t key_update[TLS_KEY_UPDATE_SIZE] = TLS_KEY_UPDATE_BYTES;

static const struct config_rekey *rekey_of(const struct conn *conn,
					   const struct side *side)
{
	return side->is_up ? &conn->cluster->config->rekey
			   : &conn->listener->config->rekey;
}

bool turn_exhausted(const struct conn *conn, const struct side *side)
{
	const struct config_rekey *rekey = rekey_of(conn, side);
	const struct tls_direction *tx = &side->tls->tx;

	/* ChaCha20-Poly1305 has no limit below its sequence numbers
	 * (RFC 8446 section 5.5). */
	if (tx->cipher == TLS_CIPHER_CHACHA20)
		return false;
	return (rekey->records_max && tx->records >= rekey->records_max) ||
	       (rekey->blocks_max && tx->blocks >= rekey->blocks_max);
}

void turn_count_kernel(struct side_tls *tls, size_t size)
{
	size_t records = (size + tls->fragment_max - 1) / tls->fragment_max;

	tls->tx.records += records;
	tls->tx.blocks += size / 16 + 2 * records;
}

static enum turn_result bad(struct conn *conn, struct side *from, int error)
{
	struct tls_counters *counters = from->counters;

	if (error == -EMSGSIZE) {
		counters->bad_record++;
		counters->ssl_connection_error++;
		err_set(conn_words(conn), EMSGSIZE,
			"a record longer than TLS has");
		conn_end_with(conn, CONN_RECORD_OVERFLOW, from,
			      TLS_ALERT_RECORD_OVERFLOW);
	} else if (error == -EBADMSG || error == -EPROTO) {
		counters->bad_record++;
		counters->ssl_connection_error++;
		err_set(conn_words(conn), EBADMSG,
			error == -EBADMSG
				? "a record that does not authenticate"
				: "a record that is malformed inside");
		conn_end_with(conn, CONN_BAD_RECORD, from,
			      error == -EBADMSG ? TLS_ALERT_BAD_RECORD_MAC
						: TLS_ALERT_UNEXPECTED_MESSAGE);
	} else {
		err_set(conn_words(conn), EIO, "the user engine failed");
		conn_end_with(conn, CONN_INTERNAL, from,
			      TLS_ALERT_INTERNAL_ERROR);
	}
	return TURN_ENDED;
}

int turn_rekey_rx(struct conn *conn, struct side *from)
{
	struct side_tls *tls = from->tls;

	tls_aead_forget(conn->worker->aead, &tls->rx);
	if (tls_direction_next(&tls->rx, conn_words(conn)))
		return -EKEYREJECTED;
	if (tls->rx_engine == ENGINE_USER)
		return 0;
	return engine_kernel_install(from->fd, ENGINE_KERNEL_RX, &tls->rx);
}

/* Acts on one opened record. Data is left where it was opened. */
static enum turn_result take_record(struct conn *conn, struct side *from,
				    uint8_t type, const uint8_t *content,
				    size_t size)
{
	enum post_verdict verdict =
		type == TLS_RECORD_DATA
			? post_data(conn, from, size)
			: post_record(conn, from, type, content, size);

	if (verdict == POST_CLOSED)
		return TURN_CLOSED;
	if (verdict == POST_ENDED)
		return TURN_ENDED;
	if (verdict == POST_REKEY && turn_rekey_rx(conn, from)) {
		conn_end(conn, CONN_INTERNAL);
		return TURN_ENDED;
	}
	return TURN_NEED;
}

/* The rest of a record that is not whole yet moves to the front. */
static void keep_rest(struct conn *conn, struct lane *lane)
{
	uint32_t rest = lane->in_end - lane->in_at;

	if (!rest) {
		buf_give(&conn->worker->bufs, lane->in);
		lane->in = NULL;
	} else if (lane->in_at) {
		memmove(lane->in, lane->in + lane->in_at, rest);
	}
	lane->in_at = 0;
	lane->in_end = rest;
}

/* Opens whole records from in to plain; *ret_size bytes of data. */
static enum turn_result open_records(struct conn *conn, struct lane *lane,
				     uint8_t *plain, size_t *ret_size)
{
	struct side *from = lane_from(conn, lane);
	struct tls_direction *rx = &from->tls->rx;
	enum turn_result result = TURN_NEED;
	size_t used = 0;

	while (result == TURN_NEED && lane->in_at < lane->in_end) {
		const uint8_t *record = lane->in + lane->in_at;
		size_t have = lane->in_end - lane->in_at;
		int size = tls_record_size(rx, record, have);
		uint8_t type;
		size_t content;
		int r;

		if (size < 0)
			return bad(conn, from, size);
		if (size == 0 || (size_t)size > have)
			break;
		r = tls_record_open(conn->worker->aead, rx, record,
				    (size_t)size, plain + used, &type,
				    &content);
		if (r)
			return bad(conn, from, r);
		lane->in_at += (uint32_t)size;
		tickets_record(conn, from, type, record, (size_t)size);
		result = take_record(conn, from, type, plain + used, content);
		if (type == TLS_RECORD_DATA)
			used += content;
	}
	tickets_settle(conn, from);
	if (result == TURN_CLOSED)
		lane->in_at = lane->in_end; /* RFC 8446 section 6.1 */
	if (result != TURN_ENDED)
		keep_rest(conn, lane);
	*ret_size = used;
	return result;
}

/* RFC 8446 section 4.6.3: under the old key; then the next one counts. */
static int seal_key_update(struct conn *conn, struct side *to, uint8_t *out,
			   size_t *ret_size)
{
	struct tls_direction *tx = &to->tls->tx;
	size_t size = tls_record_sealed_size(tx, sizeof(key_update));
	int r = tls_record_seal(conn->worker->aead, tx, TLS_RECORD_HANDSHAKE,
				key_update, sizeof(key_update), out);

	if (r)
		return r;
	tls_aead_forget(conn->worker->aead, tx);
	r = tls_direction_next(tx, conn_words(conn));
	if (r)
		return r;
	to->counters->key_update_tx++;
	*ret_size = size;
	return 0;
}

static int seal_records(struct conn *conn, struct side *to,
			const uint8_t *plain, size_t size, uint8_t *out,
			uint32_t *ret_size)
{
	struct tls_direction *tx = &to->tls->tx;
	size_t at = 0, used = 0;
	int r;

	while (at < size) {
		size_t take = size - at;
		size_t sealed;

		if (take > to->tls->fragment_max)
			take = to->tls->fragment_max;
		if (turn_exhausted(conn, to) && tx->version == TLS_VERSION_13) {
			r = seal_key_update(conn, to, out + used, &sealed);
			if (r)
				return r;
			used += sealed;
		}
		sealed = tls_record_sealed_size(tx, take);
		assert(used + sealed <= BUF_SIZE);
		r = tls_record_seal(conn->worker->aead, tx, TLS_RECORD_DATA,
				    plain + at, take, out + used);
		if (r)
			return r;
		at += take;
		used += sealed;
	}
	*ret_size = (uint32_t)used;
	return 0;
}

/* plain becomes the lane's output, sealed if need be; takes plain over. */
static enum turn_result put_out(struct conn *conn, struct lane *lane,
				uint8_t *plain, size_t at, size_t size)
{
	struct bufs *bufs = &conn->worker->bufs;
	struct side *to = lane_to(conn, lane);
	uint8_t *sealed;
	uint32_t sealed_size;
	int r;

	lane->bytes += size;
	if (!to->tls || to->tls->tx_engine == ENGINE_KERNEL) {
		lane->out = plain;
		lane->out_at = (uint32_t)at;
		lane->out_end = (uint32_t)(at + size);
		return TURN_OUTPUT;
	}
	sealed = buf_take(bufs);
	r = sealed ? seal_records(conn, to, plain + at, size, sealed,
				  &sealed_size)
		   : -ENOMEM;
	buf_give(bufs, plain);
	if (r) {
		buf_give(bufs, sealed);
		conn_end(conn, r == -ENOMEM ? CONN_NO_MEMORY : CONN_INTERNAL);
		return TURN_ENDED;
	}
	lane->out = sealed;
	lane->out_at = 0;
	lane->out_end = sealed_size;
	return TURN_OUTPUT;
}

enum turn_result turn(struct conn *conn, struct lane *lane)
{
	struct bufs *bufs = &conn->worker->bufs;
	struct side *from = lane_from(conn, lane);
	enum turn_result result, put;
	uint8_t *plain;
	size_t size = 0;

	if (!from->tls || from->tls->rx_engine == ENGINE_KERNEL) {
		plain = lane->in;
		lane->in = NULL;
		return put_out(conn, lane, plain, lane->in_at,
			       lane->in_end - lane->in_at);
	}
	plain = buf_take(bufs);
	if (!plain) {
		conn_end(conn, CONN_NO_MEMORY);
		return TURN_ENDED;
	}
	result = open_records(conn, lane, plain, &size);
	if (result == TURN_ENDED || size == 0) {
		buf_give(bufs, plain);
		return result;
	}
	put = put_out(conn, lane, plain, 0, size);
	return put == TURN_OUTPUT && result == TURN_CLOSED ? TURN_CLOSED : put;
}

size_t turn_record_rest(struct conn *conn, struct lane *lane)
{
	struct side *from = lane_from(conn, lane);
	size_t have = lane->in_end - lane->in_at;
	int size =
		tls_record_size(&from->tls->rx, lane->in + lane->in_at, have);

	if (size <= 0)
		return TLS_RECORD_HEADER - have;
	return (size_t)size - have;
}

int turn_control(struct conn *conn, struct lane *lane, uint8_t type,
		 const uint8_t *content, size_t size)
{
	struct tls_direction *tx = &lane_to(conn, lane)->tls->tx;
	int r;

	assert(!lane->out);
	lane->out = buf_take(&conn->worker->bufs);
	if (!lane->out)
		return -ENOMEM;
	lane->out_at = 0;
	lane->out_end = (uint32_t)tls_record_sealed_size(tx, size);
	r = tls_record_seal(conn->worker->aead, tx, type, content, size,
			    lane->out);
	if (r) {
		buf_give(&conn->worker->bufs, lane->out);
		lane->out = NULL;
	}
	return r;
}

int turn_key_update(struct conn *conn, struct lane *lane)
{
	size_t size;
	int r;

	assert(!lane->out);
	lane->out = buf_take(&conn->worker->bufs);
	if (!lane->out)
		return -ENOMEM;
	r = seal_key_update(conn, lane_to(conn, lane), lane->out, &size);
	if (r) {
		buf_give(&conn->worker->bufs, lane->out);
		lane->out = NULL;
		return r;
	}
	lane->out_at = 0;
	lane->out_end = (uint32_t)size;
	return 0;
}
