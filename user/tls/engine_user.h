/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_user: TLS records in user space (RFC 8446 section 5, RFC 5246
 * section 6.2.3.3).
 *
 * Connections hold only keys (struct tls_direction); the cipher contexts are
 * the thread's (tls/aead.h).
 */
#ifndef MILLRACE_TLS_ENGINE_USER_H
#define MILLRACE_TLS_ENGINE_USER_H

#include <stddef.h>
#include <stdint.h>

#include "tls/aead.h"
#include "tls/keys.h"

#define TLS_RECORD_HEADER 5
#define TLS_RECORD_PLAIN_MAX 16384
/* header + explicit nonce or inner type + tag, whichever version */
#define TLS_RECORD_OVERHEAD_MAX (TLS_RECORD_HEADER + 8 + 16)

enum tls_record_type {
	TLS_RECORD_CHANGE_CIPHER_SPEC = 20,
	TLS_RECORD_ALERT = 21,
	TLS_RECORD_HANDSHAKE = 22,
	TLS_RECORD_DATA = 23,
};

/* Bytes that tls_record_seal() writes for size bytes of content. */
size_t tls_record_sealed_size(const struct tls_direction *direction,
			      size_t size);

/*
 * Seals one record: content (at most TLS_RECORD_PLAIN_MAX) to out, which has
 * room for tls_record_sealed_size() and does not overlap content. Advances
 * sequence, nonce, records and blocks. 0, or -EIO (OpenSSL failed; nothing
 * may be sent on this direction again).
 */
int tls_record_seal(struct tls_aead *aead, struct tls_direction *direction,
		    enum tls_record_type type, const uint8_t *content,
		    size_t size, uint8_t *out)
	__attribute__((warn_unused_result));

/*
 * How long the record is that begins at bytes, header included: > 0 when the
 * header is complete (whether or not the body is), 0 when more bytes are
 * needed to tell, -EBADMSG for a header that no TLS peer would send (type,
 * version), -EMSGSIZE for one that is too long (record_overflow).
 */
int tls_record_size(const struct tls_direction *direction, const uint8_t *bytes,
		    size_t size);

/*
 * Opens one whole record of size bytes (header included, as
 * tls_record_size() told) to out, which has room for size bytes and does not
 * overlap it. 0 and the inner type and content size; -EBADMSG: it does not
 * authenticate, -EPROTO: its inside is malformed (no inner type, or a type
 * that may not stand here), -EMSGSIZE: content above 2^14, -EIO: OpenSSL
 * failed. A TLS 1.3 change_cipher_spec record is -EPROTO: after the
 * handshake it is unexpected.
 */
int tls_record_open(struct tls_aead *aead, struct tls_direction *direction,
		    const uint8_t *record, size_t size, uint8_t *out,
		    uint8_t *ret_type, size_t *ret_size)
	__attribute__((warn_unused_result));

#endif
