/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/post.h"

#include <errno.h>
#include <string.h>

#include "flow/tickets.h"
#include "flow/worker.h"
#include "tls/engine_user.h"
#include "tls/wire.h"

/* As OpenSSL bounds empty records; tickets and KeyUpdates count too. */
#define IDLE_RECORDS_MAX 32
/* A ticket's own limit is 2^16-1, with 2^16-1 of extensions. */
#define MESSAGE_MAX (1U << 18)

static enum post_verdict end(struct conn *conn, struct side *from,
			     enum conn_reason reason, uint8_t alert,
			     const char *words)
{
	err_set(conn_words(conn), EPROTO, "%s", words);
	conn_end_with(conn, reason, from, alert);
	return POST_ENDED;
}

static enum post_verdict malformed(struct conn *conn, struct side *from,
				   uint8_t alert, const char *words)
{
	from->counters->bad_record++;
	from->counters->ssl_connection_error++;
	return end(conn, from, CONN_BAD_RECORD, alert, words);
}

static enum post_verdict on_alert(struct conn *conn, struct side *from,
				  const uint8_t *content, size_t size)
{
	if (size != 2)
		return malformed(conn, from, TLS_ALERT_DECODE_ERROR,
				 "an alert of a wrong size");
	if (content[1] == TLS_ALERT_CLOSE_NOTIFY)
		return POST_CLOSED;
	if (content[1] == TLS_ALERT_USER_CANCELED ||
	    (from->tls->tx.version == TLS_VERSION_12 && content[0] == 1))
		return POST_GO_ON;
	from->counters->peer_alert++;
	conn->up_left = from->is_up;
	err_set(conn_words(conn), ECONNABORTED, "the peer sent alert %u",
		(unsigned int)content[1]);
	conn_end(conn, CONN_PEER_ALERT);
	return POST_ENDED;
}

static enum post_verdict on_key_update(struct conn *conn, struct side *from,
				       bool record_ends)
{
	struct side_tls *tls = from->tls;

	if (tls->post.first > 1)
		return malformed(conn, from, TLS_ALERT_ILLEGAL_PARAMETER,
				 "a KeyUpdate that asks for the unknown");
	if (!record_ends)
		return malformed(conn, from, TLS_ALERT_UNEXPECTED_MESSAGE,
				 "a KeyUpdate that does not end its record");
	from->counters->key_update_rx++;
	if (tls->post.first == 1)
		tls->key_update_due = true;
	return POST_REKEY;
}

static enum post_verdict on_message(struct conn *conn, struct side *from,
				    bool record_ends)
{
	uint8_t type = from->tls->post.header[0];
	bool tls13 = from->tls->rx.version == TLS_VERSION_13;

	if (tls13 && type == TLS_MESSAGE_NEW_SESSION_TICKET && from->is_up) {
		from->counters->ticket_rx++;
		if (!tickets_kept(from))
			conn->cluster->row->ticket_dropped++;
		return POST_GO_ON;
	}
	if (tls13 && type == TLS_MESSAGE_KEY_UPDATE)
		return on_key_update(conn, from, record_ends);
	from->counters->post_handshake_refused++;
	if (!tls13 && (type == TLS_MESSAGE_HELLO_REQUEST ||
		       type == TLS_MESSAGE_CLIENT_HELLO))
		return end(conn, from, CONN_REFUSED_MESSAGE,
			   TLS_ALERT_NO_RENEGOTIATION,
			   "the peer wants to renegotiate");
	return end(conn, from, CONN_REFUSED_MESSAGE,
		   TLS_ALERT_UNEXPECTED_MESSAGE,
		   type == TLS_MESSAGE_CERTIFICATE_REQUEST
			   ? "the peer wants post-handshake authentication"
			   : "a handshake message after the handshake");
}

static uint32_t body_size(const struct post_parser *parser)
{
	return (uint32_t)parser->header[1] << 16 |
	       (uint32_t)parser->header[2] << 8 | parser->header[3];
}

/* Whether a message may be as long as its header says. */
static bool plausible(const struct post_parser *parser)
{
	uint32_t size = body_size(parser);

	return size <= MESSAGE_MAX &&
	       (parser->header[0] != TLS_MESSAGE_KEY_UPDATE || size == 1);
}

static enum post_verdict on_handshake(struct conn *conn, struct side *from,
				      const uint8_t *content, size_t size)
{
	struct post_parser *parser = &from->tls->post;
	enum post_verdict verdict = POST_GO_ON;
	size_t at = 0;

	if (!size)
		return malformed(conn, from, TLS_ALERT_UNEXPECTED_MESSAGE,
				 "an empty handshake record");
	while (verdict == POST_GO_ON && at < size) {
		uint32_t take;

		if (parser->header_size < sizeof(parser->header)) {
			parser->header[parser->header_size++] = content[at++];
			if (parser->header_size < sizeof(parser->header))
				continue;
			if (!plausible(parser))
				return malformed(conn, from,
						 TLS_ALERT_DECODE_ERROR,
						 "a handshake message of an "
						 "impossible size");
			parser->body_left = body_size(parser);
			if (parser->body_left && at < size)
				parser->first = content[at];
		} else if (parser->body_left == body_size(parser)) {
			/* The header ended a record; the body begins here. */
			parser->first = content[at];
		}
		take = parser->body_left;
		if (take > size - at)
			take = (uint32_t)(size - at);
		parser->body_left -= take;
		at += take;
		if (parser->body_left)
			break;
		parser->header_size = 0;
		verdict = on_message(conn, from, at == size);
	}
	return verdict;
}

static enum post_verdict count_idle(struct conn *conn, struct side *from)
{
	if (++from->tls->idle_records <= IDLE_RECORDS_MAX)
		return POST_GO_ON;
	from->counters->record_flood++;
	return end(conn, from, CONN_RECORD_FLOOD, TLS_ALERT_UNEXPECTED_MESSAGE,
		   "too many records without data");
}

enum post_verdict post_record(struct conn *conn, struct side *from,
			      uint8_t type, const uint8_t *content, size_t size)
{
	enum post_verdict verdict = count_idle(conn, from);

	if (verdict != POST_GO_ON)
		return verdict;
	if (type == TLS_RECORD_HANDSHAKE)
		return on_handshake(conn, from, content, size);
	if (from->tls->post.header_size)
		return malformed(conn, from, TLS_ALERT_UNEXPECTED_MESSAGE,
				 "a record inside a handshake message");
	if (type == TLS_RECORD_ALERT)
		return on_alert(conn, from, content, size);
	return malformed(conn, from, TLS_ALERT_UNEXPECTED_MESSAGE,
			 "a record of an unexpected type");
}

enum post_verdict post_data(struct conn *conn, struct side *from, size_t size)
{
	if (from->tls->post.header_size)
		return malformed(conn, from, TLS_ALERT_UNEXPECTED_MESSAGE,
				 "data inside a handshake message");
	if (!size)
		return count_idle(conn, from);
	from->tls->idle_records = 0;
	return POST_GO_ON;
}
