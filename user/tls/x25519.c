/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/x25519.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/prov_ssl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIZE crypto_scalarmult_curve25519_BYTES
#define BITS 253
#define SECURITY_BITS 128
#define TLS_ID 0x001d /* RFC 8446 section 4.2.7 */
#define FUNCTION(name) ((void (*)(void))(name))

struct key {
	bool has_public;
	bool has_private;
	uint8_t public[SIZE];
	uint8_t private[SIZE];
};

bool x25519_init(void)
{
	return sodium_init() >= 0;
}

/* ---- keys */

static void *key_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct key));
}

static void key_free(void *data)
{
	struct key *key = data;

	if (!key)
		return;
	OPENSSL_cleanse(key->private, sizeof(key->private));
	free(key);
}

static int key_has(const void *data, int selection)
{
	const struct key *key = data;

	return key &&
	       (!(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) ||
		key->has_public) &&
	       (!(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) ||
		key->has_private);
}

/* All keys have the same parameters, so that of these there is none to copy
 * or to compare. */
static void *key_copy(const void *data, int selection)
{
	const struct key *from = data;
	struct key *key = key_new(NULL);

	if (!key)
		return NULL;
	if (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) {
		key->has_public = from->has_public;
		memcpy(key->public, from->public, SIZE);
	}
	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) {
		key->has_private = from->has_private;
		memcpy(key->private, from->private, SIZE);
	}
	return key;
}

static int key_match(const void *one, const void *other, int selection)
{
	const struct key *a = one, *b = other;

	return !(selection & OSSL_KEYMGMT_SELECT_KEYPAIR) ||
	       (a->has_public && b->has_public &&
		memcmp(a->public, b->public, SIZE) == 0);
}

static int set_number(OSSL_PARAM params[], const char *name, int value)
{
	OSSL_PARAM *param = OSSL_PARAM_locate(params, name);

	return !param || OSSL_PARAM_set_int(param, value);
}

static int key_get(void *data, OSSL_PARAM params[])
{
	const struct key *key = data;
	OSSL_PARAM *encoded =
		OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);

	if (encoded &&
	    (!key->has_public ||
	     !OSSL_PARAM_set_octet_string(encoded, key->public, SIZE)))
		return 0;
	return set_number(params, OSSL_PKEY_PARAM_BITS, BITS) &&
	       set_number(params, OSSL_PKEY_PARAM_SECURITY_BITS,
			  SECURITY_BITS) &&
	       set_number(params, OSSL_PKEY_PARAM_MAX_SIZE, SIZE);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM names[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
					NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return names;
}

/* The peer's share: any 32 bytes are one (RFC 7748 section 5). */
static int key_set(void *data, const OSSL_PARAM params[])
{
	struct key *key = data;
	const OSSL_PARAM *encoded = OSSL_PARAM_locate_const(
		params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);

	if (!encoded)
		return 1;
	if (encoded->data_type != OSSL_PARAM_OCTET_STRING ||
	    encoded->data_size != SIZE)
		return 0;
	memcpy(key->public, encoded->data, SIZE);
	key->has_public = true;
	OPENSSL_cleanse(key->private, sizeof(key->private));
	key->has_private = false;
	return 1;
}

static const OSSL_PARAM *key_settable(void *provider)
{
	static const OSSL_PARAM names[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
					NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return names;
}

/* ---- their generation */

struct generation {
	int selection;
};

static int generation_set(void *data, const OSSL_PARAM params[])
{
	const OSSL_PARAM *group =
		OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);

	(void)data;
	return !group || (group->data_type == OSSL_PARAM_UTF8_STRING &&
			  strcasecmp(group->data, X25519_NAME) == 0);
}

static const OSSL_PARAM *generation_settable(void *data, void *provider)
{
	static const OSSL_PARAM names[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)data;
	(void)provider;
	return names;
}

static void *generation_new(void *provider, int selection,
			    const OSSL_PARAM params[])
{
	struct generation *generation = calloc(1, sizeof(*generation));

	(void)provider;
	if (!generation)
		return NULL;
	generation->selection = selection;
	if (generation_set(generation, params))
		return generation;
	free(generation);
	return NULL;
}

/* Where parameters alone are asked for, a key that waits for its peer's. */
static void *generate(void *data, OSSL_CALLBACK *progress, void *told)
{
	const struct generation *generation = data;
	struct key *key = key_new(NULL);

	(void)progress;
	(void)told;
	if (!key || !(generation->selection & OSSL_KEYMGMT_SELECT_KEYPAIR))
		return key;
	randombytes_buf(key->private, SIZE);
	if (crypto_scalarmult_curve25519_base(key->public, key->private) != 0) {
		key_free(key);
		return NULL;
	}
	key->has_public = key->has_private = true;
	return key;
}

const OSSL_DISPATCH x25519_keys[] = {
	{OSSL_FUNC_KEYMGMT_NEW, FUNCTION(key_new)},
	{OSSL_FUNC_KEYMGMT_FREE, FUNCTION(key_free)},
	{OSSL_FUNC_KEYMGMT_HAS, FUNCTION(key_has)},
	{OSSL_FUNC_KEYMGMT_DUP, FUNCTION(key_copy)},
	{OSSL_FUNC_KEYMGMT_MATCH, FUNCTION(key_match)},
	{OSSL_FUNC_KEYMGMT_GET_PARAMS, FUNCTION(key_get)},
	{OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, FUNCTION(key_gettable)},
	{OSSL_FUNC_KEYMGMT_SET_PARAMS, FUNCTION(key_set)},
	{OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, FUNCTION(key_settable)},
	{OSSL_FUNC_KEYMGMT_GEN_INIT, FUNCTION(generation_new)},
	{OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS, FUNCTION(generation_set)},
	{OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, FUNCTION(generation_settable)},
	{OSSL_FUNC_KEYMGMT_GEN, FUNCTION(generate)},
	{OSSL_FUNC_KEYMGMT_GEN_CLEANUP, FUNCTION(free)},
	{0, NULL},
};

/* ---- the exchange */

/* It is a key too, whose private part is ours and whose public one is the
 * peer's. Copies: either may be freed before what is done with it. */
static int exchange_own(void *data, void *own, const OSSL_PARAM params[])
{
	struct key *exchange = data;
	const struct key *key = own;

	(void)params;
	if (!key || !key->has_private)
		return 0;
	memcpy(exchange->private, key->private, SIZE);
	exchange->has_private = true;
	return 1;
}

static int exchange_peer(void *data, void *peer)
{
	struct key *exchange = data;
	const struct key *key = peer;

	if (!key || !key->has_public)
		return 0;
	memcpy(exchange->public, key->public, SIZE);
	exchange->has_public = true;
	return 1;
}

/* A secret of zeros alone is refused, as it has to be. */
static int derive(void *data, unsigned char *secret, size_t *ret_size,
		  size_t room)
{
	const struct key *exchange = data;

	if (!exchange->has_private || !exchange->has_public)
		return 0;
	if (secret && (room < SIZE ||
		       crypto_scalarmult_curve25519(secret, exchange->private,
						    exchange->public) != 0))
		return 0;
	*ret_size = SIZE;
	return 1;
}

const OSSL_DISPATCH x25519_exchange[] = {
	{OSSL_FUNC_KEYEXCH_NEWCTX, FUNCTION(key_new)},
	{OSSL_FUNC_KEYEXCH_FREECTX, FUNCTION(key_free)},
	{OSSL_FUNC_KEYEXCH_INIT, FUNCTION(exchange_own)},
	{OSSL_FUNC_KEYEXCH_SET_PEER, FUNCTION(exchange_peer)},
	{OSSL_FUNC_KEYEXCH_DERIVE, FUNCTION(derive)},
	{0, NULL},
};

/* ---- the group */

static unsigned int group_id = TLS_ID, group_bits = SECURITY_BITS;
static int oldest = TLS1_VERSION, newest, none = -1;
static char group_name[] = "x25519", algorithm[] = X25519_NAME;

const OSSL_PARAM x25519_group[] = {
	OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME, group_name,
			       sizeof(group_name)),
	OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_NAME_INTERNAL,
			       algorithm, sizeof(algorithm)),
	OSSL_PARAM_utf8_string(OSSL_CAPABILITY_TLS_GROUP_ALG, algorithm,
			       sizeof(algorithm)),
	OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_ID, &group_id),
	OSSL_PARAM_uint(OSSL_CAPABILITY_TLS_GROUP_SECURITY_BITS, &group_bits),
	OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_TLS, &oldest),
	OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_TLS, &newest),
	OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MIN_DTLS, &none),
	OSSL_PARAM_int(OSSL_CAPABILITY_TLS_GROUP_MAX_DTLS, &none),
	OSSL_PARAM_END,
};
