/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/handshake.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "tls/ctx.h"
#include "tls/engine_user.h"
#include "tls/names.h"

struct tls_handshake {
	SSL *ssl;
	BIO *in; /* both belong to ssl */
	BIO *out;
	bool server;
	bool done;
	enum tls_failure failure;
	uint8_t client_secret[TLS_SECRET_MAX];
	uint8_t server_secret[TLS_SECRET_MAX];
	uint8_t master[TLS_MASTER_SIZE];
	uint64_t tx_records; /* already sent under the application's keys */
	uint64_t tx_nonce;   /* TLS 1.2 GCM: of the last record in out */
};

static int unhex(const char *text, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int high = OPENSSL_hexchar2int((unsigned char)text[2 * i]);
		int low = high < 0 ? -1
				   : OPENSSL_hexchar2int(
					     (unsigned char)text[2 * i + 1]);

		if (low < 0)
			return (int)i;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return (int)size;
}

/* The only way OpenSSL 3.0 has to tell TLS 1.3's traffic secrets; for TLS 1.2
 * the line is the master secret (NSS key log format). */
static void take_secret(const SSL *ssl, const char *line)
{
	struct tls_handshake *handshake = SSL_get_app_data(ssl);
	const char *value = strrchr(line, ' ');

	if (!value)
		return;
	value++;
	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		unhex(value, handshake->client_secret, TLS_SECRET_MAX);
	else if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
		unhex(value, handshake->server_secret, TLS_SECRET_MAX);
	else if (strncmp(line, "CLIENT_RANDOM ", 14) == 0)
		unhex(value, handshake->master, TLS_MASTER_SIZE);
}

static int handshake_new(SSL_CTX *ctx, struct tls_handshake **ret)
{
	struct tls_handshake *handshake = calloc(1, sizeof(*handshake));

	if (!handshake)
		return -ENOMEM;
	SSL_CTX_set_keylog_callback(ctx, take_secret);
	handshake->ssl = SSL_new(ctx);
	handshake->in = BIO_new(BIO_s_mem());
	handshake->out = BIO_new(BIO_s_mem());
	if (!handshake->ssl || !handshake->in || !handshake->out) {
		BIO_free(handshake->in);
		BIO_free(handshake->out);
		SSL_free(handshake->ssl);
		free(handshake);
		ERR_clear_error();
		return -ENOMEM;
	}
	BIO_set_mem_eof_return(handshake->in, -1);
	SSL_set_bio(handshake->ssl, handshake->in, handshake->out);
	SSL_set_app_data(handshake->ssl, handshake);
	*ret = handshake;
	return 0;
}

int tls_handshake_server_new(SSL_CTX *ctx, struct tls_handshake **ret)
{
	int r = handshake_new(ctx, ret);

	if (r)
		return r;
	(*ret)->server = true;
	SSL_set_accept_state((*ret)->ssl);
	return 0;
}

int tls_handshake_client_new(SSL_CTX *ctx, const char *server_name,
			     struct tls_handshake **ret)
{
	int r = handshake_new(ctx, ret);

	if (r)
		return r;
	SSL_set_connect_state((*ret)->ssl);
	if (server_name &&
	    SSL_set_tlsext_host_name((*ret)->ssl, server_name) != 1) {
		tls_handshake_free(*ret);
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

void tls_handshake_free(struct tls_handshake *handshake)
{
	if (!handshake)
		return;
	/* Without this OpenSSL marks the session as not resumable. */
	if (handshake->done)
		SSL_set_shutdown(handshake->ssl,
				 SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(handshake->ssl);
	OPENSSL_cleanse(handshake, sizeof(*handshake));
	free(handshake);
}

int tls_handshake_feed(struct tls_handshake *handshake, const void *bytes,
		       size_t size)
{
	size_t written;

	if (BIO_write_ex(handshake->in, bytes, size, &written) != 1 ||
	    written != size)
		return -ENOMEM;
	return 0;
}

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* Counts what this step wrote: where our own engines go on. The last record
 * that a TLS 1.2 side writes is its Finished, in whichever step. */
static void count_output(struct tls_handshake *handshake, size_t from)
{
	const uint8_t *bytes;
	size_t size = tls_handshake_output(handshake, &bytes);
	size_t at = from;

	handshake->tx_records = 0;
	while (at + TLS_RECORD_HEADER <= size) {
		size_t body = (size_t)bytes[at + 3] << 8 | bytes[at + 4];

		if (body >= 8 && at + TLS_RECORD_HEADER + 8 <= size)
			handshake->tx_nonce =
				load64(bytes + at + TLS_RECORD_HEADER);
		handshake->tx_records++;
		at += TLS_RECORD_HEADER + body;
	}
}

static void name_mismatch(struct tls_handshake *handshake, struct err *err)
{
	const struct config_cluster *cluster =
		SSL_CTX_get_app_data(SSL_get_SSL_CTX(handshake->ssl));
	X509 *certificate = SSL_get0_peer_certificate(handshake->ssl);
	char presented[256] = "none";

	if (certificate)
		names_certificate_format(certificate, presented,
					 sizeof(presented));
	err_set(err, EPROTO,
		"the peer's certificate carries none of the expected names: "
		"presented %s; expected %s%s",
		presented, cluster->names.items[0],
		cluster->names.count > 1 ? ", ..." : "");
}

static int failed(struct tls_handshake *handshake, struct err *err)
{
	long verdict = SSL_get_verify_result(handshake->ssl);
	int reason = ERR_GET_REASON(ERR_peek_last_error());
	char words[256];

	tls_error_words(words, sizeof(words));
	handshake->failure = TLS_FAILURE_PROTOCOL;
	if (reason != SSL_R_CERTIFICATE_VERIFY_FAILED) {
		err_set(err, EPROTO, "TLS handshake failed: %s%s",
			words[0] ? words : "no reason given",
			reason == SSL_R_WRONG_VERSION_NUMBER ||
					reason == SSL_R_HTTP_REQUEST
				? " (the peer does not speak TLS)"
				: "");
	} else if (verdict == X509_V_ERR_HOSTNAME_MISMATCH) {
		handshake->failure = TLS_FAILURE_NAME;
		name_mismatch(handshake, err);
	} else {
		handshake->failure = TLS_FAILURE_CHAIN;
		err_set(err, EPROTO,
			"the peer's certificate does not validate: %s",
			X509_verify_cert_error_string(verdict));
	}
	return -EPROTO;
}

int tls_handshake_step(struct tls_handshake *handshake, struct err *err)
{
	const uint8_t *bytes;
	size_t before = tls_handshake_output(handshake, &bytes);
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(handshake->ssl);
	count_output(handshake, before);
	if (r == 1) {
		handshake->done = true;
		return 1;
	}
	if (SSL_get_error(handshake->ssl, r) == SSL_ERROR_WANT_READ)
		return 0;
	return failed(handshake, err);
}

enum tls_failure tls_handshake_failure(const struct tls_handshake *handshake)
{
	return handshake->failure;
}

size_t tls_handshake_output(struct tls_handshake *handshake,
			    const uint8_t **ret_bytes)
{
	char *bytes;
	long size = BIO_get_mem_data(handshake->out, &bytes);

	*ret_bytes = (const uint8_t *)bytes;
	return size > 0 ? (size_t)size : 0;
}

void tls_handshake_sent(struct tls_handshake *handshake)
{
	(void)BIO_reset(handshake->out);
}

size_t tls_handshake_leftover(struct tls_handshake *handshake,
			      const uint8_t **ret_bytes)
{
	char *bytes;
	long size = BIO_get_mem_data(handshake->in, &bytes);

	*ret_bytes = (const uint8_t *)bytes;
	return size > 0 ? (size_t)size : 0;
}

static int cipher_of(const SSL_CIPHER *cipher, enum tls_cipher *ret_cipher,
		     enum tls_hash *ret_hash, struct err *err)
{
	int nid = EVP_MD_get_type(SSL_CIPHER_get_handshake_digest(cipher));

	switch (SSL_CIPHER_get_cipher_nid(cipher)) {
	case NID_aes_128_gcm:
		*ret_cipher = TLS_CIPHER_AES128_GCM;
		break;
	case NID_aes_256_gcm:
		*ret_cipher = TLS_CIPHER_AES256_GCM;
		break;
	case NID_chacha20_poly1305:
		*ret_cipher = TLS_CIPHER_CHACHA20;
		break;
	default:
		return err_set(err, EPROTONOSUPPORT,
			       "cipher %s was negotiated, which no engine "
			       "has; leave it out of the configuration",
			       SSL_CIPHER_get_name(cipher));
	}
	*ret_hash = nid == NID_sha384 ? TLS_HASH_SHA384 : TLS_HASH_SHA256;
	return 0;
}

static int keys_13(struct tls_handshake *handshake, enum tls_cipher cipher,
		   enum tls_hash hash, struct tls_direction *ret_tx,
		   struct tls_direction *ret_rx, struct err *err)
{
	bool server = handshake->server;
	int r = tls_direction_from_secret(ret_tx, cipher, hash,
					  server ? handshake->server_secret
						 : handshake->client_secret,
					  err);

	if (!r)
		r = tls_direction_from_secret(ret_rx, cipher, hash,
					      server ? handshake->client_secret
						     : handshake->server_secret,
					      err);
	if (r)
		return r;
	/* A server's last step writes its tickets under the new keys; a
	 * client's last step writes Finished, under the old ones. */
	if (server)
		ret_tx->sequence = ret_tx->records = handshake->tx_records;
	return 0;
}

static int keys_12(struct tls_handshake *handshake, enum tls_cipher cipher,
		   enum tls_hash hash, struct tls_direction *ret_tx,
		   struct tls_direction *ret_rx, struct err *err)
{
	uint8_t client_random[TLS_RANDOM_SIZE], server_random[TLS_RANDOM_SIZE];
	bool server = handshake->server;
	int r;

	SSL_get_client_random(handshake->ssl, client_random,
			      sizeof(client_random));
	SSL_get_server_random(handshake->ssl, server_random,
			      sizeof(server_random));
	r = tls_directions_from_master(
		server ? ret_rx : ret_tx, server ? ret_tx : ret_rx, cipher,
		hash, handshake->master, client_random, server_random, err);
	if (r)
		return r;
	/* Each side's Finished was record 0 (RFC 5246 section 6.1); going on
	 * from its explicit nonce never repeats one. */
	ret_tx->sequence = ret_rx->sequence = 1;
	ret_tx->records = 1;
	if (cipher != TLS_CIPHER_CHACHA20)
		ret_tx->nonce = handshake->tx_nonce + 1;
	return 0;
}

int tls_handshake_keys(struct tls_handshake *handshake,
		       struct tls_direction *ret_tx,
		       struct tls_direction *ret_rx, struct err *err)
{
	enum tls_cipher cipher = TLS_CIPHER_NONE;
	enum tls_hash hash = TLS_HASH_SHA256;
	int r;

	assert(handshake->done);
	r = cipher_of(SSL_get_current_cipher(handshake->ssl), &cipher, &hash,
		      err);
	if (r)
		return r;
	if (SSL_version(handshake->ssl) == TLS1_3_VERSION)
		return keys_13(handshake, cipher, hash, ret_tx, ret_rx, err);
	return keys_12(handshake, cipher, hash, ret_tx, ret_rx, err);
}

const char *tls_handshake_version(const struct tls_handshake *handshake)
{
	return SSL_get_version(handshake->ssl);
}

const char *tls_handshake_cipher(const struct tls_handshake *handshake)
{
	return SSL_get_cipher_name(handshake->ssl);
}

const char *tls_handshake_group(struct tls_handshake *handshake)
{
	int id = (int)SSL_get_negotiated_group(handshake->ssl);
	const char *name = id ? SSL_group_to_name(handshake->ssl, id) : NULL;

	return name ? name : "none";
}

bool tls_handshake_resumed(const struct tls_handshake *handshake)
{
	return SSL_session_reused(handshake->ssl) == 1;
}

bool tls_handshake_peer_certificate(const struct tls_handshake *handshake)
{
	return SSL_get0_peer_certificate(handshake->ssl) != NULL;
}

size_t tls_handshake_fragment_max(const struct tls_handshake *handshake)
{
	switch (SSL_SESSION_get_max_fragment_length(
		SSL_get0_session(handshake->ssl))) {
	case TLSEXT_max_fragment_length_512:
		return 512;
	case TLSEXT_max_fragment_length_1024:
		return 1024;
	case TLSEXT_max_fragment_length_2048:
		return 2048;
	case TLSEXT_max_fragment_length_4096:
		return 4096;
	default:
		return 0;
	}
}
