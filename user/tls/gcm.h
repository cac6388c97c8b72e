/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gcm: AES-GCM (NIST SP 800-38D) with a 12-byte nonce and a 16-byte tag, by
 * intel-ipsec-mb: three times as fast as OpenSSL before 3.1 where the
 * processor has VAES and AVX-512, and no slower where it has AVX2.
 *
 * On other processors, and on other architectures than x86-64, there is none:
 * who asks then uses OpenSSL. A key belongs to one thread.
 */
#ifndef MILLRACE_TLS_GCM_H
#define MILLRACE_TLS_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GCM_TAG_SIZE 16

struct gcm_key;

/* What the processor has it by ("VAES", "AES-NI"), or NULL: none here. */
const char *gcm_instructions(void);

/* Without a key as yet. NULL: none here, or memory is short. */
struct gcm_key *gcm_key_new(bool aes256);

/* key: 16 bytes, or 32 for AES-256. */
void gcm_key_set(struct gcm_key *gcm, const uint8_t *key);

/* Until the next gcm_key_set() it is not to be used. */
void gcm_key_wipe(struct gcm_key *gcm);

/* Wipes it. NULL is allowed. */
void gcm_key_free(struct gcm_key *gcm);

/* To out: content, then what follows it, encrypted, and the tag. */
void gcm_seal(struct gcm_key *gcm, const uint8_t nonce[12], const uint8_t *aad,
	      size_t aad_size, const uint8_t *content, size_t size,
	      const uint8_t *following, size_t following_size, uint8_t *out);

/* Opens size bytes to out. False: the tag is another one, and what out holds
 * nobody vouches for. */
bool gcm_open(struct gcm_key *gcm, const uint8_t nonce[12], const uint8_t *aad,
	      size_t aad_size, const uint8_t *in, size_t size,
	      const uint8_t tag[GCM_TAG_SIZE], uint8_t *out)
	__attribute__((warn_unused_result));

#endif
