/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * maps: those that the interception's objects share. Each object declares
 * what it uses, and user space gives all of them one pin per name.
 *
 * Include after linux/bpf.h and bpf/bpf_helpers.h.
 */
#ifndef MILLRACE_MAPS_H
#define MILLRACE_MAPS_H

#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>

#include "abi.h"

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOL_SOCKET 1
#define SO_BINDTODEVICE 25
#define ECONNREFUSED 111

/* No access may be merged with its neighbour: the verifier wants context
 * fields read one by one, at offsets it can see. */
#define READ(field) (*(volatile __typeof__(field) *)&(field))

/* Set before loading: which site this instance of the programs serves. */
const volatile __u32 site_index = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ABI_SITES_MAX);
	__type(key, __u32);
	__type(value, struct abi_site);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ABI_SITES_MAX *ABI_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct intercept_row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct abi_origin);
} origins SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct abi_own);
} own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, ABI_SITES_MAX * 2 * ABI_SHARDS_MAX);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct abi_port_key);
	__type(value, __u32); /* site */
} ports SEC(".maps");

/* LRU: a connection that dies unseen must not leave an entry for ever. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct abi_flight_key);
	__type(value, struct abi_origin);
} flights SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct abi_own_flight_key);
	__type(value, __u32);
} own_flights SEC(".maps");

static __always_inline struct abi_site *site_of(__u32 index)
{
	return bpf_map_lookup_elem(&sites, &index);
}

static __always_inline struct intercept_row *row_at(__u32 index)
{
	return bpf_map_lookup_elem(&rows, &index);
}

/* Atomic although the row is this CPU's: a program that runs for a system
 * call may be interrupted by one that runs for a packet. */
#define COUNT_ROW_BY(index, field, by)                            \
	do {                                                      \
		struct intercept_row *_row = row_at(index);       \
		if (_row)                                         \
			__sync_fetch_and_add(&_row->field, (by)); \
	} while (0)
#define COUNT_ROW(index, field) COUNT_ROW_BY(index, field, 1)

#define COUNT(direction, field) \
	COUNT_ROW(ABI_ROW(site_index, (direction)), field)

/* From 6.18 on the kernel allocates a storage without waiting for a lock: it
 * fails when another CPU holds one just then, and not the next time. */
static __always_inline void *create_storage(void *map, struct bpf_sock *sk)
{
	void *storage = NULL;

	for (int again = 0; !storage && again < 8; again++)
		storage = bpf_sk_storage_get(map, sk, NULL,
					     BPF_SK_STORAGE_GET_F_CREATE);
	return storage;
}

static __always_inline void mapped(__u32 addr[4], __u32 v4)
{
	addr[0] = 0;
	addr[1] = 0;
	addr[2] = bpf_htonl(0xffff);
	addr[3] = v4;
}

static __always_inline bool is_mapped(const __u32 addr[4])
{
	return !addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_loopback(const __u32 addr[4])
{
	if (is_mapped(addr))
		return (addr[3] & bpf_htonl(0xff000000)) ==
			       bpf_htonl(0x7f000000) ||
		       !addr[3];
	return !addr[0] && !addr[1] && !addr[2] &&
	       (!addr[3] || addr[3] == bpf_htonl(1));
}

#endif
