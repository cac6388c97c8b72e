/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "tls/schedule.h"
#include "tls/x25519.h"

#define NAME "millrace"
#define PROPERTIES "provider=" NAME ",millrace.own=yes"

static pthread_once_t offering = PTHREAD_ONCE_INIT;
static bool offered;

static const OSSL_ALGORITHM kdfs[] = {
	{SCHEDULE_NAME, PROPERTIES, schedule_kdf, NULL},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM keys[] = {
	{X25519_NAME, PROPERTIES, x25519_keys, NULL},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM exchanges[] = {
	{X25519_NAME, PROPERTIES, x25519_exchange, NULL},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KDF:
		return kdfs;
	case OSSL_OP_KEYMGMT:
		return keys;
	case OSSL_OP_KEYEXCH:
		return exchanges;
	default:
		return NULL;
	}
}

/* A group is used only if the provider that tells of it has its keys too. */
static int capabilities(void *provider, const char *name, OSSL_CALLBACK *tell,
			void *to)
{
	(void)provider;
	if (strcmp(name, "TLS-GROUP") != 0)
		return 0;
	return tell(x25519_group, to);
}

static const OSSL_DISPATCH functions[] = {
	{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
	{OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},
	{0, NULL},
};

static int init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
		const OSSL_DISPATCH **ret_functions, void **ret_provider)
{
	(void)in;
	*ret_functions = functions;
	*ret_provider = (void *)(uintptr_t)core;
	return 1;
}

/* Whoever asks without our properties gets what is known first: OpenSSL's own,
 * which can do more with a key. */
static void know_default(void)
{
	EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(NULL, X25519_NAME, NULL));
	EVP_KEYEXCH_free(EVP_KEYEXCH_fetch(NULL, X25519_NAME, NULL));
}

static void offer(void)
{
	/* For as long as the process lives. */
	static OSSL_PROVIDER *loaded;
	EVP_KDF *found = NULL;

	know_default();
	/* Those that are loaded of themselves stay. */
	if (x25519_init() && OSSL_PROVIDER_add_builtin(NULL, NAME, init) == 1)
		loaded = OSSL_PROVIDER_try_load(NULL, NAME, 1);
	if (loaded)
		found = EVP_KDF_fetch(NULL, SCHEDULE_NAME, PROVIDER_PROPERTIES);
	offered = found &&
		  strcmp(OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(found)),
			 NAME) == 0;
	EVP_KDF_free(found);
}

bool provider_offer(void)
{
	pthread_once(&offering, offer);
	return offered;
}
