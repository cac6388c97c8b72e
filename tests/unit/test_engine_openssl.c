/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user engine in the place of one end of a real connection: OpenSSL
 * shakes hands with itself over memory buffers, one of the two objects is
 * dropped, and the engine goes on with the keys and the other one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <openssl/ssl.h>

#include "hex.h"
#include "kinds.h"
#include "tls/engine_user.h"
#include "tls/wire.h"

#define LINE_MAX_SIZE 300
#define TICKETS 2

static struct tls_aead *aead;
static EVP_PKEY *key;
static X509 *certificate;

/* What the keylog callback was told, both ends together. */
static char secrets[3][LINE_MAX_SIZE];
static const char *const labels[3] = {
	"CLIENT_RANDOM ",
	"CLIENT_TRAFFIC_SECRET_0 ",
	"SERVER_TRAFFIC_SECRET_0 ",
};

struct pair {
	SSL_CTX *ctx;
	SSL *peer; /* the one that stays */
	struct tls_direction tx, rx;
};

static void keylog(const SSL *ssl, const char *line)
{
	(void)ssl;
	for (size_t i = 0; i < 3; i++)
		if (strncmp(line, labels[i], strlen(labels[i])) == 0)
			snprintf(secrets[i], LINE_MAX_SIZE, "%s",
				 strrchr(line, ' ') + 1);
}

static SSL_CTX *make_ctx(const struct kind *kind)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	assert_non_null(ctx);
	assert_true(SSL_CTX_set_min_proto_version(ctx, kind->version));
	assert_true(SSL_CTX_set_max_proto_version(ctx, kind->version));
	if (kind->version == TLS_VERSION_13)
		assert_true(SSL_CTX_set_ciphersuites(ctx, kind->suite));
	else
		assert_true(SSL_CTX_set_cipher_list(ctx, kind->suite));
	assert_true(SSL_CTX_use_certificate(ctx, certificate));
	assert_true(SSL_CTX_use_PrivateKey(ctx, key));
	assert_true(SSL_CTX_set_num_tickets(ctx, TICKETS));
	SSL_CTX_set_keylog_callback(ctx, keylog);
	return ctx;
}

static SSL *make_ssl(SSL_CTX *ctx, bool server)
{
	SSL *ssl = SSL_new(ctx);

	assert_non_null(ssl);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static size_t carry(SSL *from, SSL *to)
{
	char *bytes;
	long size = BIO_get_mem_data(SSL_get_wbio(from), &bytes);

	assert_int_equal(BIO_write(SSL_get_rbio(to), bytes, (int)size), size);
	assert_true(BIO_reset(SSL_get_wbio(from)));
	return (size_t)size;
}

static void shake(SSL *client, SSL *server)
{
	while (!SSL_is_init_finished(client) || !SSL_is_init_finished(server)) {
		SSL_do_handshake(client);
		carry(client, server);
		SSL_do_handshake(server);
		if (!SSL_is_init_finished(server) ||
		    SSL_version(server) == TLS1_2_VERSION)
			carry(server, client);
	}
}

/* As the client sees them: tx is the client's. */
static void derive(const struct kind *kind, const SSL *client,
		   struct tls_direction *tx, struct tls_direction *rx)
{
	uint8_t secret[3][TLS_SECRET_MAX];
	uint8_t client_random[TLS_RANDOM_SIZE], server_random[TLS_RANDOM_SIZE];

	for (size_t i = 0; i < 3; i++)
		hex(secrets[i], secret[i], sizeof(secret[i]));
	if (kind->version == TLS_VERSION_13) {
		assert_int_equal(tls_direction_from_secret(tx, kind->cipher,
							   kind->hash,
							   secret[1], NULL),
				 0);
		assert_int_equal(tls_direction_from_secret(rx, kind->cipher,
							   kind->hash,
							   secret[2], NULL),
				 0);
		return;
	}
	SSL_get_client_random(client, client_random, sizeof(client_random));
	SSL_get_server_random(client, server_random, sizeof(server_random));
	assert_int_equal(tls_directions_from_master(
				 tx, rx, kind->cipher, kind->hash, secret[0],
				 client_random, server_random, NULL),
			 0);
	/* Finished was record 0. */
	tx->sequence = rx->sequence = 1;
	/* Any nonce will do that this key never had; OpenSSL begins at random,
	 * so that this could only clash by chance. */
	tx->nonce = rx->nonce = 1;
}

/* One record that the peer sent: its type and content. */
static size_t fetch(struct pair *pair, uint8_t *content, uint8_t *ret_type)
{
	static uint8_t record[TLS_RECORD_PLAIN_MAX + TLS_RECORD_OVERHEAD_MAX];
	BIO *bio = SSL_get_wbio(pair->peer);
	size_t inner;
	int size;

	assert_int_equal(BIO_read(bio, record, TLS_RECORD_HEADER),
			 TLS_RECORD_HEADER);
	size = tls_record_size(&pair->rx, record, TLS_RECORD_HEADER);
	assert_true(size > TLS_RECORD_HEADER && size <= (int)sizeof(record));
	assert_int_equal(BIO_read(bio, record + TLS_RECORD_HEADER,
				  size - TLS_RECORD_HEADER),
			 size - TLS_RECORD_HEADER);
	assert_int_equal(tls_record_open(aead, &pair->rx, record, (size_t)size,
					 content, ret_type, &inner),
			 0);
	return inner;
}

static void put(struct pair *pair, enum tls_record_type type,
		const uint8_t *content, size_t size)
{
	static uint8_t record[TLS_RECORD_PLAIN_MAX + TLS_RECORD_OVERHEAD_MAX];
	size_t sealed = tls_record_sealed_size(&pair->tx, size);

	assert_int_equal(
		tls_record_seal(aead, &pair->tx, type, content, size, record),
		0);
	assert_int_equal(
		BIO_write(SSL_get_rbio(pair->peer), record, (int)sealed),
		sealed);
}

static struct pair make_pair(const struct kind *kind, bool peer_is_server)
{
	struct pair pair = {.ctx = make_ctx(kind)};
	SSL *client = make_ssl(pair.ctx, false);
	SSL *server = make_ssl(pair.ctx, true);
	uint8_t content[TLS_RECORD_PLAIN_MAX + TLS_RECORD_OVERHEAD_MAX], type;

	shake(client, server);
	if (peer_is_server) {
		derive(kind, client, &pair.tx, &pair.rx);
		pair.peer = server;
		SSL_free(client);
		for (int i = 0; kind->version == TLS_VERSION_13 && i < TICKETS;
		     i++) {
			assert_true(fetch(&pair, content, &type) > 0);
			assert_int_equal(type, TLS_RECORD_HANDSHAKE);
			assert_int_equal(content[0],
					 TLS_MESSAGE_NEW_SESSION_TICKET);
		}
		assert_int_equal(BIO_pending(SSL_get_wbio(server)), 0);
		return pair;
	}
	derive(kind, client, &pair.rx, &pair.tx);
	pair.peer = client;
	if (kind->version == TLS_VERSION_13) {
		assert_true(carry(server, client) > 0);
		pair.tx.sequence = TICKETS;
	}
	SSL_free(server);
	return pair;
}

static void free_pair(struct pair *pair)
{
	SSL_free(pair->peer);
	SSL_CTX_free(pair->ctx);
}

static void exchange(struct pair *pair, size_t size)
{
	static uint8_t ours[TLS_RECORD_PLAIN_MAX];
	static uint8_t theirs[TLS_RECORD_PLAIN_MAX + TLS_RECORD_OVERHEAD_MAX];
	uint8_t type;

	for (size_t i = 0; i < size; i++)
		ours[i] = (uint8_t)(i * 31 ^ i >> 8 ^ size);
	put(pair, TLS_RECORD_DATA, ours, size);
	if (size == 0)
		assert_true(SSL_read(pair->peer, theirs, 1) < 0);
	else
		assert_int_equal(SSL_read(pair->peer, theirs, sizeof(theirs)),
				 size);
	assert_memory_equal(theirs, ours, size);
	if (size == 0)
		return; /* SSL_write() of nothing sends nothing */
	memset(theirs, 0, size);
	assert_int_equal(SSL_write(pair->peer, ours, (int)size), size);
	assert_int_equal(fetch(pair, theirs, &type), size);
	assert_int_equal(type, TLS_RECORD_DATA);
	assert_memory_equal(theirs, ours, size);
	assert_int_equal(BIO_pending(SSL_get_wbio(pair->peer)), 0);
}

static void exchange_sizes(struct pair *pair)
{
	static const size_t sizes[] = {1,    0,	   15,	  16,	17,
				       4096, 1000, 16383, 16384};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		exchange(pair, sizes[i]);
}

static void finish(struct pair *pair)
{
	static const uint8_t close_notify[] = {TLS_ALERT_WARNING,
					       TLS_ALERT_CLOSE_NOTIFY};
	uint8_t content[TLS_RECORD_OVERHEAD_MAX + 2], type;

	put(pair, TLS_RECORD_ALERT, close_notify, sizeof(close_notify));
	assert_int_equal(SSL_read(pair->peer, content, 1), 0);
	assert_int_equal(SSL_get_error(pair->peer, 0), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(SSL_shutdown(pair->peer), 1);
	assert_int_equal(fetch(pair, content, &type), 2);
	assert_int_equal(type, TLS_RECORD_ALERT);
	assert_memory_equal(content, close_notify, sizeof(close_notify));
}

static void test_each_role(void **state)
{
	(void)state;
	for (size_t k = 0; k < KINDS; k++) {
		for (int server = 0; server <= 1; server++) {
			struct pair pair = make_pair(&kinds[k], server);

			exchange_sizes(&pair);
			finish(&pair);
			free_pair(&pair);
		}
	}
}

/* Their KeyUpdate, in a record of its own; whether it asks for ours. */
static bool fetch_key_update(struct pair *pair)
{
	uint8_t content[TLS_RECORD_OVERHEAD_MAX + TLS_KEY_UPDATE_SIZE], type;
	uint8_t want[] = TLS_KEY_UPDATE_BYTES;
	bool requested;

	assert_int_equal(fetch(pair, content, &type), TLS_KEY_UPDATE_SIZE);
	assert_int_equal(type, TLS_RECORD_HANDSHAKE);
	requested = content[4];
	want[4] = requested;
	assert_memory_equal(content, want, sizeof(want));
	assert_int_equal(tls_direction_next(&pair->rx, NULL), 0);
	return requested;
}

static void put_key_update(struct pair *pair, bool request)
{
	uint8_t message[] = TLS_KEY_UPDATE_BYTES;

	message[4] = request;
	put(pair, TLS_RECORD_HANDSHAKE, message, sizeof(message));
	assert_int_equal(tls_direction_next(&pair->tx, NULL), 0);
}

static void peer_updates(struct pair *pair, bool request)
{
	assert_true(SSL_key_update(pair->peer,
				   request ? SSL_KEY_UPDATE_REQUESTED
					   : SSL_KEY_UPDATE_NOT_REQUESTED));
	assert_int_equal(SSL_do_handshake(pair->peer), 1);
	assert_int_equal(fetch_key_update(pair), request);
	if (request)
		put_key_update(pair, false);
}

/* OpenSSL answers before its next data. */
static void we_update(struct pair *pair)
{
	uint8_t content[TLS_RECORD_OVERHEAD_MAX + 1], type;

	put_key_update(pair, true);
	assert_int_equal(SSL_read(pair->peer, content, 1), -1);
	assert_int_equal(SSL_write(pair->peer, "x", 1), 1);
	assert_false(fetch_key_update(pair));
	assert_int_equal(fetch(pair, content, &type), 1);
	assert_int_equal(content[0], 'x');
}

static void test_key_update(void **state)
{
	(void)state;
	for (size_t k = 0; kinds[k].version == TLS_VERSION_13; k++) {
		for (int server = 0; server <= 1; server++) {
			struct pair pair = make_pair(&kinds[k], server);

			for (int i = 0; i < 3; i++) {
				peer_updates(&pair, false);
				exchange(&pair, 1000);
				peer_updates(&pair, true);
				exchange(&pair, 1000);
				we_update(&pair);
				exchange_sizes(&pair);
			}
			finish(&pair);
			free_pair(&pair);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	aead = tls_aead_new();
	key = EVP_EC_gen("P-256");
	certificate = X509_new();
	if (!aead || !key || !certificate)
		return -1;
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	return X509_sign(certificate, key, EVP_sha256()) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	X509_free(certificate);
	EVP_PKEY_free(key);
	tls_aead_free(aead);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_role),
		cmocka_unit_test(test_key_update),
	};

	return cmocka_run_group_tests_name("engine_user with OpenSSL", tests,
					   setup, teardown);
}
