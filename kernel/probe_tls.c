/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TLS_RX_EXPECT_NO_PAD
#define TLS_RX_EXPECT_NO_PAD 4
#endif
/* linux/tls.h of 6.18 */
#define TX_MAX_PAYLOAD_LEN 5
#define WAIT_MS 200
#define PATIENCE_MS 50
#define RECORD_DATA 23

/* Two ends of one connection on loopback. */
struct pair {
	int client;
	int server;
};

union crypto {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha20;
};

static const struct {
	uint16_t type;
	socklen_t size;
} ciphers[] = {
	{TLS_CIPHER_AES_GCM_128, sizeof(struct tls12_crypto_info_aes_gcm_128)},
	{TLS_CIPHER_AES_GCM_256, sizeof(struct tls12_crypto_info_aes_gcm_256)},
	{TLS_CIPHER_CHACHA20_POLY1305,
	 sizeof(struct tls12_crypto_info_chacha20_poly1305)},
};

static void set_timeouts(int fd)
{
	struct timeval wait = {.tv_usec = WAIT_MS * 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static int pair_open(struct pair *ret)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	*ret = (struct pair){-1, -1};
	if (listener < 0)
		return -errno;
	ret->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret->client >= 0 &&
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&addr, &size) == 0 &&
	    connect(ret->client, (struct sockaddr *)&addr, size) == 0)
		ret->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	error = errno;
	close(listener);
	if (ret->server < 0) {
		if (ret->client >= 0)
			close(ret->client);
		return -error;
	}
	set_timeouts(ret->client);
	set_timeouts(ret->server);
	return 0;
}

static void pair_close(const struct pair *pair)
{
	close(pair->client);
	close(pair->server);
}

static int attach(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0
		       ? 0
		       : -errno;
}

/* Keys of all zeros do: nothing secret crosses. */
static int install(int fd, int direction, uint16_t version, size_t cipher)
{
	union crypto crypto;

	memset(&crypto, 0, sizeof(crypto));
	crypto.info.version = version;
	crypto.info.cipher_type = ciphers[cipher].type;
	return setsockopt(fd, SOL_TLS, direction, &crypto,
			  ciphers[cipher].size) == 0
		       ? 0
		       : -errno;
}

/* A pair whose client sends, and whose server receives, by the kernel. */
static int pair_open_tls(struct pair *ret)
{
	int r = pair_open(ret);

	if (r)
		return r;
	r = attach(ret->client);
	if (!r)
		r = attach(ret->server);
	if (!r)
		r = install(ret->client, TLS_TX, TLS_1_3_VERSION, 0);
	if (!r)
		r = install(ret->server, TLS_RX, TLS_1_3_VERSION, 0);
	if (r)
		pair_close(ret);
	return r;
}

static int try_ulp(void)
{
	struct pair pair;
	int r = pair_open(&pair);

	if (r)
		return r;
	r = attach(pair.client);
	pair_close(&pair);
	return r;
}

static int try_cipher(int direction, uint16_t version, size_t cipher)
{
	struct pair pair;
	int r = pair_open(&pair);

	if (r)
		return r;
	r = attach(pair.client);
	if (!r)
		r = install(pair.client, direction, version, cipher);
	pair_close(&pair);
	return r;
}

static int try_rekey(int direction)
{
	struct pair pair;
	int r = pair_open_tls(&pair);

	if (r)
		return r;
	r = install(direction == TLS_TX ? pair.client : pair.server, direction,
		    TLS_1_3_VERSION, 0);
	pair_close(&pair);
	return r;
}

static int try_payload_max(void)
{
	uint16_t size = 512;
	struct pair pair;
	int r = pair_open_tls(&pair);

	if (r)
		return r;
	if (setsockopt(pair.client, SOL_TLS, TX_MAX_PAYLOAD_LEN, &size,
		       sizeof(size)) != 0)
		r = -errno;
	pair_close(&pair);
	return r;
}

/* One record of inner type 0: the kernel adds the zero that makes the content's
 * own end the type and the padding. */
static int send_padded(int fd, const uint8_t *bytes, size_t size)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(1)];
	} control;
	struct iovec part = {.iov_len = size};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(1),
	};

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_TLS;
	control.header.cmsg_type = TLS_SET_RECORD_TYPE;
	control.header.cmsg_len = CMSG_LEN(1);
	memcpy(&part.iov_base, &bytes, sizeof(bytes));
	return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)size ? 0
								    : -errno;
}

/* With the option the kernel decrypts into the reader's buffer, and where the
 * record turns out to be padded it does so again. Some then forget to go back,
 * and the reader gets bytes that nobody sent, at places where none belong. */
static int read_padded(const struct pair *pair)
{
	uint8_t padded[200] = {0}, want[200], got[1000] = {0};
	size_t size = 0;
	int r;

	memset(want, 'p', 100);
	memset(want + 100, 'n', 100);
	memcpy(padded, want, 100);
	padded[100] = RECORD_DATA;
	r = send_padded(pair->client, padded, sizeof(padded));
	if (r)
		return r;
	if (send(pair->client, want + 100, 100, MSG_NOSIGNAL) != 100)
		return -errno;
	while (size < sizeof(want)) {
		ssize_t n =
			recv(pair->server, got + size, sizeof(got) - size, 0);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		size += (size_t)n;
	}
	return size == sizeof(want) && memcmp(want, got, size) == 0 ? 0
								    : -EFAULT;
}

static int try_no_pad(void)
{
	unsigned int one = 1;
	struct pair pair;
	int r = pair_open_tls(&pair);

	if (r)
		return r;
	if (setsockopt(pair.server, SOL_TLS, TLS_RX_EXPECT_NO_PAD, &one,
		       sizeof(one)) != 0)
		r = -errno;
	else
		r = read_padded(&pair);
	pair_close(&pair);
	return r;
}

/* What is on its way arrives within a moment; what is lost never does. */
static ssize_t splice_patiently(int socket, int in, size_t size)
{
	for (int wait_ms = PATIENCE_MS;; wait_ms--) {
		ssize_t n =
			splice(socket, NULL, in, NULL, size, SPLICE_F_NONBLOCK);

		if (n > 0)
			return n;
		if (n == 0)
			return -EIO;
		if (errno != EAGAIN)
			return -errno;
		if (!wait_ms)
			return -ENODATA;
		poll(NULL, 0, 1);
	}
}

/* One page fits into the pipe, the record holds four: what did not fit must
 * still be there. The kernels that lose it here also have the fault that makes
 * splice in the other direction end in an Oops, which is why that one is never
 * tried: this answer stands for both. */
static int splice_all(const struct pair *pair, int in, int out)
{
	uint8_t data[16384], back[16384];
	size_t got = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	if (send(pair->client, data, sizeof(data), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(data))
		return -errno;
	while (got < sizeof(data)) {
		ssize_t n =
			splice_patiently(pair->server, in, sizeof(data) - got);

		if (n < 0)
			return (int)n;
		n = read(out, back + got, (size_t)n);
		if (n <= 0)
			return -EIO;
		got += (size_t)n;
	}
	return memcmp(data, back, sizeof(data)) == 0 ? 0 : -EIO;
}

static int try_splice(void)
{
	struct pair pair;
	int pipes[2];
	int r = pair_open_tls(&pair);

	if (r)
		return r;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0) {
		r = -errno;
	} else {
		if (fcntl(pipes[1], F_SETPIPE_SZ, 4096) < 0)
			r = -errno;
		if (!r)
			r = splice_all(&pair, pipes[1], pipes[0]);
		close(pipes[0]);
		close(pipes[1]);
	}
	pair_close(&pair);
	return r;
}

void probe_tls(struct probe *probe)
{
	int r = try_ulp();

	probe_note(probe, PROBE_ULP, r);
	if (r)
		return;
	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		enum probe_id tx12 = PROBE_TX12_AES128 + 2 * (unsigned int)i;
		enum probe_id tx13 = PROBE_TX13_AES128 + 2 * (unsigned int)i;

		probe_note(probe, tx12, try_cipher(TLS_TX, TLS_1_2_VERSION, i));
		probe_note(probe, tx12 + 1,
			   try_cipher(TLS_RX, TLS_1_2_VERSION, i));
		probe_note(probe, tx13, try_cipher(TLS_TX, TLS_1_3_VERSION, i));
		probe_note(probe, tx13 + 1,
			   try_cipher(TLS_RX, TLS_1_3_VERSION, i));
	}
	probe_note(probe, PROBE_REKEY_TX, try_rekey(TLS_TX));
	probe_note(probe, PROBE_REKEY_RX, try_rekey(TLS_RX));
	probe_note(probe, PROBE_PAYLOAD_MAX, try_payload_max());
	probe_note(probe, PROBE_NO_PAD, try_no_pad());
	probe_note(probe, PROBE_SPLICE, try_splice());
}
