/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/document_tls.h"

#include <openssl/ssl.h>

#include "config/config.h"
#include "config/table.h"

static const struct schema_word mode_words[] = {
	{"strict", CONFIG_TLS_STRICT},
	{"permissive", CONFIG_TLS_PERMISSIVE},
	{"disabled", CONFIG_TLS_DISABLED},
	{"passthrough", CONFIG_TLS_PASSTHROUGH},
	{NULL, 0},
};

static const struct schema_word validation_words[] = {
	{"required", 1},
	{"none", 0},
	{NULL, 0},
};

static const struct schema_word name_check_words[] = {
	{"san", 0},
	{"cn-or-san", 1},
	{NULL, 0},
};

static const struct schema_word expiry_words[] = {
	{"keep", 0},
	{"close", 1},
	{NULL, 0},
};

static const struct schema_word resumption_words[] = {
	{"disabled", 0},
	{"enabled", 1},
	{NULL, 0},
};

static const struct schema_word version_words[] = {
	{"1.2", TLS1_2_VERSION},
	{"1.3", TLS1_3_VERSION},
	{NULL, 0},
};

#define PROTOCOL(type)                                                  \
	{.name = "min_version",                                         \
	 AT(type, min_version),                                         \
	 WORD(version_words, TLS1_2_VERSION)},                          \
		{.name = "max_version",                                 \
		 AT(type, max_version),                                 \
		 WORD(version_words, TLS1_3_VERSION)},                  \
		{.name = "ciphers", AT(type, ciphers), TEXT},           \
		{.name = "ciphersuites", AT(type, ciphersuites), TEXT}, \
	{                                                               \
		.name = "alpn", AT(type, alpn), TEXTS                   \
	}

static const struct schema_field file_fields[] = {
	{.name = "chain",
	 AT(document_file, chain),
	 TEXT,
	 REQUIRED,
	 .missing = "the PEM file of the certificate and its intermediates"},
	{.name = "key",
	 AT(document_file, key),
	 TEXT,
	 REQUIRED,
	 SECRET,
	 .missing = "the PEM file of the private key"},
	{.name = "ocsp", AT(document_file, ocsp), TEXT},
	{.name = NULL},
};
SCHEMA(file, document_file);

static const struct schema_field certificate_fields[] = {
	{.name = "file",
	 AT(document_certificate, file),
	 MAP(file),
	 REQUIRED,
	 .missing = "write file: { chain: PATH, key: PATH }"},
	{.name = NULL},
};
SCHEMA(certificate, document_certificate);

static const struct schema_field trust_fields[] = {
	{.name = "file",
	 AT(document_trust, file),
	 TEXT,
	 REQUIRED,
	 .missing = "the PEM file of the certificates to trust"},
	{.name = NULL},
};
SCHEMA(trust, document_trust);

static const struct schema_field crl_fields[] = {
	{.name = "file",
	 AT(document_crl, file),
	 TEXT,
	 REQUIRED,
	 .missing = "the PEM file of the revocation lists"},
	{.name = NULL},
};
SCHEMA(crl, document_crl);

static const struct schema_field matcher_fields[] = {
	{.name = "prefix", AT(document_matcher, prefix), TEXT},
	{.name = "suffix", AT(document_matcher, suffix), TEXT},
	{.name = "regex", AT(document_matcher, regex), TEXT},
	{.name = NULL},
};
SCHEMA(matcher, document_matcher);

#define VALIDATION_FIELDS                                                 \
	{.name = "trust", AT(document_validation, trust), MAP(trust)},    \
		{.name = "crl", AT(document_validation, crl), MAP(crl)},  \
		{.name = "name_check",                                    \
		 AT(document_validation, cn_or_san),                      \
		 WORD(name_check_words, 0)},                              \
		{.name = "at_expiry",                                     \
		 AT(document_validation, close_at_expiry),                \
		 WORD(expiry_words, 0)},                                  \
		{.name = "names", AT(document_validation, names), TEXTS}, \
		{.name = "match",                                         \
		 AT(document_validation, matchers),                       \
		 MAPS(matcher)},                                          \
		{.name = "certificate_sha256",                            \
		 AT(document_validation, hashes),                         \
		 TEXTS},                                                  \
	{                                                                 \
		.name = NULL                                              \
	}

static const struct schema_field validation_fields[] = {
	{.name = "mode",
	 AT(document_validation, mode),
	 WORD(validation_words, 1)},
	VALIDATION_FIELDS,
};
SCHEMA(validation, document_validation);

/* Of clients: there is no mode, it is left out instead. */
static const struct schema_field client_validation_fields[] = {
	VALIDATION_FIELDS,
};
SCHEMA(client_validation, document_validation);

static const struct schema_field listener_tls_fields[] = {
	{.name = "mode",
	 AT(document_listener_tls, mode),
	 WORD(mode_words, CONFIG_TLS_STRICT),
	 REQUIRED,
	 .missing = "strict, permissive for both, or disabled for plaintext"},
	{.name = "certificate",
	 AT(document_listener_tls, certificate),
	 MAP(certificate)},
	{.name = "certificates",
	 AT(document_listener_tls, certificates),
	 MAPS(certificate)},
	{.name = "validation",
	 AT(document_listener_tls, validation),
	 MAP(client_validation)},
	{.name = "server_first_wait",
	 AT(document_listener_tls, server_first_wait),
	 DURATION(0, 10 * SECOND, 0)},
	PROTOCOL(document_listener_tls),
	{.name = NULL},
};
const struct schema document_listener_tls_schema = {
	listener_tls_fields, sizeof(struct document_listener_tls)};

static const struct schema_field cluster_tls_fields[] = {
	{.name = "server_name", AT(document_cluster_tls, server_name), TEXT},
	{.name = "validation",
	 AT(document_cluster_tls, validation),
	 MAP(validation),
	 REQUIRED,
	 .missing = "TLS to a peer that nobody checks protects from nobody; "
		    "write validation: { trust: { file: PATH } }, or, in so "
		    "many words, validation: { mode: none }"},
	{.name = "certificate",
	 AT(document_cluster_tls, certificate),
	 MAP(certificate)},
	{.name = "resumption",
	 AT(document_cluster_tls, resumption),
	 WORD(resumption_words, 1)},
	{.name = "ticket_wait",
	 AT(document_cluster_tls, ticket_wait),
	 DURATION(0, HOUR, 5 * SECOND)},
	PROTOCOL(document_cluster_tls),
	{.name = NULL},
};
const struct schema document_cluster_tls_schema = {
	cluster_tls_fields, sizeof(struct document_cluster_tls)};
