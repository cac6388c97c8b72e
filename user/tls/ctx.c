/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/ctx.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "tls/names.h"

/* AEADs with forward secrecy: what both engines can take over. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
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

int tls_ticket_keys_make(uint8_t ret_keys[TLS_TICKET_KEYS_SIZE],
			 struct err *err)
{
	if (RAND_priv_bytes(ret_keys, TLS_TICKET_KEYS_SIZE) != 1)
		return openssl_error(err, "no randomness for ticket keys");
	return 0;
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
	/* The keys leave OpenSSL at handoff: nothing may be left to it that
	 * needs them later. */
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return 0;
}

static int server_setup(SSL_CTX *ctx, const struct config_listener *listener,
			const uint8_t *ticket_keys, struct err *err)
{
	uint8_t keys[TLS_TICKET_KEYS_SIZE];
	int r = set_protocol(ctx, &listener->protocol, err);

	if (r)
		return r;
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	if (SSL_CTX_use_certificate_chain_file(ctx, listener->chain_path) != 1)
		return openssl_error(err, listener->chain_path);
	if (SSL_CTX_use_PrivateKey_file(ctx, listener->key_path,
					SSL_FILETYPE_PEM) != 1)
		return openssl_error(err, listener->key_path);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_session_id_context(
		    ctx, (const unsigned char *)listener->name,
		    (unsigned int)strnlen(listener->name,
					  SSL_MAX_SID_CTX_LENGTH)) != 1)
		return openssl_error(err, "session id context");
	memcpy(keys, ticket_keys, sizeof(keys));
	SSL_CTX_set_tlsext_ticket_keys(ctx, keys, sizeof(keys));
	OPENSSL_cleanse(keys, sizeof(keys));
	return 0;
}

/* Called for each certificate from the root down; the leaf has depth 0. */
static int check_names(int chain_ok, X509_STORE_CTX *store)
{
	const struct config_cluster *cluster;
	SSL *ssl;

	if (!chain_ok || X509_STORE_CTX_get_error_depth(store) != 0)
		return chain_ok;
	ssl = X509_STORE_CTX_get_ex_data(store,
					 SSL_get_ex_data_X509_STORE_CTX_idx());
	cluster = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	if (names_certificate_match(X509_STORE_CTX_get_current_cert(store),
				    cluster->names.items, cluster->names.count))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static int client_setup(SSL_CTX *ctx, const struct config_cluster *cluster,
			struct err *err)
{
	int r = set_protocol(ctx, &cluster->protocol, err);

	if (r)
		return r;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (!cluster->validate) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	/* OpenSSL hands it back as a plain pointer; nobody writes to it. */
	SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)cluster);
	if (SSL_CTX_load_verify_file(ctx, cluster->trust_path) != 1)
		return openssl_error(err, cluster->trust_path);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, check_names);
	return 0;
}

int tls_ctx_server_new(const struct config_listener *listener,
		       const uint8_t ticket_keys[TLS_TICKET_KEYS_SIZE],
		       SSL_CTX **ret_ctx, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r;

	if (!ctx)
		return openssl_error(err, "no TLS context");
	r = server_setup(ctx, listener, ticket_keys, err);
	if (r) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}

int tls_ctx_client_new(const struct config_cluster *cluster, SSL_CTX **ret_ctx,
		       struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int r;

	if (!ctx)
		return openssl_error(err, "no TLS context");
	r = client_setup(ctx, cluster, err);
	if (r) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret_ctx = ctx;
	return 0;
}
