/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handshake: OpenSSL between two memory buffers, until the keys can leave it.
 *
 * No socket and no ring: the caller feeds what it received, steps, and sends
 * what is to be sent. After the last step the directions' keys are taken out
 * and the object is freed; the session stays resumable for the peer.
 */
#ifndef MILLRACE_TLS_HANDSHAKE_H
#define MILLRACE_TLS_HANDSHAKE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tls/keys.h"
#include "tls/peer.h"
#include "tls/resume.h"
#include "tls/select.h"
#include "tls/verify.h"

struct tls_handshake;

/* server_name (SNI) may be NULL, and is for clients. 0, -ENOMEM. */
int tls_handshake_server_new(SSL_CTX *ctx, struct tls_handshake **ret);
int tls_handshake_client_new(SSL_CTX *ctx, const char *server_name,
			     struct tls_handshake **ret);

/* NULL is allowed. Wipes the secrets. */
void tls_handshake_free(struct tls_handshake *handshake);

/* Copies size bytes from the peer in. 0 or -ENOMEM. */
int tls_handshake_feed(struct tls_handshake *handshake, const void *bytes,
		       size_t size) __attribute__((warn_unused_result));

/*
 * Goes on as far as it can: 1 done, 0 needs bytes from the peer, -EPROTO
 * failed (tls_handshake_failure() and the words in err tell why). In each
 * case there may be bytes to send, an alert among them.
 */
int tls_handshake_step(struct tls_handshake *handshake, struct err *err)
	__attribute__((warn_unused_result));

enum tls_failure tls_handshake_failure(const struct tls_handshake *handshake);

/* What is to be sent; valid until the next call but tls_handshake_sent(). */
size_t tls_handshake_output(struct tls_handshake *handshake,
			    const uint8_t **ret_bytes);
/* All of the output was sent. */
void tls_handshake_sent(struct tls_handshake *handshake);

/* What was fed but is no part of the handshake: application records. */
size_t tls_handshake_leftover(struct tls_handshake *handshake,
			      const uint8_t **ret_bytes);

/* After done: both directions as this side sees them. 0 or -errno. */
int tls_handshake_keys(struct tls_handshake *handshake,
		       struct tls_direction *ret_tx,
		       struct tls_direction *ret_rx, struct err *err)
	__attribute__((warn_unused_result));

/* After done. The strings are OpenSSL's and static. */
const char *tls_handshake_version(const struct tls_handshake *handshake);
const char *tls_handshake_cipher(const struct tls_handshake *handshake);
const char *tls_handshake_group(struct tls_handshake *handshake);
/* What the peer signed with, by TLS' name for it, static; "" for what has no
 * name here, NULL when it signed nothing: it showed no certificate, or the
 * session was resumed. */
const char *tls_handshake_sigalg(const struct tls_handshake *handshake);
bool tls_handshake_resumed(const struct tls_handshake *handshake);
bool tls_handshake_peer_certificate(const struct tls_handshake *handshake);
/* The name that the client asked for (SNI), at any time; NULL: none. Valid as
 * long as the handshake. */
const char *tls_handshake_sni(const struct tls_handshake *handshake);
/* Whose certificate the peer showed (names_certificate_identity); false, and
 * text untouched, when there was none that validated. */
bool tls_handshake_peer_identity(const struct tls_handshake *handshake,
				 char *text, size_t size);

/* NULL: it showed no certificate, or memory is short. peer_give(). */
struct peer *tls_handshake_peer(const struct tls_handshake *handshake,
				struct peers *peers);

/* Servers of ctx staple what the set has; it must outlive ctx. */
void tls_handshake_staple(SSL_CTX *ctx, const struct credential_set *set);
enum select_staple tls_handshake_stapled(const struct tls_handshake *handshake);

/* The protocol that was agreed on (ALPN), valid as long as the handshake is;
 * 0: none. */
size_t tls_handshake_alpn(const struct tls_handshake *handshake,
			  const uint8_t **ret_name);
/* A client offers this one alone. 0 or -ENOMEM. */
int tls_handshake_offer(struct tls_handshake *handshake, const uint8_t *name,
			size_t size) __attribute__((warn_unused_result));

/* ---- sessions of a client (resume.h) */

/* Clients of ctx whose sessions are to be kept. */
void tls_handshake_keep_sessions(SSL_CTX *ctx);

/*
 * Before the first step of such a client: offers a session of endpoint's, if
 * there is one, and puts new ones there. All but endpoint must outlive the
 * handshake. 0 or -ENOMEM.
 */
int tls_handshake_resume(struct tls_handshake *handshake, struct resume *resume,
			 const struct session_demands *demands,
			 const struct addr *endpoint)
	__attribute__((warn_unused_result));

/* Whether sessions may still come: TLS 1.3 brings them after the handshake. */
bool tls_handshake_awaits_tickets(const struct tls_handshake *handshake);

/*
 * After done: the next record from the peer, as it came; each must be given,
 * from the first on, up to one that holds no handshake message. *ret_kept
 * sessions came of it. -errno: no more are to be had.
 */
int tls_handshake_ticket(struct tls_handshake *handshake, const void *record,
			 size_t size, unsigned int *ret_kept)
	__attribute__((warn_unused_result));

/* Bytes of content per record that the peer asked for, or 0: no limit. */
size_t tls_handshake_fragment_max(const struct tls_handshake *handshake);

#endif
