/* SPDX-License-Identifier: BSD-2-Clause */
/* What encrypting costs, whoever does it. */
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "load/load.h"
#include "load/loop.h"

#define RECORD 16384

double crypto_rate(uint64_t count)
{
	static uint8_t in[RECORD], out[RECORD];
	uint8_t key[16] = {1}, nonce[12] = {2}, tag[16];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct timespec begun, ended;
	bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key,
					    nonce) == 1;
	int size;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
	for (uint64_t i = 0; ok && i < count; i++) {
		memcpy(nonce, &i, sizeof(i));
		ok = EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1 &&
		     EVP_EncryptUpdate(ctx, out, &size, in, RECORD) == 1 &&
		     EVP_EncryptFinal_ex(ctx, tag, &size) == 1 &&
		     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
					 sizeof(tag), tag) == 1;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		loop_die("AES-128-GCM failed in OpenSSL");
	return (double)count * RECORD /
	       ((double)(ended.tv_sec - begun.tv_sec) +
		(double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
}
