/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hkdf: HKDF (RFC 5869) as TLS 1.3 uses it (RFC 8446 section 7.1).
 *
 * Allocates nothing and looks nothing up. secret and salt are
 * tls_hash_size() bytes; 0, or -EINVAL for a size that the RFCs do not have.
 */
#ifndef MILLRACE_TLS_HKDF_H
#define MILLRACE_TLS_HKDF_H

#include <stddef.h>
#include <stdint.h>

#include "tls/keys.h"

#define HKDF_LABEL_MAX 249 /* without the prefix, RFC 8446 section 7.1 */
#define HKDF_CONTEXT_MAX 255

/* salt NULL: zeros. ret_secret has room for tls_hash_size() bytes. */
int hkdf_extract(enum tls_hash hash, const uint8_t *salt, const uint8_t *input,
		 size_t input_size, uint8_t *ret_secret)
	__attribute__((warn_unused_result));

/* label without the "tls13 " that comes before it. */
int hkdf_expand_label(enum tls_hash hash, const uint8_t *secret,
		      const char *label, size_t label_size,
		      const uint8_t *context, size_t context_size,
		      uint8_t *ret_out, size_t size)
	__attribute__((warn_unused_result));

/* Derive-Secret(secret, label, "") of the same section. */
int hkdf_derive_empty(enum tls_hash hash, const uint8_t *secret,
		      const char *label, size_t label_size, uint8_t *ret_secret)
	__attribute__((warn_unused_result));

#endif
