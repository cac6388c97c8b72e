/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs those above first */
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "tls/names.h"

static const struct {
	const char *pattern; /* in the certificate */
	const char *name;    /* asked for */
	bool match;
} dns_cases[] = {
	{"a.local", "a.local", true},
	{"a.local", "A.LOCAL", true},
	{"A.Local", "a.lOCAL", true},
	{"a.local", "a.local.", true},
	{"a.local", "b.local", false},
	{"a.local", "a.locals", false},
	{"a.locals", "a.local", false},
	{"a.local", "", false},
	{"", "a.local", false},
	{"", "", false},
	{"a.local", ".", false},
	/* one label deep, never none */
	{"*.apps.local", "a.apps.local", true},
	{"*.apps.local", "A.Apps.Local", true},
	{"*.apps.local", "a.b.apps.local", false},
	{"*.apps.local", "apps.local", false},
	{"*.apps.local", ".apps.local", false},
	{"*.apps.local", "a.apps.local.", true},
	{"*.local", "a.local", true},
	{"*", "local", false},
	{"*.", "a.", false},
	/* a part of the leftmost label */
	{"s*.local", "service.local", true},
	{"s*.local", "s.local", true},
	{"s*c.local", "sc.local", true},
	{"s*c.local", "service.local", false},
	{"s*e.local", "service.local", true},
	{"sc*c.local", "sc.local", false},
	{"*b.local", "ab.local", true},
	{"*b.local", "ba.local", false},
	/* elsewhere it is only a character, which no host name has */
	{"a.*.local", "a.b.local", false},
	{"a.*", "a.local", false},
	{"**.local", "a.local", false},
	{"*a*.local", "bab.local", false},
	{"*.*.local", "a.b.local", false},
	/* A-labels */
	{"xn--*.local", "xn--bcher-kva.local", false},
	{"*.local", "xn--bcher-kva.local", false},
	{"xn--bcher-kva.local", "xn--bcher-kva.local", true},
	{"XN--*.local", "xn--a.local", false},
	{"*.xn--p1ai", "a.xn--p1ai", true},
};

static void test_dns(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dns_cases) / sizeof(dns_cases[0]); i++) {
		bool match = names_dns_match(dns_cases[i].pattern,
					     dns_cases[i].name);

		if (match != dns_cases[i].match)
			fail_msg("%s against %s: %d", dns_cases[i].pattern,
				 dns_cases[i].name, match);
	}
}

static X509 *certificate_with(const char *alternative_names,
			      const char *common_name)
{
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);

	assert_non_null(certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (const unsigned char *)common_name, -1, -1,
				   0);
	if (alternative_names) {
		X509_EXTENSION *extension = X509V3_EXT_conf_nid(
			NULL, NULL, NID_subject_alt_name, alternative_names);

		assert_non_null(extension);
		X509_add_ext(certificate, extension, -1);
		X509_EXTENSION_free(extension);
	}
	return certificate;
}

static const struct {
	const char *alternative_names;
	const char *wanted;
	bool match;
} certificate_cases[] = {
	{"DNS:a.local", "a.local", true},
	{"DNS:b.local,DNS:a.local", "a.local", true},
	{"DNS:*.local", "a.local", true},
	{"DNS:b.local", "a.local", false},
	{NULL, "cn.local", false}, /* the common name never counts */
	{"DNS:b.local", "cn.local", false},
	{"IP:10.0.0.1", "10.0.0.1", true},
	{"IP:10.0.0.1", "10.0.0.2", false},
	{"DNS:10.0.0.1", "10.0.0.1", true},
	{"IP:::1", "::1", true},
	{"IP:::1", "0:0:0:0:0:0:0:1", true},
	{"IP:::1", "::2", false},
	{"URI:spiffe://a/b", "spiffe://a/b", true},
	{"URI:spiffe://a/b", "spiffe://a/B", false},
	{"URI:spiffe://a/b", "spiffe://a/b/", false},
	{"URI:spiffe://a/*", "spiffe://a/b", false},
	{"email:a.local", "a.local", false},
};

static void test_certificate(void **state)
{
	(void)state;
	for (size_t i = 0;
	     i < sizeof(certificate_cases) / sizeof(certificate_cases[0]);
	     i++) {
		X509 *certificate = certificate_with(
			certificate_cases[i].alternative_names, "cn.local");
		char wanted[64];
		char *names[] = {wanted};
		struct config_validation validation = {
			.names = {names, 1},
		};

		strcpy(wanted, certificate_cases[i].wanted);
		if (names_certificate_match(certificate, &validation) !=
		    certificate_cases[i].match)
			fail_msg("case %zu: %s", i, wanted);
		X509_free(certificate);
	}
}

static void check_forged(int type, ASN1_STRING *string, const void *bytes,
			 int size, const char *told)
{
	char wanted[] = "a.local";
	char *names[] = {wanted};
	struct config_validation validation = {.names = {names, 1}};
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	X509 *certificate = X509_new();
	char text[64];

	ASN1_STRING_set(string, bytes, size);
	GENERAL_NAME_set0_value(name, type, string);
	sk_GENERAL_NAME_push(list, name);
	X509_add1_ext_i2d(certificate, NID_subject_alt_name, list, 0, 0);
	assert_false(names_certificate_match(certificate, &validation));
	assert_string_equal(
		names_certificate_format(certificate, text, sizeof(text)),
		told);
	GENERAL_NAMES_free(list);
	X509_free(certificate);
}

/* A NUL inside a name must not end it; an address of another size than IP has
 * must not be read beyond its end (which ASan and valgrind see). */
static void test_forged(void **state)
{
	static const char bytes[] = "a.local\0.evil and more";
	static const int sizes[] = {1, 3, 5, 13, 15, 17};

	(void)state;
	check_forged(GEN_DNS, ASN1_IA5STRING_new(), bytes, 13,
		     "DNS:(malformed)");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_forged(GEN_IPADD, ASN1_OCTET_STRING_new(), bytes,
			     sizes[i], "IP:(malformed)");
}

static void test_format(void **state)
{
	X509 *certificate = certificate_with(
		"DNS:a.local,IP:10.0.0.1,URI:spiffe://a/b", "x");
	X509 *none = certificate_with(NULL, "x");
	char text[64], small[16];

	(void)state;
	assert_string_equal(
		names_certificate_format(certificate, text, sizeof(text)),
		"DNS:a.local, IP:10.0.0.1, URI:spiffe://a/b");
	names_certificate_format(certificate, small, sizeof(small));
	assert_string_equal(small, "DNS:a.local,...");
	assert_string_equal(names_certificate_format(none, text, sizeof(text)),
			    "none");
	X509_free(certificate);
	X509_free(none);
}

/* What must hold for any two strings. */
static void test_random(void **state)
{
	static const char letters[] = "ab.*xn-";
	unsigned int seed = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char pattern[12], name[12];
		size_t p = 0, n = 0;

		while (p < sizeof(pattern) - 1 && rand_r(&seed) % 8)
			pattern[p++] = letters[(size_t)rand_r(&seed) % 7];
		while (n < sizeof(name) - 1 && rand_r(&seed) % 8)
			name[n++] = letters[(size_t)rand_r(&seed) % 7];
		pattern[p] = name[n] = '\0';
		if (!names_dns_match(pattern, name))
			continue;
		/* A match spans as many labels as the pattern has. */
		for (size_t at = 0; at < p; at++)
			if (pattern[at] == '.')
				assert_non_null(strchr(name, '.'));
		assert_true(n >= p - (strchr(pattern, '*') ? 1 : 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
