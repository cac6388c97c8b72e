/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * intercept: which connections are to find their way into the daemon although
 * nobody told the application; the part of struct config that bpf/intercept
 * carries out.
 */
#ifndef MILLRACE_CONFIG_INTERCEPT_H
#define MILLRACE_CONFIG_INTERCEPT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include <abi.h>

/* IPv4 as ::ffff:a.b.c.d; bits count from the front of the 128. */
struct intercept_network {
	struct in6_addr addr;
	unsigned int bits;
};

struct intercept_networks {
	struct intercept_network *items;
	size_t count;
};

struct intercept_numbers {
	uint32_t *items;
	size_t count;
};

struct intercept_egress {
	char *cgroup; /* the applications'; NULL: no egress */
	/*
	 * Where connections go on loopback. Nothing needs to be bound there,
	 * and nobody else can be reached there.
	 */
	uint16_t port;
	bool fail_open; /* without a listener: let go, in the clear */
	/* Whom and what to leave alone, besides loopback and the namespace's
	 * own addresses. */
	struct intercept_numbers uids;
	struct intercept_numbers gids;
	struct intercept_numbers ports;
	struct intercept_networks networks;
};

struct intercept_ingress {
	struct intercept_numbers ports; /* none: no ingress */
	bool fail_open;	  /* without a listener: let the application have it */
	bool transparent; /* the application sees its client's address */
};

struct intercept_protected {
	struct intercept_network network;
	struct intercept_numbers ports; /* none: all */
};

struct intercept_guard {
	/* The same as egress.cgroup, or one of its ancestors; NULL: none. */
	char *cgroup;
	enum abi_guard_mode mode;
	struct intercept_protected *protected;
	size_t protected_count;
};

struct intercept_site {
	char *name;  /* counters go by it */
	char *netns; /* a path, or NULL: the daemon's own */
	struct intercept_egress egress;
	struct intercept_ingress ingress;
	struct intercept_guard guard;
};

/* Where intercepted connections come in: a listener's, in a site. */
struct intercept_door {
	size_t site;
	enum abi_direction direction; /* ABI_EGRESS or ABI_INGRESS */
	size_t listener;	      /* index into config's listeners */
};

struct intercept_spec {
	char *pin_dir; /* in a bpffs; the last part is made */
	/*
	 * A cgroup of the daemon's own that outlives it, such as a slice. The
	 * daemon must be in it or below.
	 */
	char *cgroup;
	struct intercept_site *sites;
	size_t site_count;
	struct intercept_door *doors;
	size_t door_count;
};

/* "10.0.0.0/8", "fd00::/8", or an address alone. -EINVAL with the words. */
int intercept_network_parse(const char *text, struct intercept_network *ret,
			    struct err *err)
	__attribute__((warn_unused_result));

/* Whether the network holds the address; an IPv4 one as such. */
bool intercept_network_holds(const struct intercept_network *network,
			     const struct addr *addr);

/* Whether one goes on as the other after a reload: same site by name and
 * namespace, same direction, same listener's name. */
bool intercept_site_equal(const struct intercept_site *a,
			  const struct intercept_site *b);

/* NULL is allowed. */
void intercept_spec_free(struct intercept_spec *spec);

#endif
