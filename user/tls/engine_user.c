/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/engine_user.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define EXPLICIT_SIZE 8 /* of TLS 1.2's GCM nonce, on the wire */
#define SALT_SIZE 4
/* What may stand around the content on the wire (RFC 8446 section 5.2,
 * RFC 5246 section 6.2.3). */
#define EXPANSION_13 256
#define EXPANSION_12 2048
#define WIRE_VERSION 0x03 /* both bytes of 0x0303 */

static bool explicit_nonce(const struct tls_direction *direction)
{
	return direction->version == TLS_VERSION_12 &&
	       direction->cipher != TLS_CIPHER_CHACHA20;
}

static void store64(uint8_t *out, uint64_t value)
{
	for (int i = 7; i >= 0; i--) {
		out[i] = (uint8_t)value;
		value >>= 8;
	}
}

/* RFC 8446 section 5.3, RFC 7905 section 2: iv XOR sequence;
 * RFC 5288 section 3: salt, then what stands in the record. */
static void make_nonce(const struct tls_direction *direction,
		       const uint8_t *record_nonce, uint8_t nonce[TLS_IV_SIZE])
{
	uint8_t sequence[8];

	memcpy(nonce, direction->iv, TLS_IV_SIZE);
	if (explicit_nonce(direction)) {
		memcpy(nonce + SALT_SIZE, record_nonce, EXPLICIT_SIZE);
		return;
	}
	store64(sequence, direction->sequence);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= sequence[i];
}

/* RFC 8446 section 5.2: the header; RFC 5246 section 6.2.3.3: sequence,
 * type, version, length of the content. */
static size_t make_aad(const struct tls_direction *direction,
		       const uint8_t *header, size_t size, uint8_t aad[13])
{
	if (direction->version == TLS_VERSION_13) {
		memcpy(aad, header, TLS_RECORD_HEADER);
		return TLS_RECORD_HEADER;
	}
	store64(aad, direction->sequence);
	memcpy(aad + 8, header, 3);
	aad[11] = (uint8_t)(size >> 8);
	aad[12] = (uint8_t)size;
	return 13;
}

/* The limits of RFC 8446 section 5.5 are about calls of the block cipher:
 * one for each 16 bytes of the AEAD's plaintext, and one for the tag. */
static void advance(struct tls_direction *direction, size_t size)
{
	direction->sequence++;
	direction->records++;
	direction->blocks += (size + 15) / 16 + 1;
}

size_t tls_record_sealed_size(const struct tls_direction *direction,
			      size_t size)
{
	if (direction->version == TLS_VERSION_13)
		return TLS_RECORD_HEADER + size + 1 + AEAD_TAG_SIZE;
	if (explicit_nonce(direction))
		return TLS_RECORD_HEADER + EXPLICIT_SIZE + size + AEAD_TAG_SIZE;
	return TLS_RECORD_HEADER + size + AEAD_TAG_SIZE;
}

int tls_record_seal(struct tls_aead *aead, struct tls_direction *direction,
		    enum tls_record_type type, const uint8_t *content,
		    size_t size, uint8_t *out)
{
	bool tls13 = direction->version == TLS_VERSION_13;
	size_t body_size =
		tls_record_sealed_size(direction, size) - TLS_RECORD_HEADER;
	uint8_t *at = out + TLS_RECORD_HEADER;
	uint8_t nonce[TLS_IV_SIZE], aad[13];
	size_t aad_size;
	int r;

	if (direction->sequence == UINT64_MAX)
		return -EIO;
	out[0] = tls13 ? TLS_RECORD_DATA : (uint8_t)type;
	out[1] = out[2] = WIRE_VERSION;
	out[3] = (uint8_t)(body_size >> 8);
	out[4] = (uint8_t)body_size;
	if (explicit_nonce(direction)) {
		store64(at, direction->nonce);
		at += EXPLICIT_SIZE;
	}
	make_nonce(direction, out + TLS_RECORD_HEADER, nonce);
	aad_size = make_aad(direction, out, size, aad);
	r = tls_aead_seal(aead, direction, nonce, aad, aad_size, content, size,
			  tls13 ? (int)type : -1, at);
	if (r)
		return r;
	direction->nonce++;
	advance(direction, size + tls13);
	return 0;
}

int tls_record_size(const struct tls_direction *direction, const uint8_t *bytes,
		    size_t size)
{
	bool tls13 = direction->version == TLS_VERSION_13;
	size_t body;

	if ((size >= 1 && (bytes[0] < TLS_RECORD_CHANGE_CIPHER_SPEC ||
			   bytes[0] > TLS_RECORD_DATA)) ||
	    (size >= 2 && bytes[1] != WIRE_VERSION))
		return -EBADMSG;
	if (size < TLS_RECORD_HEADER)
		return 0;
	body = (size_t)bytes[3] << 8 | bytes[4];
	if (body > TLS_RECORD_PLAIN_MAX + (tls13 ? EXPANSION_13 : EXPANSION_12))
		return -EMSGSIZE;
	return (int)(TLS_RECORD_HEADER + body);
}

/* What was authenticated, looked into. In TLS 1.3 it is content, type, zeros
 * (RFC 8446 section 5.4). */
static int inside(const struct tls_direction *direction, uint8_t type,
		  const uint8_t *inner, size_t size, uint8_t *ret_type,
		  size_t *ret_size)
{
	if (direction->version == TLS_VERSION_13) {
		while (size && inner[size - 1] == 0)
			size--;
		if (!size)
			return -EPROTO;
		type = inner[--size];
	}
	if (size > TLS_RECORD_PLAIN_MAX)
		return -EMSGSIZE;
	/* change_cipher_spec is never encrypted (RFC 8446 section 5), nor
	 * does it come after a handshake; only data may be empty (RFC 8446
	 * section 5.1, RFC 5246 section 6.2.1). */
	if (type < TLS_RECORD_ALERT || type > TLS_RECORD_DATA ||
	    (!size && type != TLS_RECORD_DATA))
		return -EPROTO;
	*ret_type = type;
	*ret_size = size;
	return 0;
}

int tls_record_open(struct tls_aead *aead, struct tls_direction *direction,
		    const uint8_t *record, size_t size, uint8_t *out,
		    uint8_t *ret_type, size_t *ret_size)
{
	bool tls13 = direction->version == TLS_VERSION_13;
	size_t before = explicit_nonce(direction) ? EXPLICIT_SIZE : 0;
	const uint8_t *body = record + TLS_RECORD_HEADER + before;
	uint8_t nonce[TLS_IV_SIZE], aad[13];
	size_t content, aad_size;
	int r;

	if (direction->sequence == UINT64_MAX)
		return -EIO;
	if (tls13 && record[0] != TLS_RECORD_DATA)
		return -EPROTO;
	if (size < TLS_RECORD_HEADER + before + AEAD_TAG_SIZE)
		return -EBADMSG;
	content = size - TLS_RECORD_HEADER - before - AEAD_TAG_SIZE;
	if (content > TLS_RECORD_PLAIN_MAX + (tls13 ? EXPANSION_13 : 0))
		return -EMSGSIZE;
	make_nonce(direction, record + TLS_RECORD_HEADER, nonce);
	aad_size = make_aad(direction, record, content, aad);
	r = tls_aead_open(aead, direction, nonce, aad, aad_size, body, content,
			  out);
	if (r)
		return r;
	advance(direction, content);
	return inside(direction, record[0], out, content, ret_type, ret_size);
}
