/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sealing: one aead, and records sealed and opened with it in memory of
 * exactly the sizes that tls/engine_user.h asks for. For one test program;
 * cmocka.h must be included before.
 */
#ifndef MILLRACE_TESTS_SEALING_H
#define MILLRACE_TESTS_SEALING_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/engine_user.h"

static struct tls_aead *aead;

/* Exactly as much memory as the contract asks for, so that a sanitizer sees
 * one byte too many. */
static inline uint8_t *seal(struct tls_direction *tx, int type,
			    const void *content, size_t size, size_t *ret_size)
{
	size_t sealed = tls_record_sealed_size(tx, size);
	uint8_t *record = malloc(sealed);
	uint8_t *copy = malloc(size + 1);

	assert_non_null(record);
	assert_non_null(copy);
	memcpy(copy, content, size);
	assert_int_equal(tls_record_seal(aead, tx, (enum tls_record_type)type,
					 copy, size, record),
			 0);
	free(copy);
	*ret_size = sealed;
	return record;
}

struct opened {
	int r;
	uint8_t type;
	size_t size;
	uint8_t *content;
};

static inline struct opened open_record(struct tls_direction *rx,
					const uint8_t *record, size_t size)
{
	struct opened opened = {.type = 0xff, .size = SIZE_MAX};
	uint8_t *copy = malloc(size + 1);

	opened.content = malloc(size + 1);
	assert_non_null(copy);
	assert_non_null(opened.content);
	memcpy(copy, record, size);
	opened.r = tls_record_open(aead, rx, copy, size, opened.content,
				   &opened.type, &opened.size);
	if (opened.r) {
		assert_int_equal(opened.type, 0xff);
		assert_int_equal(opened.size, SIZE_MAX);
	}
	free(copy);
	return opened;
}

static inline int open_only(struct tls_direction *rx, const uint8_t *record,
			    size_t size)
{
	struct opened opened = open_record(rx, record, size);

	free(opened.content);
	return opened.r;
}

/* Seals with tx, opens with rx: the answer to what stands inside. */
static inline int pass(struct tls_direction *tx, struct tls_direction *rx,
		       int type, const void *content, size_t size)
{
	size_t sealed;
	uint8_t *record = seal(tx, type, content, size, &sealed);
	int r = open_only(rx, record, sealed);

	free(record);
	return r;
}

static inline void assert_passes(struct tls_direction *tx,
				 struct tls_direction *rx, int type,
				 const void *content, size_t size)
{
	size_t sealed;
	uint8_t *record = seal(tx, type, content, size, &sealed);
	struct opened opened;

	assert_int_equal(tls_record_size(rx, record, sealed), sealed);
	assert_int_equal(tls_record_size(rx, record, TLS_RECORD_HEADER),
			 sealed);
	opened = open_record(rx, record, sealed);
	assert_int_equal(opened.r, 0);
	assert_int_equal(opened.type, type);
	assert_int_equal(opened.size, size);
	assert_memory_equal(opened.content, content, size);
	free(opened.content);
	free(record);
}

static inline int aead_setup(void **state)
{
	(void)state;
	aead = tls_aead_new();
	return aead ? 0 : -1;
}

static inline int aead_teardown(void **state)
{
	(void)state;
	tls_aead_free(aead);
	tls_aead_free(NULL);
	return 0;
}

#endif
