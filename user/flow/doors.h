/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doors: how a plan's workers treat connections that came by interception,
 * and what they owe the interception on their own sockets.
 *
 * Part of a plan, and immutable but for what doors_inherit() brings before the
 * first generation; any worker may call. Without interception
 * there are none, and every call is harmless.
 */
#ifndef MILLRACE_FLOW_DOORS_H
#define MILLRACE_FLOW_DOORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "bpf/intercept.h"
#include "config/config.h"

/* Of a connection that came to a listener's own address. */
#define DOORS_NONE (-1)

struct door {
	int netns; /* its site's; -1: the daemon's own */
	uint32_t row;
	bool transparent;
	/* Listening sockets that an earlier daemon left, by worker; or -1 */
	int inherited[ABI_SHARDS_MAX];
};

struct doors {
	struct intercept *intercept; /* NULL: nothing is intercepted */
	int home;		     /* the daemon's own namespace, or -1 */
	struct door *items;	     /* as in config's intercept */
	size_t count;
};

/* intercept (or NULL) must outlive it and have claimed config's sites. */
int doors_init(struct doors *doors, struct intercept *intercept,
	       const struct config *config, struct err *err)
	__attribute__((warn_unused_result));

void doors_fini(struct doors *doors);

/* Takes a listening socket of that door's namespace over for a worker to come.
 * Whatever no worker has taken by then, doors_fini() closes. */
void doors_inherit(struct doors *doors, int door, unsigned int worker, int fd);

/* The door of config that goes on as door of other, or DOORS_NONE. */
int doors_heir(const struct config *config, const struct config *other,
	       int door);

/*
 * A listening socket for a door, in its site's namespace; for BPF to choose,
 * not for addresses to reach. The worker's inherited one, where there is one.
 */
int doors_listen(struct doors *doors, const struct config *config, int door,
		 unsigned int worker, int *ret_fd, struct err *err)
	__attribute__((warn_unused_result));

/* Where an accepted connection was meant to go. -ENOENT: nobody knows. */
int doors_origin(const struct doors *doors, int fd, struct addr *ret_addr)
	__attribute__((warn_unused_result));

/*
 * A socket to dial with for a connection that came by door (or DOORS_NONE):
 * in the site's namespace, marked as the daemon's own with state, and, where
 * the door is transparent, bound to the address of down's peer.
 */
int doors_socket(const struct doors *doors, int door, int family, int down,
		 int *ret_fd, struct err *err)
	__attribute__((warn_unused_result));

/*
 * What the guard lets a socket of ours send from now on; ABI_OWN_HANDSHAKING
 * for timeout_ms.
 */
int doors_state(const struct doors *doors, int door, int fd,
		enum abi_own_state state, uint32_t timeout_ms)
	__attribute__((warn_unused_result));

#endif
