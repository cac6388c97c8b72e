/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/shake.h"

#include <errno.h>
#include <string.h>

#include "flow/close.h"
#include "flow/handoff.h"
#include "flow/way.h"
#include "flow/worker.h"

#define IDENTITY_MAX 256

static void count_failure(struct side *side)
{
	switch (tls_handshake_failure(side->handshake)) {
	case TLS_FAILURE_CHAIN:
		side->counters->ssl_fail_verify_error++;
		break;
	case TLS_FAILURE_NAME:
		side->counters->ssl_fail_verify_san++;
		break;
	case TLS_FAILURE_HASH:
		side->counters->ssl_fail_verify_cert_hash++;
		break;
	case TLS_FAILURE_NO_CERT:
		side->counters->ssl_fail_verify_no_cert++;
		break;
	default:
		side->counters->ssl_connection_error++;
	}
}

static void negotiated(struct conn *conn, struct side *side)
{
	struct negotiated_row *row = side->is_up ? conn->cluster->negotiated
						 : conn->listener->negotiated;
	struct tls_handshake *handshake = side->handshake;
	const char *sigalg = tls_handshake_sigalg(handshake);

	++*counters_negotiated_field(row, "ciphers",
				     tls_handshake_cipher(handshake));
	++*counters_negotiated_field(row, "versions",
				     tls_handshake_version(handshake));
	++*counters_negotiated_field(row, "curves",
				     tls_handshake_group(handshake));
	if (sigalg)
		++*counters_negotiated_field(row, "sigalgs", sigalg);
}

/* What a line about the connection will say when the handshake is long gone;
 * where memory is short it says less. */
static void remember(struct side *side)
{
	const char *sni = tls_handshake_sni(side->handshake);
	char identity[IDENTITY_MAX];

	if (sni)
		side->sni = strdup(sni);
	if (tls_handshake_peer_identity(side->handshake, identity,
					sizeof(identity)))
		side->identity = strdup(identity);
}

static void count_staple(struct listener_row *row,
			 const struct tls_handshake *handshake)
{
	enum select_staple staple = tls_handshake_stapled(handshake);

	if (staple == SELECT_STAPLE_UNASKED)
		return;
	row->ocsp_requests++;
	if (staple == SELECT_STAPLE_SENT)
		row->ocsp_responses++;
	else
		row->ocsp_omitted++;
}

static void shaken(struct conn *conn, struct side *side)
{
	remember(side);
	side->counters->ssl_handshake++;
	if (tls_handshake_resumed(side->handshake))
		side->counters->ssl_session_reused++;
	if (!tls_handshake_peer_certificate(side->handshake))
		side->counters->ssl_no_certificate++;
	if (!side->is_up)
		count_staple(conn->listener->row, side->handshake);
	negotiated(conn, side);
	conn_handshake_over(conn);
	timer_cancel(&conn->worker->wheel, &conn->timer);
	way_next(conn);
}

static enum conn_reason failure_reason(const struct side *side)
{
	return side->is_up ? CONN_UPSTREAM_TLS : CONN_HANDSHAKE_FAILED;
}

/* The alert lies in the output; it goes out as far as the socket takes it. */
static void fail(struct conn *conn, struct side *side)
{
	const uint8_t *bytes;
	size_t size = tls_handshake_output(side->handshake, &bytes);

	count_failure(side);
	remember(side);
	if (size && send(side->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
			    (ssize_t)size)
		conn_end_with(conn, failure_reason(side), side, 0);
	else
		conn_end(conn, failure_reason(side));
}

static void go_on(struct conn *conn, struct side *side);

static void sent(struct op *op, int res, unsigned int flags)
{
	struct side *side = list_entry(op, struct side, op);
	struct conn *conn = side_conn(side);
	const uint8_t *bytes;
	size_t size;

	(void)flags;
	if (conn->stage == WAY_CLOSE) {
		close_continue(conn);
		return;
	}
	if (res < 0) {
		err_set(conn_words(conn), -res, "send during the handshake: %s",
			strerror(-res));
		conn_end(conn,
			 side->is_up ? CONN_UPSTREAM_TLS : CONN_RESET_BY_DOWN);
		return;
	}
	side->shake_sent += (uint32_t)res;
	size = tls_handshake_output(side->handshake, &bytes);
	if (side->shake_sent < size) {
		ring_send(&conn->worker->ring, &side->op, side->fd,
			  bytes + side->shake_sent, size - side->shake_sent);
		return;
	}
	tls_handshake_sent(side->handshake);
	side->shake_sent = 0;
	go_on(conn, side);
}

static void lost(struct conn *conn, struct side *side, int res)
{
	conn->up_left = side->is_up;
	if (res)
		err_set(conn_words(conn), -res,
			"receive during the handshake: %s", strerror(-res));
	else
		err_set(conn_words(conn), ECONNRESET,
			"the peer closed during the handshake");
	conn_end(conn, side->is_up ? CONN_UPSTREAM_TLS : CONN_RESET_BY_DOWN);
}

static void received(struct op *op, int res, unsigned int flags)
{
	struct side *side = list_entry(op, struct side, op);
	struct conn *conn = side_conn(side);
	struct bufs *bufs = &conn->worker->bufs;
	uint8_t *buf = NULL;
	int r = 0;

	if (flags & IORING_CQE_F_BUFFER)
		buf = buf_claim(bufs, flags);
	if (conn->stage != WAY_CLOSE && res > 0)
		r = tls_handshake_feed(side->handshake, buf, (size_t)res);
	buf_give(bufs, buf);
	if (conn->stage == WAY_CLOSE)
		close_continue(conn);
	else if (res == -ENOBUFS)
		go_on(conn, side);
	else if (res <= 0)
		lost(conn, side, res);
	else if (r)
		conn_end(conn, CONN_NO_MEMORY);
	else
		go_on(conn, side);
}

static void step(struct conn *conn, struct side *side)
{
	int r = tls_handshake_step(side->handshake, conn_words(conn));

	if (r < 0) {
		fail(conn, side);
		return;
	}
	side->shake_done = r == 1;
}

/* Sends what there is, else ends the stage or waits for the peer. */
static void go_on(struct conn *conn, struct side *side)
{
	const uint8_t *bytes;
	size_t size;

	if (!side->shake_done)
		step(conn, side);
	if (conn->stage == WAY_CLOSE)
		return;
	size = tls_handshake_output(side->handshake, &bytes);
	if (size) {
		op_init(&side->op, sent);
		ring_send(&conn->worker->ring, &side->op, side->fd, bytes,
			  size);
	} else if (side->shake_done) {
		shaken(conn, side);
	} else {
		op_init(&side->op, received);
		ring_recv_select(&conn->worker->ring, &side->op, side->fd,
				 BUF_GROUP);
	}
}

void shake_begin(struct conn *conn, struct side *side)
{
	handoff_prepare(conn, side);
	if (conn->stage != WAY_CLOSE)
		go_on(conn, side);
}

void shake_enter(struct conn *conn)
{
	struct worker *worker = conn->worker;

	if (tls_handshake_server_new(conn->listener->ctx,
				     &conn->down.handshake)) {
		conn_end(conn, CONN_NO_MEMORY);
		return;
	}
	timer_arm(&worker->wheel, &conn->timer,
		  worker->now_ms +
			  conn->listener->config->handshake_timeout_ms);
	shake_begin(conn, &conn->down);
}

void shake_deadline(struct conn *conn)
{
	conn->listener->row->handshake_timeout++;
	err_set(conn_words(conn), ETIMEDOUT, "the handshake took too long");
	conn_end(conn, CONN_HANDSHAKE_TIMEOUT);
}
