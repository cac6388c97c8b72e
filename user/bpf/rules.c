/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/rules.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/netns.h"

#define SEQUENCE_MASK 0xffffu

/* ---- sets */

/* The set's number, in every key of a map. */
static uint32_t set_of(const void *key, size_t offset)
{
	uint32_t set;

	memcpy(&set, (const char *)key + offset, sizeof(set));
	return set;
}

/* Deletes the site's sets, but for the one in force. */
static int sweep(int map, size_t key_size, size_t set_offset, uint32_t site,
		 uint32_t current)
{
	unsigned char key[64], next[64];
	bool more;

	if (key_size > sizeof(key))
		abort();
	more = bpf_map_get_next_key(map, NULL, next) == 0;
	while (more) {
		uint32_t set = set_of(next, set_offset);

		memcpy(key, next, key_size);
		/* Before the deletion: it would lead back to the start. */
		more = bpf_map_get_next_key(map, key, next) == 0;
		if (set >> 16 == site && set != current &&
		    bpf_map_delete_elem(map, key) != 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static uint32_t next_set(uint32_t site, uint32_t current)
{
	uint32_t sequence = (current + 1) & SEQUENCE_MASK;

	/* 0 is what a site has before its first */
	return site << 16 | (sequence ? sequence : 1);
}

static int add_exceptions(int map, uint32_t set, enum abi_exception kind,
			  const struct intercept_numbers *numbers)
{
	const __u8 one = 1;

	for (size_t i = 0; i < numbers->count; i++) {
		struct abi_exception_key key = {
			.set = set, .kind = kind, .value = numbers->items[i]};

		if (bpf_map_update_elem(map, &key, &one, BPF_ANY) != 0)
			return -errno;
	}
	return 0;
}

static int add_network(int map, uint32_t set,
		       const struct intercept_network *network,
		       enum abi_network kind)
{
	struct abi_network_key key = {.prefix_bits = 32 + network->bits,
				      .set = set};
	__u32 value = kind;

	memcpy(key.addr, &network->addr, sizeof(key.addr));
	return bpf_map_update_elem(map, &key, &value, BPF_ANY) == 0 ? 0
								    : -errno;
}

struct locals {
	int map;
	uint32_t set;
	int (*add)(int map, uint32_t set,
		   const struct intercept_network *network);
	int error;
};

static void add_local(const struct addr *addr, void *data)
{
	struct intercept_network network = {.bits = 128};
	struct locals *locals = data;
	int r;

	if (addr->any.sa_family == AF_INET) {
		network.addr.s6_addr[10] = 0xff;
		network.addr.s6_addr[11] = 0xff;
		memcpy(&network.addr.s6_addr[12], &addr->v4.sin_addr, 4);
	} else {
		network.addr = addr->v6.sin6_addr;
	}
	r = locals->add(locals->map, locals->set, &network);
	if (r)
		locals->error = r;
}

/* Says nothing in err unless the addresses cannot be had. */
static int add_locals(struct locals *locals, const char *netns, struct err *err)
{
	int r = netns_addresses(netns, add_local, locals, err);

	return r ? r : locals->error;
}

static int add_local_network(int map, uint32_t set,
			     const struct intercept_network *network)
{
	return add_network(map, set, network, ABI_NETWORK_LOCAL);
}

static int too_many(const struct intercept_site *spec, int r, struct err *err)
{
	return err_set(err, -r, "rules of %s: %s", spec->name,
		       r == -ENOSPC || r == -E2BIG ? "too many" : strerror(-r));
}

static int write_egress(const struct rules_maps *maps, uint32_t set,
			const struct intercept_site *spec, struct err *err)
{
	const struct intercept_egress *egress = &spec->egress;
	struct locals locals = {
		.map = maps->networks, .set = set, .add = add_local_network};
	int r;

	r = add_exceptions(maps->exceptions, set, ABI_EXCEPTION_UID,
			   &egress->uids);
	if (!r)
		r = add_exceptions(maps->exceptions, set, ABI_EXCEPTION_GID,
				   &egress->gids);
	if (!r)
		r = add_exceptions(maps->exceptions, set, ABI_EXCEPTION_PORT,
				   &egress->ports);
	for (size_t i = 0; !r && i < egress->networks.count; i++)
		r = add_network(maps->networks, set, &egress->networks.items[i],
				ABI_NETWORK_IGNORED);
	if (!r)
		r = add_locals(&locals, spec->netns, err);
	return r ? too_many(spec, r, err) : 0;
}

int rules_egress(const struct rules_maps *maps, uint32_t site, uint32_t current,
		 const struct intercept_site *spec, uint32_t *ret_set,
		 struct err *err)
{
	uint32_t set = next_set(site, current);
	int r;

	r = sweep(maps->exceptions, sizeof(struct abi_exception_key),
		  offsetof(struct abi_exception_key, set), site, current);
	if (!r)
		r = sweep(maps->networks, sizeof(struct abi_network_key),
			  offsetof(struct abi_network_key, set), site, current);
	if (r)
		return err_set(err, -r, "rules of %s: %s", spec->name,
			       strerror(-r));
	r = write_egress(maps, set, spec, err);
	if (!r)
		*ret_set = set;
	return r;
}

static int add_protected(int map, uint32_t set,
			 const struct intercept_protected *protected)
{
	struct abi_protected_key key = {
		.prefix_bits = 64 + protected->network.bits, .set = set};
	const struct intercept_numbers *ports = &protected->ports;
	const __u32 one = ABI_PROTECTED;

	memcpy(key.addr, &protected->network.addr, sizeof(key.addr));
	if (!ports->count && bpf_map_update_elem(map, &key, &one, BPF_ANY) != 0)
		return -errno;
	for (size_t i = 0; i < ports->count; i++) {
		key.port = ports->items[i];
		if (bpf_map_update_elem(map, &key, &one, BPF_ANY) != 0)
			return -errno;
	}
	return 0;
}

static int add_unprotected(int map, uint32_t set,
			   const struct intercept_network *network)
{
	struct abi_protected_key key = {.prefix_bits = 64 + network->bits,
					.set = set};
	const __u32 not = ABI_PROTECTED_NOT;

	memcpy(key.addr, &network->addr, sizeof(key.addr));
	return bpf_map_update_elem(map, &key, &not, BPF_ANY) == 0 ? 0 : -errno;
}

int rules_guard(const struct rules_maps *maps, uint32_t site, uint32_t current,
		const struct intercept_site *spec, uint32_t *ret_set,
		struct err *err)
{
	const struct intercept_guard *guard = &spec->guard;
	uint32_t set = next_set(site, current);
	struct locals locals = {
		.map = maps->protected, .set = set, .add = add_unprotected};
	int r;

	r = sweep(maps->protected, sizeof(struct abi_protected_key),
		  offsetof(struct abi_protected_key, set), site, current);
	for (size_t i = 0; !r && i < guard->protected_count; i++)
		r = add_protected(maps->protected, set, &guard->protected[i]);
	if (!r)
		r = add_locals(&locals, spec->netns, err);
	if (r)
		return too_many(spec, r, err);
	*ret_set = set;
	return 0;
}

/* ---- steered ports */

static bool wanted(const struct abi_port_key *key, uint64_t netns,
		   const struct intercept_numbers *ports)
{
	for (size_t i = 0; i < ports->count; i++)
		if (key->netns == netns && key->port == ports->items[i])
			return true;
	return false;
}

static int drop_ports(int map, uint32_t site, uint64_t netns,
		      const struct intercept_numbers *ports)
{
	struct abi_port_key key, next;
	bool more = bpf_map_get_next_key(map, NULL, &next) == 0;

	while (more) {
		__u32 owner;

		key = next;
		more = bpf_map_get_next_key(map, &key, &next) == 0;
		if (bpf_map_lookup_elem(map, &key, &owner) == 0 &&
		    owner == site && !wanted(&key, netns, ports) &&
		    bpf_map_delete_elem(map, &key) != 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int rules_ports(const struct rules_maps *maps, uint32_t site, uint64_t netns,
		const struct intercept_numbers *ports, struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < ports->count; i++) {
		struct abi_port_key key = {.netns = netns,
					   .port = ports->items[i]};

		if (bpf_map_update_elem(maps->ports, &key, &site, BPF_ANY) != 0)
			r = -errno;
	}
	if (!r)
		r = drop_ports(maps->ports, site, netns, ports);
	if (r)
		return err_set(err, -r, "steered ports: %s", strerror(-r));
	return 0;
}
