/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/gcm.h"

#ifdef __x86_64__

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

#define VECTOR_AES \
	(IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ)
#define VECTOR_ALIGNMENT 64 /* of a 512-bit load that must not fault */

struct functions {
	aes_gcm_pre_t set;
	aes_gcm_init_t begin;
	aes_gcm_enc_dec_update_t seal, open;
	aes_gcm_enc_dec_finalize_t end_seal, end_open;
};

struct gcm_key {
	struct gcm_key_data expanded;
	struct gcm_context_data context;
	const struct functions *does;
};

static pthread_once_t chosen = PTHREAD_ONCE_INIT;
static struct functions by_size[2]; /* 128, 256 */
static const char *instructions;

/* The manager is 200 KB, for queues that are not used here: what is wanted of
 * it is which functions suit this processor. */
static void choose(void)
{
	IMB_MGR *manager = alloc_mb_mgr(0);

	if (!manager)
		return;
	init_mb_mgr_auto(manager, NULL);
	if ((manager->features & IMB_CPUFLAGS_AVX2) == IMB_CPUFLAGS_AVX2) {
		by_size[0] = (struct functions){
			.set = manager->gcm128_pre,
			.begin = manager->gcm128_init,
			.seal = manager->gcm128_enc_update,
			.open = manager->gcm128_dec_update,
			.end_seal = manager->gcm128_enc_finalize,
			.end_open = manager->gcm128_dec_finalize,
		};
		by_size[1] = (struct functions){
			.set = manager->gcm256_pre,
			.begin = manager->gcm256_init,
			.seal = manager->gcm256_enc_update,
			.open = manager->gcm256_dec_update,
			.end_seal = manager->gcm256_enc_finalize,
			.end_open = manager->gcm256_dec_finalize,
		};
		instructions = (manager->features & VECTOR_AES) == VECTOR_AES
				       ? "VAES"
				       : "AES-NI";
	}
	free_mb_mgr(manager);
}

const char *gcm_instructions(void)
{
	pthread_once(&chosen, choose);
	return instructions;
}

struct gcm_key *gcm_key_new(bool aes256)
{
	size_t size = (sizeof(struct gcm_key) + VECTOR_ALIGNMENT - 1) /
		      VECTOR_ALIGNMENT * VECTOR_ALIGNMENT;
	struct gcm_key *gcm;

	if (!gcm_instructions())
		return NULL;
	gcm = aligned_alloc(VECTOR_ALIGNMENT, size);
	if (gcm)
		gcm->does = &by_size[aes256];
	return gcm;
}

void gcm_key_set(struct gcm_key *gcm, const uint8_t *key)
{
	gcm->does->set(key, &gcm->expanded);
}

void gcm_key_wipe(struct gcm_key *gcm)
{
	OPENSSL_cleanse(&gcm->expanded, sizeof(gcm->expanded));
	OPENSSL_cleanse(&gcm->context, sizeof(gcm->context));
}

void gcm_key_free(struct gcm_key *gcm)
{
	if (!gcm)
		return;
	gcm_key_wipe(gcm);
	free(gcm);
}

void gcm_seal(struct gcm_key *gcm, const uint8_t nonce[12], const uint8_t *aad,
	      size_t aad_size, const uint8_t *content, size_t size,
	      const uint8_t *following, size_t following_size, uint8_t *out)
{
	const struct functions *does = gcm->does;

	does->begin(&gcm->expanded, &gcm->context, nonce, aad, aad_size);
	if (size)
		does->seal(&gcm->expanded, &gcm->context, out, content, size);
	out += size;
	if (following_size)
		does->seal(&gcm->expanded, &gcm->context, out, following,
			   following_size);
	out += following_size;
	does->end_seal(&gcm->expanded, &gcm->context, out, GCM_TAG_SIZE);
}

bool gcm_open(struct gcm_key *gcm, const uint8_t nonce[12], const uint8_t *aad,
	      size_t aad_size, const uint8_t *in, size_t size,
	      const uint8_t tag[GCM_TAG_SIZE], uint8_t *out)
{
	const struct functions *does = gcm->does;
	uint8_t computed[GCM_TAG_SIZE];

	does->begin(&gcm->expanded, &gcm->context, nonce, aad, aad_size);
	if (size)
		does->open(&gcm->expanded, &gcm->context, out, in, size);
	does->end_open(&gcm->expanded, &gcm->context, computed, GCM_TAG_SIZE);
	return CRYPTO_memcmp(computed, tag, GCM_TAG_SIZE) == 0;
}

#else

const char *gcm_instructions(void)
{
	return NULL;
}

struct gcm_key *gcm_key_new(bool aes256)
{
	(void)aes256;
	return NULL;
}

/* There is no key that the others could be called with. */
void gcm_key_set(struct gcm_key *gcm, const uint8_t *key)
{
	(void)gcm, (void)key;
}

void gcm_key_wipe(struct gcm_key *gcm)
{
	(void)gcm;
}

void gcm_key_free(struct gcm_key *gcm)
{
	(void)gcm;
}

void gcm_seal(struct gcm_key *gcm, const uint8_t nonce[12], const uint8_t *aad,
	      size_t aad_size, const uint8_t *content, size_t size,
	      const uint8_t *following, size_t following_size, uint8_t *out)
{
	(void)gcm, (void)nonce, (void)aad, (void)aad_size, (void)content;
	(void)size, (void)following, (void)following_size, (void)out;
}

bool gcm_open(struct gcm_key *gcm, const uint8_t nonce[12], const uint8_t *aad,
	      size_t aad_size, const uint8_t *in, size_t size,
	      const uint8_t tag[GCM_TAG_SIZE], uint8_t *out)
{
	(void)gcm, (void)nonce, (void)aad, (void)aad_size, (void)in;
	(void)size, (void)tag, (void)out;
	return false;
}

#endif
