/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/session.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

static bool add_text(EVP_MD_CTX *digest, const char *text)
{
	/* With its end, so that two texts never run into one another. */
	return EVP_DigestUpdate(digest, text ? text : "",
				text ? strlen(text) + 1 : 1) == 1;
}

static bool add_number(EVP_MD_CTX *digest, size_t number)
{
	return EVP_DigestUpdate(digest, &number, sizeof(number)) == 1;
}

static bool add_texts(EVP_MD_CTX *digest, const struct config_strings *texts)
{
	bool ok = add_number(digest, texts->count);

	for (size_t i = 0; ok && i < texts->count; i++)
		ok = add_text(digest, texts->items[i]);
	return ok;
}

static bool add_validation(EVP_MD_CTX *digest,
			   const struct config_validation *validation)
{
	bool ok = add_number(digest, validation->required) &&
		  add_number(digest, validation->cn_or_san) &&
		  add_texts(digest, &validation->names) &&
		  add_texts(digest, &validation->hashes);

	for (size_t i = 0; ok && i < validation->matcher_count; i++)
		ok = add_number(digest, validation->matchers[i].kind) &&
		     add_text(digest, validation->matchers[i].text);
	return ok;
}

/* What is demanded of whoever stands at place. */
static bool add_demands(EVP_MD_CTX *digest, const char *place,
			const struct config_validation *validation,
			const struct trust *trust, const char *node)
{
	return add_text(digest, place) && add_text(digest, node) &&
	       add_validation(digest, validation) &&
	       (!trust || EVP_DigestUpdate(digest, trust->digest,
					   sizeof(trust->digest)) == 1);
}

/* What we show and offer, by which a server knows us. */
static bool add_client(EVP_MD_CTX *digest, const struct config_cluster *cluster,
		       const struct credential_set *set)
{
	const struct config_protocol *protocol = &cluster->protocol;
	bool ok = add_text(digest, cluster->server_name) &&
		  add_number(digest, (size_t)protocol->version_min) &&
		  add_number(digest, (size_t)protocol->version_max) &&
		  add_text(digest, protocol->ciphers) &&
		  add_text(digest, protocol->ciphersuites);

	for (size_t i = 0; ok && i < set->count; i++)
		ok = EVP_DigestUpdate(digest, set->items[i]->digest,
				      sizeof(set->items[i]->digest)) == 1;
	return ok;
}

static EVP_MD_CTX *digest_begin(void)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	if (digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1)
		return digest;
	EVP_MD_CTX_free(digest);
	return NULL;
}

static int digest_end(EVP_MD_CTX *digest, bool ok, const struct trust *trust,
		      struct session_demands *ret)
{
	struct session_demands made = {.until = trust ? trust->crl_until : 0};

	ok = ok && EVP_DigestFinal_ex(digest, made.digest, NULL) == 1;
	EVP_MD_CTX_free(digest);
	if (!ok)
		return -EIO;
	*ret = made;
	return 0;
}

int session_demands_of_listener(const struct config_listener *listener,
				const struct credential_set *set,
				const char *node, struct session_demands *ret)
{
	EVP_MD_CTX *digest = digest_begin();
	bool ok =
		digest && add_demands(digest, listener->name,
				      &listener->validation, set->trust, node);

	return digest_end(digest, ok, set->trust, ret);
}

int session_demands_of_cluster(const struct config_cluster *cluster,
			       const struct credential_set *set,
			       const char *node, struct session_demands *ret)
{
	EVP_MD_CTX *digest = digest_begin();
	bool ok = digest &&
		  add_demands(digest, cluster->name, &cluster->validation,
			      set->trust, node) &&
		  add_client(digest, cluster, set);

	return digest_end(digest, ok, set->trust, ret);
}

time_t session_until(const SSL *ssl, const struct session_demands *demands)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	time_t until = time(NULL) + SESSION_S_MAX;

	if (demands->until && demands->until < until)
		until = demands->until;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		time_t ends = credential_time(
			X509_get0_notAfter(sk_X509_value(chain, i)));

		if (ends < until)
			until = ends;
	}
	return until;
}
