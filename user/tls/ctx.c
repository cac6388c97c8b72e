/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/ctx.h"

#include <errno.h>
#include <openssl/err.h>

#include "tls/handshake.h"
#include "tls/provider.h"
#include "tls/select.h"
#include "tls/ticket_data.h"
#include "tls/verify.h"

/* AEADs with forward secrecy: what both engines can take over. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
/* No finite fields: a handshake in a big one costs us far more than it costs
 * who asks for it. */
#define GROUPS "X25519:P-256:X448:P-521:P-384"
#define CIPHERS_13                                       \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
	"TLS_CHACHA20_POLY1305_SHA256"

char *tls_error_words(char *text, size_t size)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	if (!code)
		text[0] = '\0';
	else if (reason)
		snprintf(text, size, "%s", reason);
	else
		ERR_error_string_n(code, text, size);
	ERR_clear_error();
	return text;
}

static int openssl_error(struct err *err, const char *what)
{
	char words[256];

	tls_error_words(words, sizeof(words));
	return err_set(err, EIO, "%s: %s", what, words);
}

static int set_protocol(SSL_CTX *ctx, const struct config_protocol *protocol,
			struct err *err)
{
	const char *ciphers = protocol->ciphers;
	const char *suites = protocol->ciphersuites;

	if (SSL_CTX_set_min_proto_version(ctx, protocol->version_min) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, protocol->version_max) != 1)
		return openssl_error(err, "TLS version");
	if (SSL_CTX_set_cipher_list(ctx, ciphers ? ciphers : CIPHERS_12) != 1)
		return openssl_error(err, "TLS 1.2 ciphers");
	if (SSL_CTX_set_ciphersuites(ctx, suites ? suites : CIPHERS_13) != 1)
		return openssl_error(err, "TLS 1.3 cipher suites");
	if (SSL_CTX_set1_groups_list(ctx, GROUPS) != 1)
		return openssl_error(err, "key exchange groups");
	/* The keys leave OpenSSL at handoff: nothing may be left to it that
	 * needs them later. */
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	/* What is sent is what the file holds, and is not sought for each time.
	 */
	SSL_CTX_set_mode(ctx,
			 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	return 0;
}

/* ---- certificates */

static int set_validation(SSL_CTX *ctx,
			  const struct config_validation *validation,
			  const struct credential_set *set, int mode,
			  struct err *err)
{
	verify_set(ctx, validation);
	if (!set->trust) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	/* Not the store of SSL_CTX_set_cert_store(): out of that one OpenSSL
	 * would complete our own chain. */
	if (SSL_CTX_set1_verify_cert_store(ctx, set->trust->store) != 1)
		return openssl_error(err, "trust");
	SSL_CTX_set_verify(ctx, mode, NULL);
	return 0;
}

/* ---- protocols of the application (ALPN, RFC 7301) */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *size,
		       const unsigned char *offered, unsigned int offered_size,
		       void *data)
{
	const struct config_protocol *protocol = data;
	unsigned char *chosen = NULL;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, size, protocol->alpn,
				  (unsigned int)protocol->alpn_size, offered,
				  offered_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- the two sides */

static SSL_CTX *ctx_new(const SSL_METHOD *method)
{
	return SSL_CTX_new_ex(
		NULL, provider_offer() ? PROVIDER_PROPERTIES : NULL, method);
}

/* A session is resumed only under the demands that it was made under. */
static int set_session_context(SSL_CTX *ctx,
			       const struct session_demands *demands,
			       struct err *err)
{
	if (SSL_CTX_set_session_id_context(ctx, demands->digest,
					   sizeof(demands->digest)) != 1)
		return openssl_error(err, "session id context");
	return 0;
}

static int server_setup(SSL_CTX *ctx, const struct config_listener *listener,
			const struct tls_ctx_parts *parts, struct err *err)
{
	int r = set_protocol(ctx, &listener->protocol, err);

	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* Each resumption brings the next one; OpenSSL's second one costs a
	 * twentieth of a handshake (bench/README.md). */
	SSL_CTX_set_num_tickets(ctx, 1);
	if (!r)
		r = select_use(parts->set, ctx, err);
	if (!r)
		r = set_validation(
			ctx, &listener->validation, parts->set,
			SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, err);
	/* A hint to clients that have several to choose from. */
	if (!r && parts->set->trust)
		SSL_CTX_set_client_CA_list(
			ctx, SSL_dup_CA_list(parts->set->trust->names));
	if (!r && parts->set->trust && ticket_data_use(ctx, parts->demands))
		r = openssl_error(err, "session tickets");
	if (!r && session_demands_of_listener(listener, parts->set, parts->node,
					      parts->demands))
		r = openssl_error(err, "session id context");
	if (!r)
		r = set_session_context(ctx, parts->demands, err);
	if (!r)
		tickets_use(parts->tickets, ctx);
	if (!r)
		tls_handshake_staple(ctx, parts->set);
	if (!r && listener->protocol.alpn)
		SSL_CTX_set_alpn_select_cb(
			ctx, choose_alpn,
			(void *)(uintptr_t)&listener->protocol);
	return r;
}

static int client_setup(SSL_CTX *ctx, const struct config_cluster *cluster,
			const struct tls_ctx_parts *parts, struct err *err)
{
	int r = set_protocol(ctx, &cluster->protocol, err);

	if (cluster->resumption)
		tls_handshake_keep_sessions(ctx);
	else
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (!r && session_demands_of_cluster(cluster, parts->set, parts->node,
					     parts->demands))
		r = openssl_error(err, "session id context");
	if (!r)
		r = set_session_context(ctx, parts->demands, err);
	if (!r)
		r = select_use(parts->set, ctx, err);
	if (!r)
		r = set_validation(ctx, &cluster->validation, parts->set,
				   SSL_VERIFY_PEER, err);
	if (!r && cluster->protocol.alpn &&
	    SSL_CTX_set_alpn_protos(
		    ctx, cluster->protocol.alpn,
		    (unsigned int)cluster->protocol.alpn_size) != 0)
		r = openssl_error(err, "ALPN");
	return r;
}

int tls_ctx_server_new(const struct config_listener *listener,
		       const struct tls_ctx_parts *parts, SSL_CTX **ret_ctx,
		       struct err *err)
{
	SSL_CTX *ctx = ctx_new(TLS_server_method());
	int r;

	if (!ctx)
		return openssl_error(err, "no TLS context");
	r = server_setup(ctx, listener, parts, err);
	if (r) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}

int tls_ctx_client_new(const struct config_cluster *cluster,
		       const struct tls_ctx_parts *parts, SSL_CTX **ret_ctx,
		       struct err *err)
{
	SSL_CTX *ctx = ctx_new(TLS_client_method());
	int r;

	if (!ctx)
		return openssl_error(err, "no TLS context");
	r = client_setup(ctx, cluster, parts, err);
	if (r) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}
