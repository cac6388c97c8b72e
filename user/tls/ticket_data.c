/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/ticket_data.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdint.h>
#include <string.h>

/* Of a peer's intermediates within a ticket. */
#define CHAIN_MAX 8192
#define UNTIL_SIZE sizeof(int64_t)

/* When it ends, then the chain as it was sent. */
static int put(SSL *ssl, void *data)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	uint8_t bytes[UNTIL_SIZE + CHAIN_MAX], *at = bytes + UNTIL_SIZE;
	SSL_SESSION *session = SSL_get_session(ssl);
	int64_t until;

	/* Resumed: what came in with the ticket goes out with the next. */
	if (SSL_session_reused(ssl))
		return 1;
	until = session_until(ssl, data);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		int size = i2d_X509(sk_X509_value(chain, i), NULL);

		if (size < 0 ||
		    (size_t)size > sizeof(bytes) - (size_t)(at - bytes)) {
			until = 0; /* it is not whole: of no use */
			break;
		}
		i2d_X509(sk_X509_value(chain, i), &at);
	}
	memcpy(bytes, &until, UNTIL_SIZE);
	return SSL_SESSION_set1_ticket_appdata(session, bytes,
					       (size_t)(at - bytes)) == 1;
}

/* The data of a session; at least UNTIL_SIZE bytes, or NULL. */
static const uint8_t *data_of(SSL_SESSION *session, size_t *ret_size)
{
	void *bytes = NULL;

	if (SSL_SESSION_get0_ticket_appdata(session, &bytes, ret_size) != 1 ||
	    !bytes || *ret_size < UNTIL_SIZE)
		return NULL;
	return bytes;
}

/* What a full handshake would refuse by now is not resumed. */
static SSL_TICKET_RETURN look(SSL *ssl, SSL_SESSION *session,
			      const unsigned char *name, size_t name_size,
			      SSL_TICKET_STATUS status, void *data)
{
	const uint8_t *bytes;
	int64_t until = 0;
	size_t size;

	(void)name;
	(void)name_size;
	(void)data;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	bytes = data_of(session, &size);
	if (bytes)
		memcpy(&until, bytes, UNTIL_SIZE);
	if (time(NULL) >= until)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	/* A ticket of TLS 1.3 is for one use. */
	return status == SSL_TICKET_SUCCESS && SSL_version(ssl) < TLS1_3_VERSION
		       ? SSL_TICKET_RETURN_USE
		       : SSL_TICKET_RETURN_USE_RENEW;
}

int ticket_data_use(SSL_CTX *ctx, const struct session_demands *demands)
{
	return SSL_CTX_set_session_ticket_cb(ctx, put, look,
					     (void *)(uintptr_t)demands) == 1
		       ? 0
		       : -EIO;
}

STACK_OF(X509) *ticket_data_chain(SSL_SESSION *session)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	size_t size = 0;
	const uint8_t *bytes = data_of(session, &size);
	const uint8_t *at = bytes ? bytes + UNTIL_SIZE : NULL;
	const uint8_t *end = bytes ? bytes + size : NULL;

	while (chain && at && at < end) {
		X509 *certificate = d2i_X509(NULL, &at, end - at);

		if (!certificate || !sk_X509_push(chain, certificate)) {
			X509_free(certificate);
			break;
		}
	}
	ERR_clear_error();
	return chain;
}
