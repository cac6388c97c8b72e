/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/credential.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "config/files.h"
#include "tls/names.h"
#include "tls/ocsp.h"

/* With its size, so that two never run into one another. */
static bool digest_bytes(EVP_MD_CTX *digest, const void *bytes, size_t size)
{
	return EVP_DigestUpdate(digest, &size, sizeof(size)) == 1 &&
	       EVP_DigestUpdate(digest, bytes, size) == 1;
}

/* der: as an i2d function made it; it is freed. */
static bool digest_der(EVP_MD_CTX *digest, unsigned char *der, int size)
{
	bool ok = size > 0 && digest_bytes(digest, der, (size_t)size);

	OPENSSL_free(der);
	return ok;
}

static bool digest_certificate(EVP_MD_CTX *digest, const X509 *certificate)
{
	unsigned char *der = NULL;
	int size = i2d_X509(certificate, &der);

	return digest_der(digest, der, size);
}

static bool digest_crl(EVP_MD_CTX *digest, const X509_CRL *crl)
{
	unsigned char *der = NULL;
	int size = i2d_X509_CRL(crl, &der);

	return digest_der(digest, der, size);
}

static EVP_MD_CTX *digest_new(void)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	if (digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1)
		return digest;
	EVP_MD_CTX_free(digest);
	return NULL;
}

static bool digest_end(EVP_MD_CTX *digest, uint8_t *ret)
{
	return EVP_DigestFinal_ex(digest, ret, NULL) == 1;
}

static int short_of_memory(struct err *err)
{
	ERR_clear_error();
	return err_set(err, ENOMEM, "memory is short");
}

/* ---- our own */

/* The key need not be digested: it is the leaf's, or it was refused. */
static bool credential_digest(struct credential *credential)
{
	EVP_MD_CTX *digest = digest_new();
	bool ok = digest && digest_certificate(digest, credential->leaf);

	for (int i = 0; ok && i < sk_X509_num(credential->chain); i++)
		ok = digest_certificate(digest,
					sk_X509_value(credential->chain, i));
	if (credential->staple)
		ok = ok && digest_bytes(digest, credential->staple,
					credential->staple_size);
	ok = ok && digest_end(digest, credential->digest);
	EVP_MD_CTX_free(digest);
	return ok;
}

static bool take_name(struct credential *credential, const GENERAL_NAME *name)
{
	const ASN1_STRING *text = name->d.dNSName;
	const char *bytes = (const char *)ASN1_STRING_get0_data(text);
	size_t size = (size_t)ASN1_STRING_length(text);
	char *copy;

	if (memchr(bytes, '\0', size))
		return true;
	copy = strndup(bytes, size);
	if (copy)
		credential->dns[credential->dns_count++] = copy;
	return copy != NULL;
}

static bool take_names(struct credential *credential)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(
		credential->leaf, NID_subject_alt_name, NULL, NULL);
	int count = sk_GENERAL_NAME_num(names);
	bool ok;

	credential->dns = calloc(count > 0 ? (size_t)count : 1, sizeof(char *));
	ok = credential->dns != NULL;
	for (int i = 0; ok && i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			ok = take_name(credential, name);
	}
	GENERAL_NAMES_free(names);
	return ok;
}

/* Whether this host may hold the certificate. */
static int check_node(const struct credential *credential, const char *path,
		      const char *node, struct err *err)
{
	char *wanted[] = {(char *)(uintptr_t)node};
	struct config_validation validation = {.names = {wanted, 1}};
	char presented[256];

	if (names_certificate_match(credential->leaf, &validation))
		return 0;
	names_certificate_format(credential->leaf, presented,
				 sizeof(presented));
	return err_set(err, EACCES,
		       "%s does not carry this host's node identity: it "
		       "carries %s, and node is %s",
		       path, presented, node);
}

int credential_read(const struct config_identity *identity, const char *node,
		    struct credential **ret, struct err *err)
{
	struct credential *credential = calloc(1, sizeof(*credential));
	int r;

	if (!credential)
		return short_of_memory(err);
	atomic_store(&credential->refs, 1);
	r = files_chain_read(identity->chain_path, &credential->chain, err);
	if (!r) {
		credential->leaf = sk_X509_shift(credential->chain);
		r = files_key_read(identity->key_path, identity->chain_path,
				   credential->leaf, &credential->key, err);
	}
	if (!r && node)
		r = check_node(credential, identity->chain_path, node, err);
	if (!r && identity->ocsp_path)
		r = ocsp_read(identity->ocsp_path, credential->leaf,
			      &credential->staple, &credential->staple_size,
			      &credential->staple_until, err);
	if (!r && (!take_names(credential) || !credential_digest(credential)))
		r = short_of_memory(err);
	if (r)
		credential_unref(credential);
	else
		*ret = credential;
	return r;
}

struct credential *credential_ref(struct credential *credential)
{
	atomic_fetch_add(&credential->refs, 1);
	return credential;
}

void credential_unref(struct credential *credential)
{
	if (!credential || atomic_fetch_sub(&credential->refs, 1) != 1)
		return;
	X509_free(credential->leaf);
	sk_X509_pop_free(credential->chain, X509_free);
	EVP_PKEY_free(credential->key);
	for (size_t i = 0; i < credential->dns_count; i++)
		free(credential->dns[i]);
	free(credential->dns);
	OPENSSL_free(credential->staple);
	free(credential);
}

time_t credential_time(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;
}

/* ---- peers' */

static bool add_certificates(struct trust *trust, EVP_MD_CTX *digest,
			     STACK_OF(X509) *certificates)
{
	bool ok = true;

	for (int i = 0; ok && i < sk_X509_num(certificates); i++) {
		X509 *certificate = sk_X509_value(certificates, i);
		X509_NAME *name =
			X509_NAME_dup(X509_get_subject_name(certificate));

		ok = name && sk_X509_NAME_push(trust->names, name);
		if (!ok)
			X509_NAME_free(name);
		ok = ok && X509_STORE_add_cert(trust->store, certificate) &&
		     digest_certificate(digest, certificate);
	}
	return ok;
}

static void note_end(struct trust *trust, const X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
	time_t ends = next ? credential_time(next) : 0;

	if (next && (!trust->crl_until || ends < trust->crl_until))
		trust->crl_until = ends;
}

static bool add_crls(struct trust *trust, EVP_MD_CTX *digest,
		     STACK_OF(X509_CRL) *crls)
{
	bool ok = X509_STORE_set_flags(trust->store, X509_V_FLAG_CRL_CHECK);

	for (int i = 0; ok && i < sk_X509_CRL_num(crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(crls, i);

		ok = X509_STORE_add_crl(trust->store, crl) &&
		     digest_crl(digest, crl);
		note_end(trust, crl);
	}
	return ok;
}

static int fill(struct trust *trust, STACK_OF(X509) *certificates,
		STACK_OF(X509_CRL) *crls, struct err *err)
{
	EVP_MD_CTX *digest = digest_new();
	bool ok;

	trust->store = X509_STORE_new();
	trust->names = sk_X509_NAME_new_null();
	ok = digest && trust->store && trust->names &&
	     add_certificates(trust, digest, certificates) &&
	     (!crls || add_crls(trust, digest, crls)) &&
	     digest_end(digest, trust->digest);
	EVP_MD_CTX_free(digest);
	return ok ? 0 : short_of_memory(err);
}

int trust_read(const struct config_validation *validation, struct trust **ret,
	       struct err *err)
{
	struct trust *trust = calloc(1, sizeof(*trust));
	STACK_OF(X509) *certificates = NULL;
	STACK_OF(X509_CRL) *crls = NULL;
	int r;

	if (!trust)
		return short_of_memory(err);
	atomic_store(&trust->refs, 1);
	r = files_trust_read(validation->trust_path, &certificates, err);
	if (!r && validation->crl_path)
		r = files_crl_read(validation->crl_path, &crls, err);
	if (!r)
		r = fill(trust, certificates, crls, err);
	sk_X509_pop_free(certificates, X509_free);
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	if (r)
		trust_unref(trust);
	else
		*ret = trust;
	return r;
}

struct trust *trust_ref(struct trust *trust)
{
	atomic_fetch_add(&trust->refs, 1);
	return trust;
}

void trust_unref(struct trust *trust)
{
	if (!trust || atomic_fetch_sub(&trust->refs, 1) != 1)
		return;
	X509_STORE_free(trust->store);
	sk_X509_NAME_pop_free(trust->names, X509_NAME_free);
	free(trust);
}
