/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/build_tls.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/same.h"
#include "config/files.h"

#define SHA256_HEX 64

struct place build_place(const char *list, size_t i)
{
	struct place place;

	snprintf(place.text, sizeof(place.text), "%.16s[%zu]", list, i);
	return place;
}

char *build_copy(struct build *build, const char *text)
{
	char *own = text ? strdup(text) : NULL;

	if (text && !own)
		build->errors->out_of_memory = true;
	return own;
}

char *build_absolute(struct build *build, const char *path)
{
	char *own = NULL;

	if (!path)
		return NULL;
	if (path[0] == '/')
		return build_copy(build, path);
	if (asprintf(&own, "%s/%s", build->folder, path) < 0) {
		build->errors->out_of_memory = true;
		return NULL;
	}
	return own;
}

static void *array(struct build *build, size_t count, size_t size)
{
	void *items = calloc(count, size);

	if (!items)
		build->errors->out_of_memory = true;
	return items;
}

/* ---- protocol, identity */

static void check_protocol(struct build *build, const struct place *place,
			   int line, const struct config_protocol *protocol,
			   const struct schema_text *ciphers,
			   const struct schema_text *ciphersuites)
{
	struct err err;

	if (protocol->version_min > protocol->version_max)
		TELL(build, line, place, "tls.min_version",
		     "is above max_version; nothing could be negotiated");
	if (ciphers->text && files_ciphers_check(ciphers->text, &err) < 0)
		TELL(build, ciphers->line, place, "tls.ciphers", "%s",
		     err.text);
	if (ciphersuites->text &&
	    files_ciphersuites_check(ciphersuites->text, &err) < 0)
		TELL(build, ciphersuites->line, place, "tls.ciphersuites", "%s",
		     err.text);
}

static void build_alpn(struct build *build, const struct place *place,
		       const struct schema_texts *names,
		       struct config_protocol *ret)
{
	size_t size = 0;

	if (!names->count)
		return;
	for (size_t i = 0; i < names->count; i++) {
		size_t one =
			names->items[i].text ? strlen(names->items[i].text) : 0;

		if (one > 255)
			TELL(build, names->items[i].line, place, "tls.alpn",
			     "a protocol's name has at most 255 bytes");
		size += 1 + one;
	}
	ret->alpn = array(build, size, 1);
	for (size_t i = 0; ret->alpn && i < names->count; i++) {
		const char *name = names->items[i].text;
		size_t one = name ? strlen(name) & 255 : 0;

		if (!one)
			continue;
		ret->alpn[ret->alpn_size++] = (uint8_t)one;
		memcpy(ret->alpn + ret->alpn_size, name, one);
		ret->alpn_size += one;
	}
}

#define BUILD_PROTOCOL(build, place, tls, ret)                           \
	do {                                                             \
		(ret)->version_min = (tls)->min_version;                 \
		(ret)->version_max = (tls)->max_version;                 \
		(ret)->ciphers = build_copy(build, (tls)->ciphers.text); \
		(ret)->ciphersuites =                                    \
			build_copy(build, (tls)->ciphersuites.text);     \
		check_protocol(build, place, (tls)->line, ret,           \
			       &(tls)->ciphers, &(tls)->ciphersuites);   \
		build_alpn(build, place, &(tls)->alpn, ret);             \
	} while (0)

static void check_identity(struct build *build, const struct place *place,
			   const char *field, const struct document_file *file,
			   const struct config_identity *identity)
{
	const struct config_identity *good = build->good_identity;
	const char *chain_path = identity->chain_path;
	const char *key_path = identity->key_path;
	bool told = false;
	struct err err;
	char chain[64], key[64];

	if (good && same_text(good->chain_path, chain_path) &&
	    same_text(good->key_path, key_path))
		return;
	snprintf(chain, sizeof(chain), "%s.file.chain", field);
	snprintf(key, sizeof(key), "%s.file.key", field);
	if (chain_path && files_chain_check(chain_path, &err) < 0) {
		TELL(build, file->chain.line, place, chain, "%s", err.text);
		told = true;
	}
	if (chain_path && key_path &&
	    files_key_check(key_path, chain_path, &err) < 0) {
		TELL(build, file->key.line, place, key, "%s", err.text);
		told = true;
	}
	if (!told)
		build->good_identity = identity;
}

static void build_identity(struct build *build, const struct place *place,
			   const char *field, const struct document_file *file,
			   struct config_identity *ret)
{
	ret->chain_path = build_absolute(build, file->chain.text);
	ret->key_path = build_absolute(build, file->key.text);
	ret->ocsp_path = build_absolute(build, file->ocsp.text);
	check_identity(build, place, field, file, ret);
}

/* One `certificate`, or the list of `certificates`. */
static void build_identities(struct build *build, const struct place *place,
			     const struct document_listener_tls *tls,
			     struct config_listener *listener)
{
	const struct document_certificate *items = tls->certificates.items;
	size_t count = tls->certificates.count;

	if (tls->certificate.line && tls->certificates.line)
		TELL(build, tls->certificates.line, place, "tls.certificates",
		     "stands beside certificate; put all of them into the "
		     "list, the default one first");
	if (tls->certificate.line) {
		items = &tls->certificate;
		count = 1;
	}
	if (!count) {
		TELL(build, tls->line, place, "tls",
		     "the field \"certificate\" is missing; write "
		     "certificate: { file: { chain: PATH, key: PATH } }");
		return;
	}
	listener->identities =
		array(build, count, sizeof(*listener->identities));
	if (!listener->identities)
		return;
	listener->identity_count = count;
	for (size_t i = 0; i < count; i++) {
		char field[48] = "tls.certificate";

		if (!tls->certificate.line)
			snprintf(field, sizeof(field), "tls.certificates[%zu]",
				 i);
		build_identity(build, place, field, &items[i].file,
			       &listener->identities[i]);
	}
}

/* ---- validation */

void build_names(struct build *build, const struct schema_texts *names,
		 struct config_strings *ret)
{
	if (!names->count)
		return;
	ret->items = array(build, names->count, sizeof(char *));
	if (!ret->items)
		return;
	ret->count = names->count;
	for (size_t i = 0; i < names->count; i++)
		ret->items[i] = build_copy(build, names->items[i].text);
}

/* "AA:BB:..." and "aabb..." say the same: the latter is kept. */
static bool plain_hash(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (isxdigit((unsigned char)*in))
			*out++ = (char)tolower((unsigned char)*in);
		else if (*in != ':')
			return false;
	}
	*out = '\0';
	return out - text == SHA256_HEX;
}

static void build_hashes(struct build *build, const struct place *place,
			 const struct schema_texts *hashes,
			 struct config_strings *ret)
{
	build_names(build, hashes, ret);
	for (size_t i = 0; i < ret->count; i++)
		if (ret->items[i] && !plain_hash(ret->items[i]))
			TELL(build, hashes->items[i].line, place,
			     "tls.validation.certificate_sha256",
			     "a SHA-256 has %d hexadecimal digits (openssl "
			     "x509 -noout -fingerprint -sha256)",
			     SHA256_HEX);
}

static void build_matcher(struct build *build, const struct place *place,
			  const struct document_matcher *from,
			  struct config_matcher *ret)
{
	const struct schema_text *const kinds[] = {
		[CONFIG_MATCH_PREFIX] = &from->prefix,
		[CONFIG_MATCH_SUFFIX] = &from->suffix,
		[CONFIG_MATCH_REGEX] = &from->regex,
	};
	char words[128], *whole;
	int count = 0, r;

	for (int i = 0; i <= CONFIG_MATCH_REGEX; i++) {
		if (!kinds[i]->text)
			continue;
		count++;
		if (ret->text)
			continue;
		ret->kind = (enum config_match)i;
		ret->text = build_copy(build, kinds[i]->text);
	}
	if (count != 1)
		TELL(build, from->line, place, "tls.validation.match",
		     "exactly one of prefix, suffix and regex is expected");
	if (!ret->text || ret->kind != CONFIG_MATCH_REGEX)
		return;
	r = asprintf(&whole, "^(%s)$", ret->text) < 0 ? REG_ESPACE : 0;
	if (!r) {
		r = regcomp(&ret->regex, whole, REG_EXTENDED | REG_NOSUB);
		free(whole);
	}
	if (!r)
		return;
	regerror(r, &ret->regex, words, sizeof(words));
	TELL(build, from->line, place, "tls.validation.match.regex",
	     "\"%.80s\" is no extended regular expression: %s", ret->text,
	     words);
	/* Only a compiled one may be freed as such. */
	ret->kind = CONFIG_MATCH_PREFIX;
}

static void build_matchers(struct build *build, const struct place *place,
			   const struct schema_maps *matchers,
			   struct config_validation *ret)
{
	const struct document_matcher *items = matchers->items;

	if (!matchers->count)
		return;
	ret->matchers = array(build, matchers->count, sizeof(*ret->matchers));
	if (!ret->matchers)
		return;
	ret->matcher_count = matchers->count;
	for (size_t i = 0; i < matchers->count; i++)
		build_matcher(build, place, &items[i], &ret->matchers[i]);
}

static void check_trust(struct build *build, const struct place *place,
			const struct document_validation *from,
			const struct config_validation *validation)
{
	const struct config_validation *good = build->good_validation;
	const char *path = validation->trust_path;
	struct err err;

	if (!path || (good && same_text(good->trust_path, path)))
		return;
	if (files_trust_check(path, &err) < 0)
		TELL(build, from->trust.file.line, place,
		     "tls.validation.trust.file", "%s", err.text);
	else
		build->good_validation = validation;
}

static void build_validation(struct build *build, const struct place *place,
			     const struct document_validation *from,
			     struct config_validation *ret)
{
	struct err err;

	ret->required = true;
	if (!from->trust.line)
		TELL(build, from->line, place, "tls.validation",
		     "the field \"trust\" is missing; write trust: { file: "
		     "PATH }");
	ret->trust_path = build_absolute(build, from->trust.file.text);
	check_trust(build, place, from, ret);
	ret->crl_path = build_absolute(build, from->crl.file.text);
	if (ret->crl_path && files_crl_check(ret->crl_path, &err) < 0)
		TELL(build, from->crl.file.line, place,
		     "tls.validation.crl.file", "%s", err.text);
	ret->cn_or_san = from->cn_or_san != 0;
	ret->close_at_expiry = from->close_at_expiry != 0;
	build_names(build, &from->names, &ret->names);
	build_matchers(build, place, &from->matchers, ret);
	build_hashes(build, place, &from->hashes, &ret->hashes);
}

/* ---- the two sides */

void build_listener_tls(struct build *build, const struct place *place,
			const struct document_listener_tls *tls,
			struct config_listener *listener)
{
	listener->tls_mode = (enum config_tls_mode)tls->mode;
	BUILD_PROTOCOL(build, place, tls, &listener->protocol);
	if (listener->tls_mode == CONFIG_TLS_DISABLED ||
	    listener->tls_mode == CONFIG_TLS_PASSTHROUGH) {
		const struct {
			const char *field;
			int line;
		} pointless[] = {
			{"tls.certificate", tls->certificate.line},
			{"tls.certificates", tls->certificates.line},
			{"tls.validation", tls->validation.line},
		};

		for (size_t i = 0; i < sizeof(pointless) / sizeof(*pointless);
		     i++) {
			if (!pointless[i].line)
				continue;
			TELL(build, pointless[i].line, place,
			     pointless[i].field,
			     "mode is %s: no certificate is ever shown or "
			     "asked for; leave it out, or write mode: strict",
			     listener->tls_mode == CONFIG_TLS_DISABLED
				     ? "disabled, which is plaintext"
				     : "passthrough");
			break;
		}
		return;
	}
	if (tls->validation.line)
		build_validation(build, place, &tls->validation,
				 &listener->validation);
	build_identities(build, place, tls, listener);
}

static void default_name(struct build *build, const struct place *place,
			 const struct document_cluster_tls *tls,
			 struct config_cluster *cluster)
{
	struct config_validation *validation = &cluster->validation;

	if (validation->names.count || validation->matcher_count ||
	    validation->hashes.count)
		return;
	if (cluster->type == CONFIG_CLUSTER_ORIGINAL) {
		TELL(build, tls->validation.line, place, "tls.validation",
		     "connections of the type original-destination go to "
		     "many peers, so that server_name says nothing of whose "
		     "certificate is expected; write names: [NAME], or match");
		return;
	}
	if (!cluster->server_name) {
		TELL(build, tls->validation.line, place, "tls.validation",
		     "neither names nor server_name say whose certificate is "
		     "expected: any certificate of the trust's would do; write "
		     "names: [NAME]");
		return;
	}
	validation->names.items = array(build, 1, sizeof(char *));
	if (!validation->names.items)
		return;
	validation->names.count = 1;
	validation->names.items[0] = build_copy(build, cluster->server_name);
}

/* Who is found by a name is expected to be it. */
static char *server_name_of(struct build *build,
			    const struct document_cluster_tls *tls,
			    const struct config_cluster *cluster)
{
	char *name = build_copy(build, tls->server_name.text
					       ? tls->server_name.text
					       : cluster->discovery.hostname);
	size_t size = name ? strlen(name) : 0;

	/* SNI has no last dot (RFC 6066 section 3). */
	if (size > 1 && name[size - 1] == '.')
		name[size - 1] = '\0';
	return name;
}

void build_cluster_tls(struct build *build, const struct place *place,
		       const struct document_cluster_tls *tls,
		       struct config_cluster *cluster)
{
	const struct document_validation *validation = &tls->validation;

	cluster->server_name = server_name_of(build, tls, cluster);
	cluster->resumption = tls->resumption;
	cluster->ticket_wait_ms = (uint32_t)tls->ticket_wait;
	BUILD_PROTOCOL(build, place, tls, &cluster->protocol);
	if (tls->certificate.line)
		build_identity(build, place, "tls.certificate",
			       &tls->certificate.file, &cluster->identity);
	if (validation->line && validation->mode) {
		build_validation(build, place, validation,
				 &cluster->validation);
		default_name(build, place, tls, cluster);
	} else if (validation->line &&
		   (validation->trust.line || validation->names.line ||
		    validation->crl.line || validation->matchers.line ||
		    validation->hashes.line)) {
		TELL(build, validation->line, place, "tls.validation",
		     "mode is none, so nothing else in it would be looked at; "
		     "leave the rest out, or the mode");
	}
}

void build_names_free(struct config_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
}

void build_identity_free(struct config_identity *identity)
{
	free(identity->chain_path);
	free(identity->key_path);
	free(identity->ocsp_path);
}

void build_tls_free(struct config_protocol *protocol,
		    struct config_validation *validation)
{
	free(protocol->ciphers);
	free(protocol->ciphersuites);
	free(protocol->alpn);
	free(validation->trust_path);
	free(validation->crl_path);
	build_names_free(&validation->names);
	build_names_free(&validation->hashes);
	for (size_t i = 0; i < validation->matcher_count; i++) {
		if (validation->matchers[i].kind == CONFIG_MATCH_REGEX)
			regfree(&validation->matchers[i].regex);
		free(validation->matchers[i].text);
	}
	free(validation->matchers);
}
