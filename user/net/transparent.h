/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transparent: connections to the application that carry the client's own
 * address (IP_TRANSPARENT).
 *
 * The application answers to the client's address; a mark brings these
 * answers back to loopback: a rule "fwmark TRANSPARENT_MARK lookup
 * TRANSPARENT_TABLE", a route "local default dev lo" in that table, both
 * families, and net.ipv4.tcp_fwmark_accept, by which accepted sockets take
 * the mark of their SYN over.
 */
#ifndef MILLRACE_NET_TRANSPARENT_H
#define MILLRACE_NET_TRANSPARENT_H

#include "base/err.h"

#define TRANSPARENT_MARK 0x4d52u
#define TRANSPARENT_TABLE 19794u
#define TRANSPARENT_PRIORITY 9u

/*
 * Puts rules, routes and the sysctl into a network namespace (netns.h); what
 * is there already stays. Takes CAP_NET_ADMIN.
 */
int transparent_routes(const char *netns, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Binds fd, not yet connected, to the address of down's peer, on a port of
 * the kernel's choice, and marks it. Takes CAP_NET_ADMIN or CAP_NET_RAW.
 */
int transparent_bind(int fd, int down, struct err *err)
	__attribute__((warn_unused_result));

#endif
