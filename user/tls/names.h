/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names: whether a certificate carries a name that was asked for.
 *
 * DNS names compare without case; a pattern in the certificate may hold one
 * "*", in its leftmost label only and not inside an A-label ("xn--"); it
 * stands for part of one label (RFC 6125 section 6.4.3, Envoy's reading).
 * Addresses and URIs compare exactly. The common name counts only by
 * name_check: cn-or-san, as a DNS name.
 */
#ifndef MILLRACE_TLS_NAMES_H
#define MILLRACE_TLS_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

/* Whether pattern, from a certificate, covers name. */
bool names_dns_match(const char *pattern, const char *name);

/*
 * Whether one of the certificate's subject alternative names (DNS, URI, IP),
 * or its common name where that counts, is wanted by name or by matcher.
 * Without names and matchers every certificate is.
 */
bool names_certificate_match(X509 *certificate,
			     const struct config_validation *validation);

/* Whether the certificate is one of those pinned; without pins it is. */
bool names_hash_match(X509 *certificate, const struct config_strings *hashes);

/*
 * "DNS:a.local, IP:10.0.0.1" for a log line, cut to size with "..."; "none"
 * when there is none. Returns text.
 */
char *names_certificate_format(X509 *certificate, char *text, size_t size);

/*
 * Who the certificate says its holder is: its first URI (a SPIFFE ID), else
 * its first other name, else "CN:..."; "none" without any. Returns text.
 */
char *names_certificate_identity(X509 *certificate, char *text, size_t size);

#endif
