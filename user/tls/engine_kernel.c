/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls/engine_kernel.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/socket.h>

#include "tls/engine_user.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* linux/tls.h of 6.18 */
#define TX_MAX_PAYLOAD_LEN 5

_Static_assert(TLS_VERSION_12 == TLS_1_2_VERSION, "linux/tls.h");
_Static_assert(TLS_VERSION_13 == TLS_1_3_VERSION, "linux/tls.h");

union crypto_info {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha20;
};

/* Room for one record type. */
union control {
	char bytes[CMSG_SPACE(sizeof(uint8_t))];
	struct cmsghdr align;
};

int engine_kernel_attach(int fd)
{
	static const char name[] = "tls";

	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, name, sizeof(name)) != 0
		       ? -errno
		       : 0;
}

static void store64(uint8_t *out, uint64_t value)
{
	for (int i = 7; i >= 0; i--) {
		out[i] = (uint8_t)value;
		value >>= 8;
	}
}

/* The kernel takes GCM's 12 bytes of nonce as salt and iv, whatever the
 * version; TLS 1.2's iv is the explicit nonce it goes on with. */
static void fill_gcm(const struct tls_direction *direction, uint8_t salt[4],
		     uint8_t iv[8])
{
	memcpy(salt, direction->iv, 4);
	if (direction->version == TLS_VERSION_13)
		memcpy(iv, direction->iv + 4, 8);
	else
		store64(iv, direction->nonce);
}

static socklen_t size_of(uint16_t cipher_type)
{
	switch (cipher_type) {
	case TLS_CIPHER_AES_GCM_128:
		return sizeof(struct tls12_crypto_info_aes_gcm_128);
	case TLS_CIPHER_AES_GCM_256:
		return sizeof(struct tls12_crypto_info_aes_gcm_256);
	default:
		return sizeof(struct tls12_crypto_info_chacha20_poly1305);
	}
}

static socklen_t fill(const struct tls_direction *direction,
		      union crypto_info *crypto)
{
	memset(crypto, 0, sizeof(*crypto));
	crypto->info.version = direction->version;
	switch (direction->cipher) {
	case TLS_CIPHER_AES128_GCM:
		crypto->info.cipher_type = TLS_CIPHER_AES_GCM_128;
		memcpy(crypto->aes128.key, direction->key, 16);
		fill_gcm(direction, crypto->aes128.salt, crypto->aes128.iv);
		store64(crypto->aes128.rec_seq, direction->sequence);
		break;
	case TLS_CIPHER_AES256_GCM:
		crypto->info.cipher_type = TLS_CIPHER_AES_GCM_256;
		memcpy(crypto->aes256.key, direction->key, 32);
		fill_gcm(direction, crypto->aes256.salt, crypto->aes256.iv);
		store64(crypto->aes256.rec_seq, direction->sequence);
		break;
	default:
		crypto->info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
		memcpy(crypto->chacha20.key, direction->key, 32);
		memcpy(crypto->chacha20.iv, direction->iv, 12);
		store64(crypto->chacha20.rec_seq, direction->sequence);
	}
	return size_of(crypto->info.cipher_type);
}

int engine_kernel_install(int fd, enum engine_kernel_side side,
			  const struct tls_direction *direction)
{
	union crypto_info crypto;
	socklen_t size = fill(direction, &crypto);
	int r = 0;

	if (setsockopt(fd, SOL_TLS, side == ENGINE_KERNEL_TX ? TLS_TX : TLS_RX,
		       &crypto, size) != 0)
		r = -errno;
	OPENSSL_cleanse(&crypto, sizeof(crypto));
	return r;
}

int engine_kernel_go_on(int fd)
{
	union crypto_info crypto;
	socklen_t size = sizeof(crypto.info);
	int r = 0;

	/* The cipher tells how much there is to be had. */
	if (getsockopt(fd, SOL_TLS, TLS_RX, &crypto, &size) != 0)
		return -errno;
	size = size_of(crypto.info.cipher_type);
	if (getsockopt(fd, SOL_TLS, TLS_RX, &crypto, &size) != 0 ||
	    setsockopt(fd, SOL_TLS, TLS_RX, &crypto, size) != 0)
		r = -errno;
	OPENSSL_cleanse(&crypto, sizeof(crypto));
	return r;
}

int engine_kernel_limit(int fd, uint16_t content_max)
{
	return setsockopt(fd, SOL_TLS, TX_MAX_PAYLOAD_LEN, &content_max,
			  sizeof(content_max)) != 0
		       ? -errno
		       : 0;
}

/* *ret_typed: a record was there, and *ret_type is its type. */
static ssize_t receive(int fd, void *bytes, size_t size, int flags,
		       bool *ret_typed, uint8_t *ret_type)
{
	union control control;
	struct iovec iov = {.iov_base = bytes, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | flags);
	const struct cmsghdr *cmsg;

	if (n < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&message);
	*ret_typed = cmsg && cmsg->cmsg_level == SOL_TLS &&
		     cmsg->cmsg_type == TLS_GET_RECORD_TYPE;
	*ret_type = *ret_typed ? *CMSG_DATA(cmsg) : TLS_RECORD_DATA;
	return n;
}

ssize_t engine_kernel_receive(int fd, void *bytes, size_t size,
			      uint8_t *ret_type)
{
	bool typed;

	return receive(fd, bytes, size, 0, &typed, ret_type);
}

bool engine_kernel_ended(int fd)
{
	bool typed = false;
	uint8_t byte, type;

	return receive(fd, &byte, 1, MSG_PEEK, &typed, &type) == 0 && !typed;
}

int engine_kernel_send(int fd, uint8_t type, const void *content, size_t size)
{
	union control control = {.bytes = {0}};
	/* sendmsg() does not write to it. */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)content,
			    .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
	ssize_t n;

	cmsg->cmsg_level = SOL_TLS;
	cmsg->cmsg_type = TLS_SET_RECORD_TYPE;
	cmsg->cmsg_len = CMSG_LEN(sizeof(type));
	*CMSG_DATA(cmsg) = type;
	n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	/* A record goes whole or not at all. */
	return (size_t)n == size ? 0 : -EIO;
}
