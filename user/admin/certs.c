/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/certs.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/bn.h>
#include <openssl/x509v3.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_S 86400

struct certs {
	struct cert *items; /* by owner, then by name */
	size_t *starts;	    /* of an owner's: listeners, then clusters */
	size_t owner_count;
	size_t listener_count;
};

/* ---- one certificate */

static char *serial_of(X509 *x509)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;
	char *serial = hex ? strdup(hex) : NULL;

	for (char *c = serial; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	OPENSSL_free(hex);
	BN_free(number);
	return serial;
}

static void put_string(struct text *text, const char *kind,
		       const ASN1_STRING *string)
{
	char *value = strndup((const char *)ASN1_STRING_get0_data(string),
			      (size_t)ASN1_STRING_length(string));

	text_format(text, "{\"%s\":", kind);
	text_json(text, value);
	text_word(text, "}");
	free(value);
}

static void put_address(struct text *text, const ASN1_OCTET_STRING *address)
{
	char words[INET6_ADDRSTRLEN];
	int size = ASN1_STRING_length(address);

	if (!inet_ntop(size == 4 ? AF_INET : AF_INET6,
		       ASN1_STRING_get0_data(address), words, sizeof(words)) ||
	    (size != 4 && size != 16))
		strcpy(words, "?");
	text_format(text, "{\"ip_address\":\"%s\"}", words);
}

static char *names_of(X509 *x509)
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	struct text text = {0};
	const char *comma = "[";
	char *json;
	size_t size;

	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS && name->type != GEN_URI &&
		    name->type != GEN_IPADD)
			continue;
		text_word(&text, comma);
		comma = ",";
		if (name->type == GEN_DNS)
			put_string(&text, "dns", name->d.dNSName);
		else if (name->type == GEN_URI)
			put_string(&text, "uri",
				   name->d.uniformResourceIdentifier);
		else
			put_address(&text, name->d.iPAddress);
	}
	text_word(&text, *comma == '[' ? "[]" : "]");
	GENERAL_NAMES_free(names);
	return text_take(&text, &json, &size) ? NULL : json;
}

/* The file's name without its folder and ending, as a part of a name. */
static char *stat_of(const char *path)
{
	const char *base = strrchr(path, '/');
	const char *end;
	char *stat;

	base = base ? base + 1 : path;
	end = strrchr(base, '.');
	if (!end || end == base)
		end = base + strlen(base);
	if (asprintf(&stat, CERTS_STAT "%.*s.expiration_unix_time_in_seconds",
		     (int)(end - base > 100 ? 100 : end - base), base) < 0)
		return NULL;
	for (char *c = stat; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr(".-", *c))
			*c = '_';
	return stat;
}

/* ---- those that we show */

/* Of one owner: what it shows, by which files, and what it trusts. */
struct owner {
	const struct config_identity *identities;
	size_t identity_count;
	const struct config_validation *validation;
	const struct credential_set *set;
};

static struct owner owner_at(const struct config *config,
			     const struct credentials *credentials, size_t i)
{
	if (i < config->listener_count) {
		const struct config_listener *listener = &config->listeners[i];

		return (struct owner){
			.identities = listener->identities,
			.identity_count = listener->identity_count,
			.validation = &listener->validation,
			.set = &credentials->listeners[i],
		};
	}
	i -= config->listener_count;
	return (struct owner){
		.identities = &config->clusters[i].identity,
		.identity_count = 1,
		.validation = &config->clusters[i].validation,
		.set = &credentials->clusters[i],
	};
}

static size_t count_shown(const struct owner *owner)
{
	size_t count = owner->set->count;

	return count < owner->identity_count ? count : owner->identity_count;
}

static int by_stat(const void *a, const void *b)
{
	const struct cert *x = a, *y = b;

	return strcmp(x->stat, y->stat);
}

/* Two files of one name in different folders would be one number twice: the
 * one that ends first is told. */
static size_t add_shown(struct cert *certs, const struct owner *owner)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < count_shown(owner); i++) {
		const struct credential *shown = owner->set->items[i];
		char *stat = stat_of(owner->identities[i].chain_path);

		if (!shown || !stat) {
			free(stat);
			continue;
		}
		certs[count++] = (struct cert){
			.stat = stat,
			.expires = credential_time(
				X509_get0_notAfter(shown->leaf)),
		};
	}
	qsort(certs, count, sizeof(*certs), by_stat);
	for (size_t i = 0; i < count; i++) {
		struct cert *last = kept ? &certs[kept - 1] : NULL;

		if (!last || strcmp(last->stat, certs[i].stat) != 0) {
			certs[kept++] = certs[i];
			continue;
		}
		if (certs[i].expires < last->expires)
			last->expires = certs[i].expires;
		free(certs[i].stat);
	}
	return kept;
}

struct certs *certs_new(const struct config *config,
			const struct credentials *credentials)
{
	size_t owners = config->listener_count + config->cluster_count;
	struct certs *certs = calloc(1, sizeof(*certs));
	size_t room = 1, used = 0;

	if (!certs)
		return NULL;
	for (size_t i = 0; i < owners; i++) {
		struct owner owner = owner_at(config, credentials, i);

		room += count_shown(&owner);
	}
	certs->items = calloc(room, sizeof(*certs->items));
	certs->starts = calloc(owners + 1, sizeof(*certs->starts));
	if (!certs->items || !certs->starts) {
		certs_free(certs);
		return NULL;
	}
	certs->owner_count = owners;
	certs->listener_count = config->listener_count;
	for (size_t i = 0; i < owners; i++) {
		struct owner owner = owner_at(config, credentials, i);

		certs->starts[i] = used;
		used += add_shown(&certs->items[used], &owner);
	}
	certs->starts[owners] = used;
	return certs;
}

void certs_free(struct certs *certs)
{
	if (!certs)
		return;
	for (size_t i = 0;
	     certs->starts && i < certs->starts[certs->owner_count]; i++)
		free(certs->items[i].stat);
	free(certs->items);
	free(certs->starts);
	free(certs);
}

const struct cert *certs_own(const struct certs *certs, bool listener,
			     size_t index, size_t i)
{
	if (!certs)
		return NULL;
	index += listener ? 0 : certs->listener_count;
	if (index >= certs->owner_count)
		return NULL;
	i += certs->starts[index];
	return i < certs->starts[index + 1] ? &certs->items[i] : NULL;
}

static long long days_left(time_t expires)
{
	long long seconds = (long long)expires - (long long)time(NULL);

	return seconds < 0 ? -((DAY_S - 1 - seconds) / DAY_S) : seconds / DAY_S;
}

long long certs_days_min(const struct certs *certs)
{
	size_t count = certs ? certs->starts[certs->owner_count] : 0;
	long long least = -1;

	for (size_t i = 0; i < count; i++) {
		long long days = days_left(certs->items[i].expires);

		if (i == 0 || days < least)
			least = days;
	}
	return least;
}

/* ---- all of them, in words */

static void print_time(struct text *text, const char *name, time_t time)
{
	char words[40];
	struct tm tm;

	gmtime_r(&time, &tm);
	strftime(words, sizeof(words), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_format(text, ",\"%s\":\"%s\"", name, words);
}

static void print_one(const char *path, X509 *x509, bool first,
		      struct text *text)
{
	char *serial = serial_of(x509), *names = names_of(x509);
	time_t expires = credential_time(X509_get0_notAfter(x509));
	long long days = days_left(expires);

	if (serial && names) {
		text_word(text, first ? "\n   {\"path\":" : ",\n   {\"path\":");
		text_json(text, path);
		text_format(text, ",\"serial_number\":\"%s\"", serial);
		text_word(text, ",\"subject_alt_names\":");
		text_word(text, names);
		text_format(text, ",\"days_until_expiration\":\"%lld\"",
			    days < 0 ? 0 : days);
		print_time(text, "valid_from",
			   credential_time(X509_get0_notBefore(x509)));
		print_time(text, "expiration_time", expires);
		text_word(text, "}");
	} else {
		text->short_of_memory = true;
	}
	free(serial);
	free(names);
}

static void print_trust(const char *path, const struct trust *trust,
			struct text *text)
{
	STACK_OF(X509) *all =
		trust ? X509_STORE_get1_all_certs(trust->store) : NULL;

	for (int i = 0; i < sk_X509_num(all); i++)
		print_one(path, sk_X509_value(all, i), i == 0, text);
	sk_X509_pop_free(all, X509_free);
}

static void print_chain(const char *path, const struct credential *shown,
			struct text *text)
{
	if (!shown)
		return;
	print_one(path, shown->leaf, true, text);
	for (int i = 0; i < sk_X509_num(shown->chain); i++)
		print_one(path, sk_X509_value(shown->chain, i), false, text);
}

/* What is in force for one owner: a chain (the i-th, or none) and a trust. */
struct pair {
	const struct credential *shown;
	const struct trust *trust;
};

static int by_pair(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct pair));
}

/* Objects are shared where they are the same, so the pointers tell. */
static bool is_new(struct pair *seen, size_t *count, const struct pair *pair)
{
	if (!pair->shown && !pair->trust)
		return false;
	if (lfind(pair, seen, count, sizeof(*seen), by_pair))
		return false;
	seen[(*count)++] = *pair;
	return true;
}

static void print_owner(const struct owner *owner, struct pair *seen,
			size_t *count, struct text *text)
{
	size_t chains = count_shown(owner);

	for (size_t i = 0; i < (chains ? chains : 1); i++) {
		struct pair pair = {
			.shown = chains ? owner->set->items[i] : NULL,
			.trust = owner->set->trust,
		};

		if (!is_new(seen, count, &pair))
			continue;
		text_word(text, *count > 1 ? ",\n {\"ca_cert\":["
					   : "\n {\"ca_cert\":[");
		print_trust(owner->validation->trust_path, pair.trust, text);
		text_word(text, "],\n  \"cert_chain\":[");
		if (pair.shown)
			print_chain(owner->identities[i].chain_path, pair.shown,
				    text);
		text_word(text, "]}");
	}
}

void certs_print(const struct config *config,
		 const struct credentials *credentials, struct text *text)
{
	size_t owners = config->listener_count + config->cluster_count;
	struct pair *seen;
	size_t room = 1, count = 0;

	text_word(text, "{\"certificates\":[");
	for (size_t i = 0; credentials && i < owners; i++) {
		struct owner owner = owner_at(config, credentials, i);

		room += count_shown(&owner) + 1;
	}
	seen = calloc(room, sizeof(*seen));
	if (!seen)
		text->short_of_memory = true;
	for (size_t i = 0; seen && credentials && i < owners; i++) {
		struct owner owner = owner_at(config, credentials, i);

		print_owner(&owner, seen, &count, text);
	}
	free(seen);
	text_word(text, "\n]}\n");
}
