/* SPDX-License-Identifier: BSD-2-Clause */
#include "load/link.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int secure(struct link *link, SSL_CTX *ctx)
{
	if (!ctx)
		return 0;
	link->ssl = SSL_new(ctx);
	if (!link->ssl || SSL_set_fd(link->ssl, link->fd) != 1)
		return -ENOMEM;
	if (link->is_server)
		SSL_set_accept_state(link->ssl);
	else
		SSL_set_connect_state(link->ssl);
	return 0;
}

int link_dial(struct link *link, const struct target *target)
{
	int one = 1, r;

	memset(link, 0, sizeof(*link));
	link->fd = socket(target->addr.any.sa_family,
			  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0)
		return -errno;
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = secure(link, target->ctx);
	if (!r && link->ssl) {
		if (target->server_name)
			SSL_set_tlsext_host_name(link->ssl,
						 target->server_name);
		if (target->session)
			SSL_set_session(link->ssl, target->session);
	}
	if (!r &&
	    connect(link->fd, &target->addr.any, target->addr.size) != 0 &&
	    errno != EINPROGRESS)
		r = -errno;
	if (r) {
		link_fini(link);
		close(link->fd);
	}
	return r;
}

int link_accept(struct link *link, int fd, SSL_CTX *ctx)
{
	int one = 1;

	memset(link, 0, sizeof(*link));
	link->fd = fd;
	link->is_server = link->connected = true;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return secure(link, ctx);
}

/* What OpenSSL's result means to the owner. */
static int outcome(struct link *link, int result)
{
	switch (SSL_get_error(link->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		link->events = EPOLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		link->events = EPOLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return errno ? -errno : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

static int connected(struct link *link)
{
	struct addr peer = {.size = sizeof(peer.v6)};
	socklen_t size = sizeof(int);
	int error = 0;

	getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error)
		return -error;
	if (getpeername(link->fd, &peer.any, &peer.size) != 0) {
		link->events = EPOLLOUT;
		return -EAGAIN;
	}
	link->connected = true;
	return 0;
}

int link_step(struct link *link)
{
	int r;

	if (!link->connected) {
		r = connected(link);
		if (r)
			return r;
	}
	if (!link->ssl || link->shaken)
		return 0;
	ERR_clear_error();
	r = SSL_do_handshake(link->ssl);
	if (r != 1) {
		r = outcome(link, r);
		return r ? r : -ECONNRESET;
	}
	link->shaken = true;
	return 0;
}

static ssize_t plain(struct link *link, ssize_t moved, uint32_t events)
{
	if (moved >= 0)
		return moved;
	if (errno == EWOULDBLOCK || errno == EINTR) {
		link->events = events;
		return -EAGAIN;
	}
	return -errno;
}

ssize_t link_read(struct link *link, void *bytes, size_t size)
{
	size_t moved;
	int r;

	if (!link->ssl)
		return plain(link, recv(link->fd, bytes, size, 0), EPOLLIN);
	ERR_clear_error();
	r = SSL_read_ex(link->ssl, bytes, size, &moved);
	return r == 1 ? (ssize_t)moved : outcome(link, r);
}

ssize_t link_write(struct link *link, const void *bytes, size_t size)
{
	size_t moved;
	int r;

	if (!link->ssl)
		return plain(link, send(link->fd, bytes, size, MSG_NOSIGNAL),
			     EPOLLOUT);
	ERR_clear_error();
	r = SSL_write_ex(link->ssl, bytes, size, &moved);
	if (r == 1)
		return (ssize_t)moved;
	r = outcome(link, r);
	return r ? r : -ECONNRESET;
}

void link_fini(struct link *link)
{
	if (link->ssl && link->shaken) {
		ERR_clear_error();
		(void)SSL_shutdown(link->ssl);
	}
	SSL_free(link->ssl);
	link->ssl = NULL;
}
