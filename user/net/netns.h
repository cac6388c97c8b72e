/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netns: things done inside another network namespace.
 *
 * A namespace is named by a path such as /run/netns/a or /proc/PID/ns/net;
 * NULL is the caller's own. Entering another takes CAP_SYS_ADMIN; but for
 * netns_socket() it happens in a thread that ends with the call, so no thread
 * is ever left in the wrong place. What is opened inside stays there and serves
 * from anywhere.
 */
#ifndef MILLRACE_NET_NETNS_H
#define MILLRACE_NET_NETNS_H

#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * Returns what call(data) returned, or -errno with the words when the
 * namespace cannot be entered: then call has not run.
 */
int netns_call(const char *path, int (*call)(void *data), void *data,
	       struct err *err) __attribute__((warn_unused_result));

/* A descriptor of the namespace, close-on-exec; the caller closes it. */
int netns_open(const char *path, int *ret_fd, struct err *err)
	__attribute__((warn_unused_result));

/* What the kernel's BPF helpers know it by; never the same twice. */
int netns_cookie(const char *path, uint64_t *ret_cookie, struct err *err)
	__attribute__((warn_unused_result));

/* Of the namespace that a socket lives in. 0 or -errno. */
int netns_cookie_of(int fd, uint64_t *ret_cookie)
	__attribute__((warn_unused_result));

/*
 * A listening TCP socket on loopback, on a port of the kernel's choice, that
 * takes both families where there is IPv6: for BPF to choose, not for
 * addresses to reach. Blocking and close-on-exec.
 */
int netns_listen(const char *path, int backlog, int *ret_fd, struct err *err)
	__attribute__((warn_unused_result));

/*
 * A TCP socket, blocking and close-on-exec, or -errno: in netns (netns_open();
 * -1: the caller's own). Quick: the calling thread itself goes there and comes
 * back to home; that it cannot come back is not survived.
 */
int netns_socket(int netns, int home, int family)
	__attribute__((warn_unused_result));

/* Calls each for every address of the namespace; ports are 0. */
int netns_addresses(const char *path,
		    void (*each)(const struct addr *addr, void *data),
		    void *data, struct err *err)
	__attribute__((warn_unused_result));

/*
 * A non-blocking descriptor that becomes readable when an address comes or
 * goes. What it holds need only be read and thrown away.
 */
int netns_watch(const char *path, int *ret_fd, struct err *err)
	__attribute__((warn_unused_result));

#endif
