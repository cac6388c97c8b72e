/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define NETNS_SELF "/proc/thread-self/ns/net"

struct visit {
	int netns;
	int (*call)(void *data);
	void *data;
	int error; /* of entering */
	int result;
};

static void *visit_thread(void *data)
{
	struct visit *visit = data;

	if (setns(visit->netns, CLONE_NEWNET) != 0)
		visit->error = errno;
	else
		visit->result = visit->call(visit->data);
	return NULL;
}

int netns_open(const char *path, int *ret_fd, struct err *err)
{
	int fd = open(path ? path : NETNS_SELF, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, errno, "network namespace %s: %s",
			       path ? path : NETNS_SELF, strerror(errno));
	*ret_fd = fd;
	return 0;
}

int netns_call(const char *path, int (*call)(void *data), void *data,
	       struct err *err)
{
	struct visit visit = {.call = call, .data = data};
	pthread_t thread;
	int r;

	if (!path)
		return call(data);
	r = netns_open(path, &visit.netns, err);
	if (r)
		return r;
	r = pthread_create(&thread, NULL, visit_thread, &visit);
	if (r == 0)
		r = pthread_join(thread, NULL);
	close(visit.netns);
	if (r)
		return err_set(err, r, "a thread cannot be had: %s",
			       strerror(r));
	if (visit.error)
		return err_set(err, visit.error,
			       "network namespace %s cannot be entered "
			       "(CAP_SYS_ADMIN): %s",
			       path, strerror(visit.error));
	return visit.result;
}

int netns_cookie_of(int fd, uint64_t *ret_cookie)
{
	socklen_t size = sizeof(*ret_cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) ==
			       0
		       ? 0
		       : -errno;
}

static int read_cookie(void *data)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = netns_cookie_of(fd, data);
	close(fd);
	return r;
}

int netns_cookie(const char *path, uint64_t *ret_cookie, struct err *err)
{
	uint64_t cookie = 0;
	int r = netns_call(path, read_cookie, &cookie, err);

	if (r == 0)
		*ret_cookie = cookie;
	return r;
}

struct listening {
	int backlog;
	int fd;
};

static int listen_on(const struct sockaddr *addr, socklen_t size, int backlog)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error, zero = 0;

	if (fd < 0)
		return -errno;
	if ((addr->sa_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ==
		     0) &&
	    bind(fd, addr, size) == 0 && listen(fd, backlog) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int listen_here(void *data)
{
	/* ::ffff:127.0.0.1: no other address but :: would take both families,
	 * and that one could be reached from outside. */
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6,
		.sin6_addr = {.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1}}};
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	struct listening *listening = data;

	listening->fd =
		listen_on((const void *)&v6, sizeof(v6), listening->backlog);
	if (listening->fd == -EAFNOSUPPORT || listening->fd == -EADDRNOTAVAIL)
		listening->fd = listen_on((const void *)&v4, sizeof(v4),
					  listening->backlog);
	return listening->fd < 0 ? listening->fd : 0;
}

int netns_listen(const char *path, int backlog, int *ret_fd, struct err *err)
{
	struct listening listening = {.backlog = backlog, .fd = -1};
	struct err words = {""};
	int r = netns_call(path, listen_here, &listening, &words);

	if (r && words.text[0])
		return err_set(err, -r, "%s", words.text);
	if (r)
		return err_set(err, -r, "no listening socket in %s: %s",
			       path ? path : "this network namespace",
			       strerror(-r));
	*ret_fd = listening.fd;
	return 0;
}

int netns_socket(int netns, int home, int family)
{
	int fd, error;

	if (netns < 0)
		fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	else if (setns(netns, CLONE_NEWNET) != 0)
		return -errno;
	else
		fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	error = errno;
	if (netns >= 0 && setns(home, CLONE_NEWNET) != 0)
		abort();
	return fd < 0 ? -error : fd;
}

struct gathering {
	void (*each)(const struct addr *addr, void *data);
	void *data;
};

static int gather(void *data)
{
	const struct gathering *gathering = data;
	struct ifaddrs *list;

	if (getifaddrs(&list) != 0)
		return -errno;
	for (struct ifaddrs *at = list; at; at = at->ifa_next) {
		struct addr addr;

		if (!at->ifa_addr)
			continue;
		if (at->ifa_addr->sa_family == AF_INET)
			addr.size = sizeof(addr.v4);
		else if (at->ifa_addr->sa_family == AF_INET6)
			addr.size = sizeof(addr.v6);
		else
			continue;
		memcpy(&addr.any, at->ifa_addr, addr.size);
		gathering->each(&addr, gathering->data);
	}
	freeifaddrs(list);
	return 0;
}

int netns_addresses(const char *path,
		    void (*each)(const struct addr *addr, void *data),
		    void *data, struct err *err)
{
	struct gathering gathering = {each, data};
	struct err words = {""};
	int r = netns_call(path, gather, &gathering, &words);

	if (r)
		return err_set(err, -r, "addresses of %s: %s",
			       path ? path : "this network namespace",
			       words.text[0] ? words.text : strerror(-r));
	return 0;
}

static int watch_here(void *data)
{
	const struct sockaddr_nl addr = {.nl_family = AF_NETLINK,
					 .nl_groups = RTMGRP_IPV4_IFADDR |
						      RTMGRP_IPV6_IFADDR};
	int *ret_fd = data;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			NETLINK_ROUTE);
	int error;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const void *)&addr, sizeof(addr)) == 0) {
		*ret_fd = fd;
		return 0;
	}
	error = errno;
	close(fd);
	return -error;
}

int netns_watch(const char *path, int *ret_fd, struct err *err)
{
	struct err words = {""};
	int fd = -1;
	int r = netns_call(path, watch_here, &fd, &words);

	if (r)
		return err_set(err, -r, "addresses of %s: %s",
			       path ? path : "this network namespace",
			       words.text[0] ? words.text : strerror(-r));
	*ret_fd = fd;
	return 0;
}
