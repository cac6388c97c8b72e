/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/verify.h"

#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "tls/names.h"

#define NAMES_SIZE 192
#define SUBJECT_SIZE 128

static int slot = -1;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_slot(void)
{
	slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* "CN=app,O=Example", printable and cut to size. */
static char *name_format(const X509_NAME *name, char *text, size_t size)
{
	BIO *out = BIO_new(BIO_s_mem());
	int length = 0;

	if (out && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0)
		length = BIO_read(out, text, (int)size - 1);
	text[length > 0 ? length : 0] = '\0';
	if (!text[0])
		snprintf(text, size, "without a name");
	BIO_free(out);
	return text;
}

static char *time_format(const ASN1_TIME *time, char *text, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1 ||
	    strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(text, size, "a time that does not parse");
	return text;
}

/* What an operator can do about it; "" where the error says it all. */
static void hint_format(X509_STORE_CTX *store, X509 *certificate,
			const struct verify *verify, char *text, size_t size)
{
	const struct config_validation *validation = verify->validation;
	char name[SUBJECT_SIZE], time[64];

	name_format(X509_get_issuer_name(certificate), name, sizeof(name));
	text[0] = '\0';
	switch (X509_STORE_CTX_get_error(store)) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		snprintf(text, size, ": it ended on %s",
			 time_format(X509_get0_notAfter(certificate), time,
				     sizeof(time)));
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		snprintf(text, size,
			 ": it begins on %s; if that is past, a clock is wrong",
			 time_format(X509_get0_notBefore(certificate), time,
				     sizeof(time)));
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(text, size,
			 ": its issuer, %s, is neither sent by the peer nor "
			 "in %s; an intermediate is missing, or it is of "
			 "another authority",
			 name, validation->trust_path);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		snprintf(text, size, ": %s does not hold it",
			 validation->trust_path);
		break;
	case X509_V_ERR_CERT_REVOKED:
		snprintf(text, size, ": it is listed in %s",
			 validation->crl_path);
		break;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		snprintf(text, size, ": %s holds no list of its issuer, %s",
			 validation->crl_path, name);
		break;
	case X509_V_ERR_CRL_HAS_EXPIRED:
		snprintf(text, size,
			 ": the list of %s in %s is out of date; fetch the "
			 "next one",
			 name, validation->crl_path);
		break;
	case X509_V_ERR_INVALID_PURPOSE:
		snprintf(text, size,
			 ": its extended key usage does not allow it to be a "
			 "TLS %s",
			 verify->client ? "client" : "server");
		break;
	default:
		break;
	}
}

static void explain_chain(struct verify *verify, X509_STORE_CTX *store)
{
	int depth = X509_STORE_CTX_get_error_depth(store);
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	char subject[SUBJECT_SIZE], hint[320] = "";

	verify->failure = TLS_FAILURE_CHAIN;
	snprintf(subject, sizeof(subject), "unknown");
	if (certificate) {
		name_format(X509_get_subject_name(certificate), subject,
			    sizeof(subject));
		hint_format(store, certificate, verify, hint, sizeof(hint));
	}
	err_set(&verify->err, EPROTO, "the peer's certificate%s (%s): %s%s",
		depth ? "'s issuer" : "", subject,
		X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
		hint);
}

/* "a.local, b.local, prefix spiffe://c/" */
static void expected_format(const struct config_validation *validation,
			    char *text, size_t size)
{
	static const char *const kinds[] = {
		[CONFIG_MATCH_PREFIX] = "prefix",
		[CONFIG_MATCH_SUFFIX] = "suffix",
		[CONFIG_MATCH_REGEX] = "regex",
	};
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < validation->names.count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 used ? ", " : "",
					 validation->names.items[i]);
	for (size_t i = 0; i < validation->matcher_count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s %s",
					 used ? ", " : "",
					 kinds[validation->matchers[i].kind],
					 validation->matchers[i].text);
}

static int refuse_name(struct verify *verify, X509_STORE_CTX *store, X509 *leaf)
{
	char presented[NAMES_SIZE], expected[NAMES_SIZE];

	verify->failure = TLS_FAILURE_NAME;
	names_certificate_format(leaf, presented, sizeof(presented));
	expected_format(verify->validation, expected, sizeof(expected));
	err_set(&verify->err, EPROTO,
		"the peer's certificate carries none of the expected names: "
		"presented %s; expected %s",
		presented, expected);
	X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
	return 0;
}

static int refuse_hash(struct verify *verify, X509_STORE_CTX *store)
{
	verify->failure = TLS_FAILURE_HASH;
	err_set(&verify->err, EPROTO,
		"the peer's certificate is not one of those pinned by SHA-256");
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static struct verify *verify_of(X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		store, SSL_get_ex_data_X509_STORE_CTX_idx());

	return ssl ? SSL_get_ex_data(ssl, slot)
		   : X509_STORE_CTX_get_app_data(store);
}

/* Called for each certificate from the root down; the leaf has depth 0. */
static int check(int chain_ok, X509_STORE_CTX *store)
{
	struct verify *verify = verify_of(store);
	X509 *leaf;

	if (!chain_ok) {
		explain_chain(verify, store);
		return 0;
	}
	if (X509_STORE_CTX_get_error_depth(store) != 0 || verify->chain_only)
		return 1;
	leaf = X509_STORE_CTX_get_current_cert(store);
	if (!names_certificate_match(leaf, verify->validation))
		return refuse_name(verify, store, leaf);
	if (!names_hash_match(leaf, &verify->validation->hashes))
		return refuse_hash(verify, store);
	return 1;
}

void verify_set(SSL_CTX *ctx, const struct config_validation *validation)
{
	/* OpenSSL hands it back as a plain pointer; nobody writes to it. */
	SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)validation);
}

void verify_attach(struct verify *verify, SSL *ssl, bool client)
{
	pthread_once(&made, make_slot);
	verify->validation = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	verify->client = client;
	SSL_set_ex_data(ssl, slot, verify);
	SSL_set_verify(ssl, SSL_get_verify_mode(ssl), check);
}

static int alert_of(int error)
{
	switch (error) {
	case X509_V_ERR_CERT_REVOKED:
		return SSL_AD_CERTIFICATE_REVOKED;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return SSL_AD_CERTIFICATE_EXPIRED;
	default:
		return SSL_AD_CERTIFICATE_UNKNOWN;
	}
}

int verify_chain(X509 *leaf, STACK_OF(X509) *chain, X509_STORE *trust,
		 const struct config_validation *validation, bool client,
		 struct err *err)
{
	struct verify verify = {
		.validation = validation,
		.client = client,
		.chain_only = true,
	};
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	int alert = SSL_AD_INTERNAL_ERROR;

	err_set(&verify.err, ENOMEM, "memory is short");
	if (store && X509_STORE_CTX_init(store, trust, leaf, chain) == 1 &&
	    X509_STORE_CTX_set_default(store, client ? "ssl_client"
						     : "ssl_server") == 1 &&
	    X509_STORE_CTX_set_app_data(store, &verify) == 1) {
		X509_STORE_CTX_set_verify_cb(store, check);
		alert = X509_verify_cert(store) == 1
				? 0
				: alert_of(X509_STORE_CTX_get_error(store));
	}
	if (alert)
		*err = verify.err;
	X509_STORE_CTX_free(store);
	ERR_clear_error();
	return alert;
}
