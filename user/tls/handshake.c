/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/handshake.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls/ctx.h"
#include "tls/engine_user.h"
#include "tls/names.h"
#include "tls/provider.h"
#include "tls/schedule.h"
#include "tls/ticket_data.h"

struct tls_handshake {
	SSL *ssl;
	BIO *in; /* both belong to ssl */
	BIO *out;
	bool server;
	bool done;
	enum tls_failure failure;
	struct verify verify;
	enum select_staple staple;
	struct schedule_secrets secrets; /* TLS 1.3 */
	/* a client's sessions; resume is NULL: none are kept */
	struct resume *resume;
	const struct session_demands *demands;
	struct addr endpoint;
	SSL_SESSION *offered; /* or NULL */
	time_t until;	      /* of that */
	unsigned int kept;
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

/* Where the schedule is not ours (provider.h): the only way that OpenSSL 3.0
 * has to tell TLS 1.3's traffic secrets (NSS key log format). */
static void take_secret(const SSL *ssl, const char *line)
{
	struct tls_handshake *handshake = SSL_get_app_data(ssl);
	const char *value = strrchr(line, ' ');

	if (!value)
		return;
	value++;
	if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0)
		unhex(value, handshake->secrets.client, TLS_SECRET_MAX);
	else if (strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0)
		unhex(value, handshake->secrets.server, TLS_SECRET_MAX);
}

static int handshake_new(SSL_CTX *ctx, bool server, struct tls_handshake **ret)
{
	struct tls_handshake *handshake = calloc(1, sizeof(*handshake));

	if (!handshake)
		return -ENOMEM;
	if (!provider_offer())
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
	handshake->server = server;
	verify_attach(&handshake->verify, handshake->ssl, server);
	*ret = handshake;
	return 0;
}

int tls_handshake_server_new(SSL_CTX *ctx, struct tls_handshake **ret)
{
	int r = handshake_new(ctx, true, ret);

	if (r)
		return r;
	SSL_set_accept_state((*ret)->ssl);
	return 0;
}

int tls_handshake_client_new(SSL_CTX *ctx, const char *server_name,
			     struct tls_handshake **ret)
{
	int r = handshake_new(ctx, false, ret);

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
	if (handshake->offered && !handshake->done)
		resume_drop(handshake->resume, handshake->demands,
			    &handshake->endpoint, handshake->offered);
	SSL_SESSION_free(handshake->offered);
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

static int failed(struct tls_handshake *handshake, struct err *err)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());
	char words[256];

	tls_error_words(words, sizeof(words));
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED &&
	    handshake->verify.failure != TLS_FAILURE_NONE) {
		handshake->failure = handshake->verify.failure;
		err_set(err, EPROTO, "%s", handshake->verify.err.text);
	} else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
		handshake->failure = TLS_FAILURE_NO_CERT;
		err_set(err, EPROTO,
			"the peer showed no certificate, and one is demanded");
	} else {
		handshake->failure = TLS_FAILURE_PROTOCOL;
		err_set(err, EPROTO, "TLS handshake failed: %s%s",
			words[0] ? words : "no reason given",
			reason == SSL_R_WRONG_VERSION_NUMBER ||
					reason == SSL_R_HTTP_REQUEST
				? " (the peer does not speak TLS)"
				: "");
	}
	return -EPROTO;
}

int tls_handshake_step(struct tls_handshake *handshake, struct err *err)
{
	const uint8_t *bytes;
	size_t before = tls_handshake_output(handshake, &bytes);
	int r;

	ERR_clear_error();
	schedule_follow(&handshake->secrets);
	r = SSL_do_handshake(handshake->ssl);
	schedule_follow(NULL);
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
					  server ? handshake->secrets.server
						 : handshake->secrets.client,
					  err);

	if (!r)
		r = tls_direction_from_secret(
			ret_rx, cipher, hash,
			server ? handshake->secrets.client
			       : handshake->secrets.server,
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
	uint8_t master[TLS_MASTER_SIZE];
	bool server = handshake->server;
	int r;

	SSL_SESSION_get_master_key(SSL_get0_session(handshake->ssl), master,
				   sizeof(master));
	SSL_get_client_random(handshake->ssl, client_random,
			      sizeof(client_random));
	SSL_get_server_random(handshake->ssl, server_random,
			      sizeof(server_random));
	r = tls_directions_from_master(
		server ? ret_rx : ret_tx, server ? ret_tx : ret_rx, cipher,
		hash, master, client_random, server_random, err);
	OPENSSL_cleanse(master, sizeof(master));
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

/* TLS 1.2 does not bind a curve to the hash, but its code is the same. */
const char *tls_handshake_sigalg(const struct tls_handshake *handshake)
{
	static const struct {
		int type;
		int hash;
		const char *name;
	} names[] = {
		{EVP_PKEY_EC, NID_sha256, "ecdsa_secp256r1_sha256"},
		{EVP_PKEY_EC, NID_sha384, "ecdsa_secp384r1_sha384"},
		{EVP_PKEY_EC, NID_sha512, "ecdsa_secp521r1_sha512"},
		{EVP_PKEY_RSA_PSS, NID_sha256, "rsa_pss_rsae_sha256"},
		{EVP_PKEY_RSA_PSS, NID_sha384, "rsa_pss_rsae_sha384"},
		{EVP_PKEY_RSA_PSS, NID_sha512, "rsa_pss_rsae_sha512"},
		{EVP_PKEY_RSA, NID_sha256, "rsa_pkcs1_sha256"},
		{EVP_PKEY_RSA, NID_sha384, "rsa_pkcs1_sha384"},
		{EVP_PKEY_RSA, NID_sha512, "rsa_pkcs1_sha512"},
		{EVP_PKEY_ED25519, NID_undef, "ed25519"},
	};
	int type, hash = NID_undef;

	if (!SSL_get_peer_signature_type_nid(handshake->ssl, &type))
		return NULL;
	/* Fails where the algorithm has no hash of its own. */
	if (!SSL_get_peer_signature_nid(handshake->ssl, &hash))
		hash = NID_undef;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type && names[i].hash == hash)
			return names[i].name;
	return "";
}

bool tls_handshake_resumed(const struct tls_handshake *handshake)
{
	return SSL_session_reused(handshake->ssl) == 1;
}

bool tls_handshake_peer_certificate(const struct tls_handshake *handshake)
{
	return SSL_get0_peer_certificate(handshake->ssl) != NULL;
}

/* ---- sessions of a client */

static int new_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_handshake *handshake = SSL_get_app_data(ssl);
	time_t until;

	if (!handshake->resume)
		return 0;
	/* What was resumed has been checked no further. */
	until = SSL_session_reused(ssl)
			? handshake->until
			: session_until(ssl, handshake->demands);
	if (!resume_put(handshake->resume, handshake->demands,
			&handshake->endpoint, session, until))
		handshake->kept++;
	return 0;
}

void tls_handshake_keep_sessions(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
						    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, new_session);
}

int tls_handshake_resume(struct tls_handshake *handshake, struct resume *resume,
			 const struct session_demands *demands,
			 const struct addr *endpoint)
{
	SSL_SESSION *session =
		resume_take(resume, demands, endpoint, &handshake->until);

	handshake->resume = resume;
	handshake->demands = demands;
	handshake->endpoint = *endpoint;
	handshake->offered = session;
	return !session || SSL_set_session(handshake->ssl, session) == 1
		       ? 0
		       : -ENOMEM;
}

bool tls_handshake_awaits_tickets(const struct tls_handshake *handshake)
{
	return handshake->resume && handshake->done &&
	       SSL_version(handshake->ssl) == TLS1_3_VERSION;
}

int tls_handshake_ticket(struct tls_handshake *handshake, const void *record,
			 size_t size, unsigned int *ret_kept)
{
	unsigned int before = handshake->kept;
	char nothing;
	int r;

	/* What lies there is the records since the handshake, as leftover. */
	(void)BIO_reset(handshake->in);
	r = tls_handshake_feed(handshake, record, size);
	if (r)
		return r;
	ERR_clear_error();
	r = SSL_read(handshake->ssl, &nothing, sizeof(nothing));
	r = SSL_get_error(handshake->ssl, r);
	ERR_clear_error();
	*ret_kept = handshake->kept - before;
	return r == SSL_ERROR_WANT_READ ? 0 : -EPROTO;
}

/* ---- what was agreed on */

static int asked_for_staple(SSL *ssl, void *data)
{
	struct tls_handshake *handshake = SSL_get_app_data(ssl);

	handshake->staple = select_staple(ssl, data);
	return handshake->staple == SELECT_STAPLE_SENT ? SSL_TLSEXT_ERR_OK
						       : SSL_TLSEXT_ERR_NOACK;
}

void tls_handshake_staple(SSL_CTX *ctx, const struct credential_set *set)
{
	SSL_CTX_set_tlsext_status_cb(ctx, asked_for_staple);
	SSL_CTX_set_tlsext_status_arg(ctx, (void *)(uintptr_t)set);
}

enum select_staple tls_handshake_stapled(const struct tls_handshake *handshake)
{
	return handshake->staple;
}

size_t tls_handshake_alpn(const struct tls_handshake *handshake,
			  const uint8_t **ret_name)
{
	unsigned int size;

	SSL_get0_alpn_selected(handshake->ssl, ret_name, &size);
	return size;
}

int tls_handshake_offer(struct tls_handshake *handshake, const uint8_t *name,
			size_t size)
{
	uint8_t list[256];

	if (!size || size > sizeof(list) - 1)
		return 0;
	list[0] = (uint8_t)size;
	memcpy(list + 1, name, size);
	return SSL_set_alpn_protos(handshake->ssl, list,
				   (unsigned int)size + 1) == 0
		       ? 0
		       : -ENOMEM;
}

struct peer *tls_handshake_peer(const struct tls_handshake *handshake,
				struct peers *peers)
{
	X509 *leaf = SSL_get0_peer_certificate(handshake->ssl);
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(handshake->ssl);
	STACK_OF(X509) *chain;
	struct peer *peer;

	if (!leaf)
		return NULL;
	if (handshake->server && SSL_session_reused(handshake->ssl))
		chain = ticket_data_chain(SSL_get_session(handshake->ssl));
	else
		chain = sent ? X509_chain_up_ref(sent) : NULL;
	/* A server's has its leaf first, a client's has not. */
	if (!handshake->server && sk_X509_num(chain))
		X509_free(sk_X509_shift(chain));
	peer = peer_take(peers, leaf, chain);
	sk_X509_pop_free(chain, X509_free);
	return peer;
}

const char *tls_handshake_sni(const struct tls_handshake *handshake)
{
	return SSL_get_servername(handshake->ssl, TLSEXT_NAMETYPE_host_name);
}

bool tls_handshake_peer_identity(const struct tls_handshake *handshake,
				 char *text, size_t size)
{
	X509 *certificate = SSL_get0_peer_certificate(handshake->ssl);

	if (!certificate)
		return false;
	names_certificate_identity(certificate, text, size);
	return true;
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
