/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_SIZE 1024

static bool label_is_a_label(const char *label)
{
	return strncasecmp(label, "xn--", 4) == 0;
}

bool names_dns_match(const char *pattern, const char *name)
{
	size_t name_size = strlen(name);
	size_t before, label, after;
	const char *star, *dot;

	/* A trailing dot says the same name (RFC 1034 section 3.1). */
	if (name_size && name[name_size - 1] == '.')
		name_size--;
	if (!name_size || !*pattern)
		return false;
	star = strchr(pattern, '*');
	if (!star)
		return strlen(pattern) == name_size &&
		       strncasecmp(pattern, name, name_size) == 0;
	dot = strchr(pattern, '.');
	if (!dot || star > dot || strchr(star + 1, '*') ||
	    label_is_a_label(pattern))
		return false;
	before = (size_t)(star - pattern);
	after = (size_t)(dot - star) - 1;
	label = strcspn(name, ".");
	if (label == 0 || label >= name_size || label < before + after ||
	    label_is_a_label(name))
		return false;
	if (strlen(dot) != name_size - label)
		return false;
	return strncasecmp(pattern, name, before) == 0 &&
	       strncasecmp(star + 1, name + label - after, after) == 0 &&
	       strncasecmp(dot, name + label, name_size - label) == 0;
}

/* A name with a NUL inside is a forgery: it must not match its prefix. */
static bool string_of(const ASN1_STRING *asn1, char *text, size_t size)
{
	int length = ASN1_STRING_length(asn1);

	if (length <= 0 || (size_t)length >= size)
		return false;
	memcpy(text, ASN1_STRING_get0_data(asn1), (size_t)length);
	text[length] = '\0';
	return strlen(text) == (size_t)length;
}

static bool address_match(const ASN1_OCTET_STRING *asn1, const char *wanted)
{
	unsigned char bytes[16];
	int size = 0;

	if (inet_pton(AF_INET, wanted, bytes) == 1)
		size = 4;
	else if (inet_pton(AF_INET6, wanted, bytes) == 1)
		size = 16;
	return size && ASN1_STRING_length(asn1) == size &&
	       memcmp(ASN1_STRING_get0_data(asn1), bytes, (size_t)size) == 0;
}

static bool name_is(const GENERAL_NAME *name, const char *wanted)
{
	char text[NAME_MAX_SIZE];

	switch (name->type) {
	case GEN_DNS:
		return string_of(name->d.dNSName, text, sizeof(text)) &&
		       names_dns_match(text, wanted);
	case GEN_URI:
		return string_of(name->d.uniformResourceIdentifier, text,
				 sizeof(text)) &&
		       strcmp(text, wanted) == 0;
	case GEN_IPADD:
		return address_match(name->d.iPAddress, wanted);
	default:
		return false;
	}
}

static bool matcher_takes(const struct config_matcher *matcher,
			  const char *text)
{
	size_t size = strlen(text), part = strlen(matcher->text);

	switch (matcher->kind) {
	case CONFIG_MATCH_PREFIX:
		return size >= part && strncmp(text, matcher->text, part) == 0;
	case CONFIG_MATCH_SUFFIX:
		return size >= part &&
		       strcmp(text + size - part, matcher->text) == 0;
	case CONFIG_MATCH_REGEX:
		return regexec(&matcher->regex, text, 0, NULL, 0) == 0;
	}
	return false;
}

/* DNS names in lower case, URIs as they are, addresses in their text form. */
static bool name_text(const GENERAL_NAME *name, char *text, size_t size)
{
	const ASN1_OCTET_STRING *address;

	switch (name->type) {
	case GEN_DNS:
		if (!string_of(name->d.dNSName, text, size))
			return false;
		for (char *at = text; *at; at++)
			*at = (char)tolower((unsigned char)*at);
		return true;
	case GEN_URI:
		return string_of(name->d.uniformResourceIdentifier, text, size);
	case GEN_IPADD:
		address = name->d.iPAddress;
		return (ASN1_STRING_length(address) == 4 ||
			ASN1_STRING_length(address) == 16) &&
		       inet_ntop(ASN1_STRING_length(address) == 4 ? AF_INET
								  : AF_INET6,
				 ASN1_STRING_get0_data(address), text,
				 (socklen_t)size) != NULL;
	default:
		return false;
	}
}

static bool name_wanted(const GENERAL_NAME *name,
			const struct config_validation *validation)
{
	char text[NAME_MAX_SIZE];

	for (size_t i = 0; i < validation->names.count; i++)
		if (name_is(name, validation->names.items[i]))
			return true;
	if (!validation->matcher_count || !name_text(name, text, sizeof(text)))
		return false;
	for (size_t i = 0; i < validation->matcher_count; i++)
		if (matcher_takes(&validation->matchers[i], text))
			return true;
	return false;
}

static GENERAL_NAMES *alternative_names(X509 *certificate)
{
	return X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

/* The most specific one: it stands last in the subject. */
static bool common_name(X509 *certificate, char *text, size_t size)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = -1, last = -1;
	unsigned char *utf8;
	int length;
	bool whole;

	while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >=
	       0)
		last = at;
	if (last < 0)
		return false;
	length = ASN1_STRING_to_UTF8(
		&utf8,
		X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
	if (length < 0)
		return false;
	whole = length > 0 && (size_t)length < size &&
		memchr(utf8, '\0', (size_t)length) == NULL;
	if (whole) {
		memcpy(text, utf8, (size_t)length);
		text[length] = '\0';
	}
	OPENSSL_free(utf8);
	return whole;
}

static bool common_name_wanted(X509 *certificate,
			       const struct config_validation *validation)
{
	char text[NAME_MAX_SIZE];

	if (!validation->cn_or_san ||
	    !common_name(certificate, text, sizeof(text)))
		return false;
	for (size_t i = 0; i < validation->names.count; i++)
		if (names_dns_match(text, validation->names.items[i]))
			return true;
	return false;
}

bool names_certificate_match(X509 *certificate,
			     const struct config_validation *validation)
{
	GENERAL_NAMES *names;
	bool match = false;

	if (!validation->names.count && !validation->matcher_count)
		return true;
	names = alternative_names(certificate);
	for (int i = 0; !match && i < sk_GENERAL_NAME_num(names); i++)
		match = name_wanted(sk_GENERAL_NAME_value(names, i),
				    validation);
	GENERAL_NAMES_free(names);
	return match || common_name_wanted(certificate, validation);
}

bool names_hash_match(X509 *certificate, const struct config_strings *hashes)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1];
	unsigned int size;

	if (!hashes->count)
		return true;
	if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
		return false;
	for (unsigned int i = 0; i < size; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
	for (size_t i = 0; i < hashes->count; i++)
		if (strcmp(hashes->items[i], text) == 0)
			return true;
	return false;
}

static void format_name(const GENERAL_NAME *name, char *text, size_t size)
{
	char inner[256];
	const unsigned char *bytes;
	int length;

	switch (name->type) {
	case GEN_DNS:
		if (!string_of(name->d.dNSName, inner, sizeof(inner)))
			strcpy(inner, "(malformed)");
		snprintf(text, size, "DNS:%s", inner);
		return;
	case GEN_URI:
		if (!string_of(name->d.uniformResourceIdentifier, inner,
			       sizeof(inner)))
			strcpy(inner, "(malformed)");
		snprintf(text, size, "URI:%s", inner);
		return;
	case GEN_IPADD:
		bytes = ASN1_STRING_get0_data(name->d.iPAddress);
		length = ASN1_STRING_length(name->d.iPAddress);
		/* inet_ntop() takes its word for how long it is. */
		if ((length != 4 && length != 16) ||
		    !inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, inner,
			       sizeof(inner)))
			strcpy(inner, "(malformed)");
		snprintf(text, size, "IP:%s", inner);
		return;
	default:
		snprintf(text, size, "other");
	}
}

char *names_certificate_format(X509 *certificate, char *text, size_t size)
{
	GENERAL_NAMES *names = alternative_names(certificate);
	int count = sk_GENERAL_NAME_num(names);
	size_t used = 0;

	snprintf(text, size, "none");
	for (int i = 0; i < count; i++) {
		char one[300];
		int n;

		format_name(sk_GENERAL_NAME_value(names, i), one, sizeof(one));
		n = snprintf(text + used, size - used, "%s%s", i ? ", " : "",
			     one);
		if (n < 0 || (size_t)n >= size - used) {
			snprintf(text + (size > 4 ? size - 4 : 0), 4, "...");
			break;
		}
		used += (size_t)n;
	}
	GENERAL_NAMES_free(names);
	return text;
}

char *names_certificate_identity(X509 *certificate, char *text, size_t size)
{
	GENERAL_NAMES *names = alternative_names(certificate);
	int count = sk_GENERAL_NAME_num(names), chosen = 0;
	char name[NAME_MAX_SIZE];

	for (int i = count - 1; i >= 0; i--)
		if (sk_GENERAL_NAME_value(names, i)->type == GEN_URI)
			chosen = i;
	if (count > 0)
		format_name(sk_GENERAL_NAME_value(names, chosen), text, size);
	else if (common_name(certificate, name, sizeof(name)))
		snprintf(text, size, "CN:%s", name);
	else
		snprintf(text, size, "none");
	GENERAL_NAMES_free(names);
	return text;
}
