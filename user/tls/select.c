/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/select.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "tls/names.h"

static bool carries(const struct credential *credential, const char *name)
{
	for (size_t i = 0; i < credential->dns_count; i++)
		if (strcasecmp(credential->dns[i], name) == 0)
			return true;
	return false;
}

static bool covers(const struct credential *credential, const char *name)
{
	for (size_t i = 0; i < credential->dns_count; i++)
		if (names_dns_match(credential->dns[i], name))
			return true;
	return false;
}

static size_t add_kind(const struct credential *credential,
		       const struct credential *ret[SELECT_KINDS], size_t count)
{
	int kind = EVP_PKEY_get_base_id(credential->key);

	for (size_t i = 0; i < count; i++)
		if (EVP_PKEY_get_base_id(ret[i]->key) == kind)
			return count;
	if (count < SELECT_KINDS)
		ret[count++] = credential;
	return count;
}

static size_t pick(const struct credential_set *set, const char *name,
		   bool (*fits)(const struct credential *, const char *),
		   const struct credential *ret[SELECT_KINDS])
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		if (fits(set->items[i], name))
			count = add_kind(set->items[i], ret, count);
	return count;
}

size_t select_by_name(const struct credential_set *set, const char *name,
		      const struct credential *ret[SELECT_KINDS])
{
	const struct credential *first = set->items[0];
	size_t count = 0;

	if (name && *name)
		count = pick(set, name, carries, ret);
	if (!count && name && *name)
		count = pick(set, name, covers, ret);
	if (count)
		return count;
	ret[count++] = first;
	for (size_t i = 1; first->dns_count && i < set->count; i++)
		if (carries(set->items[i], first->dns[0]))
			count = add_kind(set->items[i], ret, count);
	return count;
}

static int choose(SSL *ssl, void *data)
{
	const struct credential *shown[SELECT_KINDS];
	size_t count = select_by_name(
		data, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
		shown);

	SSL_certs_clear(ssl);
	for (size_t i = 0; i < count; i++)
		if (SSL_use_cert_and_key(ssl, shown[i]->leaf, shown[i]->key,
					 shown[i]->chain, 1) != 1)
			return 0;
	return 1;
}

int select_use(const struct credential_set *set, SSL_CTX *ctx, struct err *err)
{
	const struct credential *own = set->count ? set->items[0] : NULL;

	if (own && SSL_CTX_use_cert_and_key(ctx, own->leaf, own->key,
					    own->chain, 1) != 1) {
		ERR_clear_error();
		return err_set(err, EIO, "OpenSSL refuses a certificate");
	}
	if (set->count > 1)
		SSL_CTX_set_cert_cb(ctx, choose, (void *)(uintptr_t)set);
	return 0;
}

static const struct credential *shown_by(const SSL *ssl,
					 const struct credential_set *set)
{
	const X509 *leaf = SSL_get_certificate(ssl);

	for (size_t i = 0; i < set->count; i++)
		if (set->items[i]->leaf == leaf)
			return set->items[i];
	return NULL;
}

enum select_staple select_staple(SSL *ssl, const struct credential_set *set)
{
	const struct credential *shown = shown_by(ssl, set);
	unsigned char *copy;

	if (!shown || !shown->staple ||
	    (shown->staple_until && time(NULL) > shown->staple_until))
		return SELECT_STAPLE_OMITTED;
	copy = OPENSSL_memdup(shown->staple, shown->staple_size);
	if (!copy)
		return SELECT_STAPLE_OMITTED;
	/* It is freed with ssl. */
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (int)shown->staple_size);
	return SELECT_STAPLE_SENT;
}
