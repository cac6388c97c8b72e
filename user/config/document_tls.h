/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * document_tls: the "tls:" parts of document.h, as they are written in the
 * file, and the tables that read them.
 */
#ifndef MILLRACE_CONFIG_DOCUMENT_TLS_H
#define MILLRACE_CONFIG_DOCUMENT_TLS_H

#include "config/schema.h"

struct document_file {
	int line;
	struct schema_text chain;
	struct schema_text key;
	struct schema_text ocsp;
};

struct document_certificate {
	int line;
	struct document_file file;
};

struct document_trust {
	int line;
	struct schema_text file;
};

struct document_crl {
	int line;
	struct schema_text file;
};

/* One of them. */
struct document_matcher {
	int line;
	struct schema_text prefix;
	struct schema_text suffix;
	struct schema_text regex;
};

struct document_validation {
	int line;
	int mode; /* 1: required, 0: none */
	struct document_trust trust;
	struct document_crl crl;
	int cn_or_san;
	int close_at_expiry;
	struct schema_texts names;
	struct schema_maps matchers; /* of struct document_matcher */
	struct schema_texts hashes;
};

/* What may be negotiated, the same on both sides. */
#define DOCUMENT_PROTOCOL                \
	int min_version;                 \
	int max_version;                 \
	struct schema_text ciphers;      \
	struct schema_text ciphersuites; \
	struct schema_texts alpn

struct document_listener_tls {
	int line;
	int mode; /* enum config_tls_mode */
	struct document_certificate certificate;
	struct schema_maps certificates; /* of struct document_certificate */
	struct document_validation validation;
	uint64_t server_first_wait;
	DOCUMENT_PROTOCOL;
};

struct document_cluster_tls {
	int line;
	struct schema_text server_name;
	struct document_validation validation;
	struct document_certificate certificate;
	int resumption;
	uint64_t ticket_wait;
	DOCUMENT_PROTOCOL;
};

extern const struct schema document_listener_tls_schema;
extern const struct schema document_cluster_tls_schema;

#endif
