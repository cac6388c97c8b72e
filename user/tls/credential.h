/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * credential: a certificate of our own with its key, and what peers'
 * certificates are checked by, as files held them at one moment.
 *
 * Both are immutable and counted; any thread may use, share and give them
 * back. Two with the same digest are the same.
 */
#ifndef MILLRACE_TLS_CREDENTIAL_H
#define MILLRACE_TLS_CREDENTIAL_H

#include <openssl/x509.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "config/config.h"

#define CREDENTIAL_DIGEST_SIZE 32

struct credential {
	atomic_uint refs;
	uint8_t digest[CREDENTIAL_DIGEST_SIZE];
	X509 *leaf;
	STACK_OF(X509) *chain; /* without the leaf */
	EVP_PKEY *key;
	char **dns; /* the leaf's names of that kind */
	size_t dns_count;
	uint8_t *staple; /* an OCSP response (RFC 6960), DER, or NULL */
	size_t staple_size;
	time_t staple_until; /* 0: it does not say */
};

struct trust {
	atomic_uint refs;
	uint8_t digest[CREDENTIAL_DIGEST_SIZE];
	X509_STORE *store;	    /* with the revocation lists */
	time_t crl_until;	    /* the first of them ends; or 0 */
	STACK_OF(X509_NAME) *names; /* of those trusted */
};

/* What one listener or cluster presents and trusts. */
struct credential_set {
	struct credential **items;
	size_t count;
	struct trust *trust; /* NULL: peers are not checked */
};

/* 0, or -errno with the words: a file that cannot be used, a key that does
 * not belong to its chain, a leaf that does not carry node (if not NULL). */
int credential_read(const struct config_identity *identity, const char *node,
		    struct credential **ret, struct err *err)
	__attribute__((warn_unused_result));
struct credential *credential_ref(struct credential *credential);
/* NULL is allowed, as below. */
void credential_unref(struct credential *credential);

int trust_read(const struct config_validation *validation, struct trust **ret,
	       struct err *err) __attribute__((warn_unused_result));
struct trust *trust_ref(struct trust *trust);
void trust_unref(struct trust *trust);

/* As the clock counts; 0 for what is no time. */
time_t credential_time(const ASN1_TIME *time);

#endif
