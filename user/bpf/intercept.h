/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intercept: TCP connections that find their way into the daemon although
 * nobody told the application: egress (what a cgroup connects to), ingress
 * (what reaches a namespace's ports) and the guard (what must not leave in
 * the clear).
 *
 * Everything is pinned in one folder. A daemon that opens it finds what an
 * earlier one left, puts its own programs in their place and goes on; when it
 * goes, in order or not, all stays: redirected and steered connections are
 * then refused (or, with fail_open, left alone) and the guard still guards.
 * intercept_detach() ends it.
 *
 * A struct intercept belongs to the control thread. Exceptions:
 * intercept_origin() and intercept_own() are safe from any thread.
 *
 * Capabilities, by trial on 6.1, 6.12, 6.18 and 7.2:
 *   opening        CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON (6.18 does without the
 *                  last; the verifiers of 6.1 and 7.2 do not), and the right
 *                  to write in the bpffs; CAP_SYS_ADMIN in addition to enter
 *                  other network namespaces, and for the guard to ask the
 *                  kernel (tls.ko's BTF)
 *   afterwards     none: the rest works through descriptors. Only
 *                  intercept_follow() takes what opening took.
 */
#ifndef MILLRACE_BPF_INTERCEPT_H
#define MILLRACE_BPF_INTERCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "config/intercept.h"
#include <abi.h>

struct intercept;

/*
 * Opens the folder and finds (or makes) what is in it; each site of spec gets
 * its place there. Nothing is attached yet: intercept_listeners() may be
 * called, and then intercept_follow(). spec is read only during the calls.
 */
int intercept_open(const struct intercept_spec *spec, struct intercept **ret,
		   struct err *err) __attribute__((warn_unused_result));

/* Whether the folder held an earlier daemon's interception when opened. */
bool intercept_adopted(const struct intercept *intercept);

/*
 * The sites are those of spec from now on, whose pin_dir is as before: for
 * intercept_row_index() and intercept_listeners(), which go by its order.
 */
int intercept_claim(struct intercept *intercept,
		    const struct intercept_spec *spec, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Attaches all that spec asks for, or takes over what is pinned and changes
 * it to that; detaches what spec no longer asks for. Each site's rules change
 * at once. On failure what stood before still stands, mixed with what was
 * done by then; the guard is put up first and taken down last.
 */
int intercept_follow(struct intercept *intercept,
		     const struct intercept_spec *spec, struct err *err)
	__attribute__((warn_unused_result));

/* Only the rules, after a namespace's addresses have changed
 * (netns_watch()). */
int intercept_refresh(struct intercept *intercept,
		      const struct intercept_spec *spec, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The sockets that listen for one direction of a site from now on, at most
 * ABI_SHARDS_MAX: connections that arrive on CPU n go to the n-th, modulo
 * count. They must be in the site's namespace (netns_listen()) and accept
 * both families for IPv6 to work; their addresses do not matter. The earlier
 * ones get no new connections from then on, but may still hold some that are
 * not accepted or not yet established: go on accepting from them for a while
 * before closing. Does not take the descriptors.
 */
int intercept_listeners(struct intercept *intercept, size_t site,
			enum abi_direction direction, const int *fds,
			size_t count, struct err *err)
	__attribute__((warn_unused_result));

/* Where a site's direction counts; the same for as long as the site is. */
uint32_t intercept_row_index(const struct intercept *intercept, size_t site,
			     enum abi_direction direction);

/*
 * Where an accepted connection was meant to go. -ENOENT for one that was
 * neither redirected nor steered.
 */
int intercept_origin(const struct intercept *intercept, int fd,
		     struct addr *ret_addr) __attribute__((warn_unused_result));

/*
 * Marks a socket of the daemon's own, before connect(): it is never
 * redirected, never steered back, and the guard lets it do what state says,
 * for ABI_OWN_HANDSHAKING until timeout_ms from now. Call it again when its
 * state changes. Its retransmits and round trips count in row.
 */
int intercept_own(const struct intercept *intercept, int fd, uint32_t row,
		  enum abi_own_state state, uint32_t timeout_ms)
	__attribute__((warn_unused_result));

/* Summed over the CPUs. Counters live as long as their pins. */
int intercept_row(const struct intercept *intercept, size_t site,
		  enum abi_direction direction, struct intercept_row *ret)
	__attribute__((warn_unused_result));

/* Whether the guard of a site asks the kernel if sockets encrypt, or, where
 * the kernel cannot tell, believes the daemon. */
bool intercept_guard_truth(const struct intercept *intercept, size_t site);

/* Another daemon may adopt it from now on; only intercept_origin() and
 * intercept_own() may still be called, and reading. */
void intercept_leave(struct intercept *intercept);

/* What is pinned stays and works on. NULL is allowed. */
void intercept_close(struct intercept *intercept);

/*
 * Ends every interception that is pinned in pin_dir. -EBUSY while a daemon
 * runs there, unless force.
 */
int intercept_detach(const char *pin_dir, bool force, struct err *err)
	__attribute__((warn_unused_result));

#endif
