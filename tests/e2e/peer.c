/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer: a TLS peer that does what neither Python's ssl module nor the openssl
 * command can: it sends KeyUpdates at given places, half-closes, and tells
 * what it received, as one line of key=value pairs.
 *
 * peer client host= port= ca= name= [settings]
 * peer server chain= key= [settings]; its first line is port=N; one connection
 *
 * size=N      bytes to send                     seed=N  what they are
 * update=N    a KeyUpdate after every N bytes   request=1  asks for one back
 * expect=N    end after N bytes or the peer     hold=1  end after the peer
 * version=    12 or 13                          ciphers= suites=
 * fragment=N  max_fragment_length as a client: 1 (512) to 4 (4096)
 * renegotiate=1  TLS 1.2: asks for a new handshake once all is sent
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 32768

static struct {
	const char *host, *port, *ca, *name, *chain, *key;
	const char *version, *ciphers, *suites;
	uint64_t size, seed, update, expect;
	int request, hold, fragment, renegotiate;
	bool server;
} set = {.host = "127.0.0.1"};

struct stream {
	SSL *ssl;
	int fd;
	EVP_MD_CTX *sent_hash, *received_hash;
	uint64_t sent, received, random;
	uint64_t updates_sent, updates_received, updates_due;
	uint8_t piece[PIECE];
	size_t piece_at, piece_end;
	bool notified;	 /* our close_notify is out */
	const char *end; /* how the peer's half ended */
	bool dead;	 /* nothing passes any more */
	bool asked;	 /* for a new handshake */
	bool want_write;
};

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void read_setting(const char *pair)
{
	const char *value = strchr(pair, '=');
	size_t size = value ? (size_t)(value - pair) : 0;
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
		int *flag;
	} settings[] = {
		{"host", &set.host, NULL, NULL},
		{"port", &set.port, NULL, NULL},
		{"ca", &set.ca, NULL, NULL},
		{"name", &set.name, NULL, NULL},
		{"chain", &set.chain, NULL, NULL},
		{"key", &set.key, NULL, NULL},
		{"version", &set.version, NULL, NULL},
		{"ciphers", &set.ciphers, NULL, NULL},
		{"suites", &set.suites, NULL, NULL},
		{"size", NULL, &set.size, NULL},
		{"seed", NULL, &set.seed, NULL},
		{"update", NULL, &set.update, NULL},
		{"expect", NULL, &set.expect, NULL},
		{"request", NULL, NULL, &set.request},
		{"hold", NULL, NULL, &set.hold},
		{"fragment", NULL, NULL, &set.fragment},
		{"renegotiate", NULL, NULL, &set.renegotiate},
	};

	for (size_t i = 0; value && i < sizeof(settings) / sizeof(*settings);
	     i++) {
		if (strlen(settings[i].name) != size ||
		    strncmp(settings[i].name, pair, size) != 0)
			continue;
		if (settings[i].text)
			*settings[i].text = value + 1;
		else if (settings[i].number)
			*settings[i].number = strtoull(value + 1, NULL, 10);
		else
			*settings[i].flag = atoi(value + 1);
		return;
	}
	die("unknown setting: %s", pair);
}

/* ---- the connection */

static int connect_out(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (!set.port || inet_pton(AF_INET, set.host, &to.sin_addr) != 1)
		die("host and port are needed");
	to.sin_port = htons((uint16_t)atoi(set.port));
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connect: %s", strerror(errno));
	return fd;
}

static int accept_one(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int fd, listener = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listener, 16) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &size) != 0)
		die("listen: %s", strerror(errno));
	printf("port=%d\n", ntohs(at.sin_port));
	fflush(stdout);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		die("accept: %s", strerror(errno));
	close(listener);
	return fd;
}

static SSL_CTX *context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(set.server ? TLS_server_method()
					      : TLS_client_method());
	bool ok = ctx != NULL;

	if (ok && set.version) {
		int version = strcmp(set.version, "12") == 0 ? TLS1_2_VERSION
							     : TLS1_3_VERSION;

		ok = SSL_CTX_set_min_proto_version(ctx, version) &&
		     SSL_CTX_set_max_proto_version(ctx, version);
	}
	if (ok && set.ciphers)
		ok = SSL_CTX_set_cipher_list(ctx, set.ciphers);
	if (ok && set.suites)
		ok = SSL_CTX_set_ciphersuites(ctx, set.suites);
	if (ok && set.server)
		ok = SSL_CTX_use_certificate_chain_file(ctx, set.chain) &&
		     SSL_CTX_use_PrivateKey_file(ctx, set.key,
						 SSL_FILETYPE_PEM);
	if (ok && !set.server)
		ok = SSL_CTX_load_verify_file(ctx, set.ca);
	if (ok && set.fragment)
		ok = SSL_CTX_set_tlsext_max_fragment_length(
			ctx, (uint8_t)set.fragment);
	if (!ok)
		die("the settings cannot be had");
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!set.server)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

static void message(int sending, int version, int type, const void *bytes,
		    size_t size, SSL *ssl, void *data)
{
	struct stream *stream = data;

	(void)version;
	(void)ssl;
	if (type != SSL3_RT_HANDSHAKE || !size ||
	    *(const uint8_t *)bytes != SSL3_MT_KEY_UPDATE)
		return;
	if (sending)
		stream->updates_sent++;
	else
		stream->updates_received++;
}

/* ---- the data */

static void fill(struct stream *stream)
{
	uint64_t left = set.size - stream->sent;
	uint64_t until_update =
		set.update ? set.update - stream->sent % set.update : left;
	size_t size = PIECE;

	if (size > left)
		size = left;
	if (size > until_update)
		size = until_update;
	for (size_t i = 0; i < size; i += 8) {
		stream->random ^= stream->random << 13;
		stream->random ^= stream->random >> 7;
		stream->random ^= stream->random << 17;
		memcpy(stream->piece + i, &stream->random,
		       size - i < 8 ? size - i : 8);
	}
	stream->piece_at = 0;
	stream->piece_end = size;
}

/* Whether it may be tried again at once. */
static bool again(struct stream *stream, int result, const char *what)
{
	int error = SSL_get_error(stream->ssl, result);

	if (error == SSL_ERROR_WANT_WRITE) {
		stream->want_write = true;
	} else if ((error == SSL_ERROR_SYSCALL ||
		    error == SSL_ERROR_ZERO_RETURN) &&
		   (errno == ECONNRESET || errno == EPIPE)) {
		/* After a close_notify any failure is told as its. */
		stream->dead = true;
	} else if (error != SSL_ERROR_WANT_READ) {
		fprintf(stderr, "%s: ", what);
		ERR_print_errors_fp(stderr);
		stream->end = "error";
	}
	return false;
}

static bool send_some(struct stream *stream)
{
	int r;

	if (stream->piece_at == stream->piece_end)
		fill(stream);
	r = SSL_write(stream->ssl, stream->piece + stream->piece_at,
		      (int)(stream->piece_end - stream->piece_at));
	if (r <= 0)
		return again(stream, r, "write");
	EVP_DigestUpdate(stream->sent_hash, stream->piece + stream->piece_at,
			 (size_t)r);
	stream->piece_at += (size_t)r;
	stream->sent += (uint64_t)r;
	if (set.update && stream->sent % set.update == 0 &&
	    !SSL_key_update(stream->ssl,
			    set.request ? SSL_KEY_UPDATE_REQUESTED
					: SSL_KEY_UPDATE_NOT_REQUESTED))
		die("SSL_key_update");
	return true;
}

static bool renegotiate(struct stream *stream)
{
	int r;

	if (!stream->asked && !SSL_renegotiate(stream->ssl))
		die("SSL_renegotiate");
	stream->asked = true;
	r = SSL_do_handshake(stream->ssl);
	return r == 1 || again(stream, r, "renegotiate");
}

static bool notify(struct stream *stream)
{
	int r;

	/* A KeyUpdate after the last byte goes out before the end. */
	r = SSL_do_handshake(stream->ssl);
	if (r == 1)
		r = SSL_shutdown(stream->ssl);
	if (r < 0)
		return again(stream, r, "shutdown");
	stream->notified = true;
	shutdown(stream->fd, SHUT_WR);
	return true;
}

static bool receive_some(struct stream *stream)
{
	static uint8_t bytes[PIECE];
	int error, r = SSL_read(stream->ssl, bytes, sizeof(bytes));

	if (r > 0) {
		EVP_DigestUpdate(stream->received_hash, bytes, (size_t)r);
		stream->received += (uint64_t)r;
		return true;
	}
	error = SSL_get_error(stream->ssl, r);
	if (error == SSL_ERROR_ZERO_RETURN) {
		stream->end = "clean";
		return false;
	}
	if (error == SSL_ERROR_SSL &&
	    ERR_GET_REASON(ERR_peek_error()) ==
		    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		/* A failed write has taken the error that was here. */
		stream->end = stream->dead ? "reset" : "truncated";
		return false;
	}
	again(stream, r, "read");
	if (stream->dead && !stream->end)
		stream->end = "reset";
	return false;
}

static bool may_end(const struct stream *stream)
{
	return stream->sent == set.size &&
	       (stream->end || (stream->received >= set.expect && !set.hold));
}

static bool over(const struct stream *stream)
{
	return stream->end && (stream->dead || stream->notified ||
			       strcmp(stream->end, "clean") != 0);
}

static void run(struct stream *stream)
{
	while (!over(stream)) {
		struct pollfd ready = {.fd = stream->fd, .events = 0};
		bool moved = false;

		stream->want_write = false;
		if (!stream->end)
			moved = receive_some(stream);
		if (over(stream))
			return;
		if (!stream->dead && stream->sent < set.size)
			moved = send_some(stream) || moved;
		else if (!stream->dead && !stream->notified && may_end(stream))
			moved = (set.renegotiate ? renegotiate(stream)
						 : notify(stream)) ||
				moved;
		if (moved || over(stream))
			continue;
		ready.events = (short)((stream->end ? 0 : POLLIN) |
				       (stream->want_write ? POLLOUT : 0));
		if (!ready.events || poll(&ready, 1, 60000) == 0)
			die("stuck: sent %llu, received %llu",
			    (unsigned long long)stream->sent,
			    (unsigned long long)stream->received);
	}
}

/* ---- the report */

static void print_hash(const char *name, EVP_MD_CTX *hash)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int size;

	EVP_DigestFinal_ex(hash, digest, &size);
	printf("%s=", name);
	for (unsigned int i = 0; i < size; i++)
		printf("%02x", digest[i]);
	printf(" ");
}

static void report(struct stream *stream)
{
	printf("sent_bytes=%llu received_bytes=%llu ",
	       (unsigned long long)stream->sent,
	       (unsigned long long)stream->received);
	print_hash("sent", stream->sent_hash);
	print_hash("received", stream->received_hash);
	printf("end=%s updates_sent=%llu updates_received=%llu version=%s "
	       "cipher=%s\n",
	       stream->end, (unsigned long long)stream->updates_sent,
	       (unsigned long long)stream->updates_received,
	       SSL_get_version(stream->ssl), SSL_get_cipher(stream->ssl));
}

int main(int argc, char **argv)
{
	struct stream stream = {.end = NULL};
	SSL_CTX *ctx;
	int one = 1;

	if (argc < 2)
		die("usage: peer client|server [setting=value]...");
	signal(SIGPIPE, SIG_IGN);
	set.server = strcmp(argv[1], "server") == 0;
	for (int i = 2; i < argc; i++)
		read_setting(argv[i]);
	ctx = context();
	stream.random = set.seed * 2 + 1;
	stream.sent_hash = EVP_MD_CTX_new();
	stream.received_hash = EVP_MD_CTX_new();
	EVP_DigestInit_ex(stream.sent_hash, EVP_sha256(), NULL);
	EVP_DigestInit_ex(stream.received_hash, EVP_sha256(), NULL);
	stream.fd = set.server ? accept_one() : connect_out();
	setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	stream.ssl = SSL_new(ctx);
	SSL_set_fd(stream.ssl, stream.fd);
	SSL_set_msg_callback(stream.ssl, message);
	SSL_set_msg_callback_arg(stream.ssl, &stream);
	if (set.name && !set.server)
		SSL_set1_host(stream.ssl, set.name);
	if ((set.server ? SSL_accept(stream.ssl) : SSL_connect(stream.ssl)) !=
	    1)
		die("handshake");
	fcntl(stream.fd, F_SETFL, O_NONBLOCK);
	run(&stream);
	report(&stream);
	SSL_free(stream.ssl);
	SSL_CTX_free(ctx);
	close(stream.fd);
	return 0;
}
