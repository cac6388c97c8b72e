/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * files: what the configuration names, read and checked: certificates, keys,
 * trust, cipher lists. Each returns 0, or -errno (-EINVAL where the content
 * is at fault) with the words; outputs are the caller's.
 */
#ifndef MILLRACE_CONFIG_FILES_H
#define MILLRACE_CONFIG_FILES_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/err.h"

/* A PEM chain, its leaf first. sk_X509_pop_free(). */
int files_chain_read(const char *path, STACK_OF(X509) **ret, struct err *err)
	__attribute__((warn_unused_result));

/* The private key of leaf, the first certificate in chain_path. */
int files_key_read(const char *path, const char *chain_path, X509 *leaf,
		   EVP_PKEY **ret, struct err *err)
	__attribute__((warn_unused_result));

/* At least one certificate; at least one revocation list. */
int files_trust_read(const char *path, STACK_OF(X509) **ret, struct err *err)
	__attribute__((warn_unused_result));
int files_crl_read(const char *path, STACK_OF(X509_CRL) **ret, struct err *err)
	__attribute__((warn_unused_result));

/* The same, for the words alone. */
int files_chain_check(const char *path, struct err *err)
	__attribute__((warn_unused_result));
int files_key_check(const char *path, const char *chain_path, struct err *err)
	__attribute__((warn_unused_result));
int files_trust_check(const char *path, struct err *err)
	__attribute__((warn_unused_result));
int files_crl_check(const char *path, struct err *err)
	__attribute__((warn_unused_result));

/* OpenSSL's lists: TLS 1.2 ciphers, of which only AEADs with forward secrecy
 * may be named, and TLS 1.3 cipher suites. */
int files_ciphers_check(const char *list, struct err *err)
	__attribute__((warn_unused_result));
int files_ciphersuites_check(const char *list, struct err *err)
	__attribute__((warn_unused_result));

#endif
