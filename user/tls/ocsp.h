/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ocsp: a response from a file (DER, RFC 6960), as a responder gave it, that
 * says that a certificate of ours is good.
 */
#ifndef MILLRACE_TLS_OCSP_H
#define MILLRACE_TLS_OCSP_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

/*
 * 0, *ret (OPENSSL_free()) and until when it holds (0: it does not say); or
 * -errno with the words: no response, not about leaf, or one that does not
 * call it good. Its signature is the clients' to check.
 */
int ocsp_read(const char *path, X509 *leaf, uint8_t **ret, size_t *ret_size,
	      time_t *ret_until, struct err *err)
	__attribute__((warn_unused_result));

#endif
