/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/names.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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

static bool name_match(const GENERAL_NAME *name, const char *wanted)
{
	char text[1024];

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

static GENERAL_NAMES *alternative_names(X509 *certificate)
{
	return X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

bool names_certificate_match(X509 *certificate, char *const *wanted,
			     size_t wanted_count)
{
	GENERAL_NAMES *names = alternative_names(certificate);
	bool match = false;

	for (int i = 0; !match && i < sk_GENERAL_NAME_num(names); i++)
		for (size_t j = 0; !match && j < wanted_count; j++)
			match = name_match(sk_GENERAL_NAME_value(names, i),
					   wanted[j]);
	GENERAL_NAMES_free(names);
	return match;
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
		if (!inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, inner,
			       sizeof(inner)) ||
		    (length != 4 && length != 16))
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
