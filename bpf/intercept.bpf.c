/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * intercept: egress. What the application connects to becomes the egress
 * listener, and where it was meant to go travels in the sockets' storage:
 *
 *   connect4,6           the client's socket remembers its destination
 *   sockops, connecting  ... and publishes it under both ends' addresses
 *   sockops, accepted    the accepted socket takes it from there
 *   getpeername4,6       the application sees the peer that it asked for
 *   getsockopt           SO_ORIGINAL_DST on the accepted socket
 *
 * connect and getpeername are loaded once per site; sockops and getsockopt
 * serve all sites.
 */
#include <linux/bpf.h>
#include <linux/in.h>
/* bpf_helpers.h needs the types above */
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define SO_ORIGINAL_DST 80
#define SOL_IP 0
#define SOL_IPV6 41
#define PAGE_SIZE 4096

enum verdict {
	LEAVE,
	REFUSE,
	REDIRECT,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct abi_exception_key);
	__type(value, __u8);
} exceptions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct abi_network_key);
	__type(value, __u32); /* enum abi_network */
} networks SEC(".maps");

/* ---- connect */

/* fe80::/10 means nothing without the interface that it was said for. */
static __always_inline bool is_link_local(const __u32 addr[4])
{
	return (addr[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

static __always_inline bool excepted(__u32 set, __u32 kind, __u32 value)
{
	struct abi_exception_key key = {
		.set = set, .kind = kind, .value = value};

	return bpf_map_lookup_elem(&exceptions, &key) != NULL;
}

/* Whether the connection is none of ours, and counts why. */
static __always_inline bool left_alone(struct bpf_sock_addr *ctx,
				       const struct abi_site *site,
				       const __u32 addr[4], __u16 port)
{
	struct abi_network_key key = {.prefix_bits = 32 + 128};
	__u64 ids = bpf_get_current_uid_gid();
	__u32 set = READ(site->rules);
	__u32 *network;

	if (ctx->sk && bpf_sk_storage_get(&own, ctx->sk, NULL, 0)) {
		COUNT(ABI_EGRESS, ignored_own);
		return true;
	}
	key.set = set;
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	network = bpf_map_lookup_elem(&networks, &key);
	if (is_loopback(addr) || is_link_local(addr) ||
	    (network && *network == ABI_NETWORK_LOCAL))
		COUNT(ABI_EGRESS, ignored_local);
	else if (excepted(set, ABI_EXCEPTION_UID, (__u32)ids))
		COUNT(ABI_EGRESS, ignored_uid);
	else if (excepted(set, ABI_EXCEPTION_GID, ids >> 32))
		COUNT(ABI_EGRESS, ignored_gid);
	else if (excepted(set, ABI_EXCEPTION_PORT, port))
		COUNT(ABI_EGRESS, ignored_port);
	else if (network)
		COUNT(ABI_EGRESS, ignored_cidr);
	else
		return false;
	return true;
}

/* A listener that died with its daemon is gone from the map by itself. */
static __always_inline bool has_listener(__u32 index)
{
	__u32 slot = ABI_SOCKET(index, ABI_EGRESS, 0);
	struct bpf_sock *listener = bpf_map_lookup_elem(&sockets, &slot);

	if (!listener)
		return false;
	bpf_sk_release(listener);
	return true;
}

/* An interface that the socket is bound to does not lead to loopback. */
static __always_inline bool unbind_device(struct bpf_sock_addr *ctx)
{
	char none[4] = {0};

	if (!ctx->sk->bound_dev_if)
		return true;
	return bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, none,
			      sizeof(none)) == 0;
}

static __always_inline bool remember(struct bpf_sock_addr *ctx,
				     const __u32 addr[4], __u16 port_be)
{
	struct abi_origin *origin = create_storage(&origins, ctx->sk);

	if (!origin)
		return false;
	/* An earlier connect() of this socket may have left another. */
	__builtin_memcpy(origin->addr, addr, sizeof(origin->addr));
	origin->port = port_be;
	origin->kind = ABI_ORIGIN_CLIENT;
	origin->site = site_index;
	origin->client = bpf_get_socket_cookie(ctx);
	origin->uid = (__u32)bpf_get_current_uid_gid();
	origin->pid = bpf_get_current_pid_tgid() >> 32;
	return true;
}

/* The socket goes elsewhere now: what an earlier connect() left is void. */
static __always_inline void forget(struct bpf_sock_addr *ctx)
{
	if (ctx->sk)
		bpf_sk_storage_delete(&origins, ctx->sk);
}

static __always_inline enum verdict decide(struct bpf_sock_addr *ctx,
					   const struct abi_site *site,
					   const __u32 addr[4], __u16 port_be)
{
	if (left_alone(ctx, site, addr, bpf_ntohs(port_be))) {
		forget(ctx);
		return LEAVE;
	}
	if (!has_listener(site_index)) {
		if (READ(site->egress_open)) {
			COUNT(ABI_EGRESS, failed_open);
			forget(ctx);
			return LEAVE;
		}
		COUNT(ABI_EGRESS, failed_closed);
		return REFUSE;
	}
	if (!ctx->sk || !unbind_device(ctx) || !remember(ctx, addr, port_be)) {
		COUNT(ABI_EGRESS, no_memory);
		return REFUSE;
	}
	COUNT(ABI_EGRESS, redirected);
	return REDIRECT;
}

static __always_inline int refuse(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return 0;
}

/* Somewhere in 127/8, by the socket: one address would limit the connections
 * to one listener to the range of ephemeral ports. Odd and below 127.128/9:
 * neither the network's address nor its broadcast. */
static __always_inline __u32 spread(struct bpf_sock_addr *ctx)
{
	__u64 hash = bpf_get_socket_cookie(ctx) * 0x9e3779b97f4a7c15ULL;

	return bpf_htonl(0x7f000001 | (__u32)(hash >> 42) << 1);
}

static __always_inline __u32 listener_port(const struct abi_site *site)
{
	return bpf_htons((__u16)READ(site->egress_port));
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct abi_site *site = site_of(site_index);
	__u32 addr[4];

	if (ctx->type != SOCK_STREAM || !site || !READ(site->egress_port))
		return 1;
	mapped(addr, READ(ctx->user_ip4));
	switch (decide(ctx, site, addr, (__u16)READ(ctx->user_port))) {
	case REFUSE:
		return refuse();
	case REDIRECT:
		ctx->user_ip4 = spread(ctx);
		ctx->user_port = listener_port(site);
		break;
	default:
		break;
	}
	return 1;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct abi_site *site = site_of(site_index);
	__u32 addr[4];

	if (ctx->type != SOCK_STREAM || !site || !READ(site->egress_port))
		return 1;
	addr[0] = READ(ctx->user_ip6[0]);
	addr[1] = READ(ctx->user_ip6[1]);
	addr[2] = READ(ctx->user_ip6[2]);
	addr[3] = READ(ctx->user_ip6[3]);
	switch (decide(ctx, site, addr, (__u16)READ(ctx->user_port))) {
	case REFUSE:
		return refuse();
	case REDIRECT:
		if (is_mapped(addr)) {
			ctx->user_ip6[3] = spread(ctx);
		} else {
			ctx->user_ip6[0] = 0;
			ctx->user_ip6[1] = 0;
			ctx->user_ip6[2] = 0;
			ctx->user_ip6[3] = bpf_htonl(1);
		}
		ctx->user_port = listener_port(site);
		break;
	default:
		break;
	}
	return 1;
}

/* ---- getpeername */

static __always_inline struct abi_origin *client_origin(struct bpf_sock *sk)
{
	struct abi_origin *origin;

	if (!sk)
		return NULL;
	origin = bpf_sk_storage_get(&origins, sk, NULL, 0);
	return origin && origin->kind == ABI_ORIGIN_CLIENT ? origin : NULL;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	struct abi_origin *origin =
		ctx->type == SOCK_STREAM ? client_origin(ctx->sk) : NULL;

	if (origin) {
		ctx->user_ip4 = origin->addr[3];
		ctx->user_port = origin->port;
	}
	return 1;
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	struct abi_origin *origin =
		ctx->type == SOCK_STREAM ? client_origin(ctx->sk) : NULL;

	if (origin) {
		ctx->user_ip6[0] = origin->addr[0];
		ctx->user_ip6[1] = origin->addr[1];
		ctx->user_ip6[2] = origin->addr[2];
		ctx->user_ip6[3] = origin->addr[3];
		ctx->user_port = origin->port;
	}
	return 1;
}

/* ---- both ends' lives */

struct ends {
	__u32 local[4];
	__u32 remote[4];
	__u32 local_port; /* network order */
	__u32 remote_port;
};

static __always_inline void read_ends(struct bpf_sock_ops *ctx,
				      struct ends *ret)
{
	__u32 local4 = READ(ctx->local_ip4), remote4 = READ(ctx->remote_ip4);

	ret->local[0] = READ(ctx->local_ip6[0]);
	ret->local[1] = READ(ctx->local_ip6[1]);
	ret->local[2] = READ(ctx->local_ip6[2]);
	ret->local[3] = READ(ctx->local_ip6[3]);
	ret->remote[0] = READ(ctx->remote_ip6[0]);
	ret->remote[1] = READ(ctx->remote_ip6[1]);
	ret->remote[2] = READ(ctx->remote_ip6[2]);
	ret->remote[3] = READ(ctx->remote_ip6[3]);
	if (READ(ctx->family) == AF_INET) {
		mapped(ret->local, local4);
		mapped(ret->remote, remote4);
	}
	ret->local_port = bpf_htons((__u16)READ(ctx->local_port));
	/* remote_port holds the port in the upper half, in network order */
	ret->remote_port = bpf_htons((__u16)bpf_ntohl(READ(ctx->remote_port)));
}

static __always_inline void flight_key(struct bpf_sock_ops *ctx,
				       const struct ends *ends, bool accepted,
				       struct abi_flight_key *ret)
{
	const __u32 *from = accepted ? ends->remote : ends->local;
	const __u32 *to = accepted ? ends->local : ends->remote;

	__builtin_memset(ret, 0, sizeof(*ret));
	ret->netns = bpf_get_netns_cookie(ctx);
	__builtin_memcpy(ret->from, from, sizeof(ret->from));
	__builtin_memcpy(ret->to, to, sizeof(ret->to));
	ret->from_port =
		(__u16)(accepted ? ends->remote_port : ends->local_port);
	ret->to_port = (__u16)(accepted ? ends->local_port : ends->remote_port);
}

static __always_inline void own_flight_key(struct bpf_sock_ops *ctx,
					   const struct ends *ends,
					   struct abi_own_flight_key *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->netns = bpf_get_netns_cookie(ctx);
	__builtin_memcpy(ret->from, ends->local, sizeof(ret->from));
	ret->from_port = ends->local_port;
}

static __always_inline void watch(struct bpf_sock_ops *ctx, int events)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | events);
}

/* Before SYN, so that an answer can never be there first. */
static __always_inline void connecting(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct abi_origin *origin = client_origin(sk);
	struct abi_own_flight_key own_key;
	struct abi_flight_key key;
	struct ends ends;
	__u32 one = 1;

	if (!sk)
		return;
	if (origin) {
		read_ends(ctx, &ends);
		flight_key(ctx, &ends, false, &key);
		bpf_map_update_elem(&flights, &key, origin, BPF_ANY);
		watch(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	} else if (bpf_sk_storage_get(&own, sk, NULL, 0)) {
		read_ends(ctx, &ends);
		own_flight_key(ctx, &ends, &own_key);
		bpf_map_update_elem(&own_flights, &own_key, &one, BPF_ANY);
		watch(ctx, BPF_SOCK_OPS_STATE_CB_FLAG |
				   BPF_SOCK_OPS_RETRANS_CB_FLAG);
	}
}

static __always_inline void forget_own_flight(struct bpf_sock_ops *ctx)
{
	struct abi_own_flight_key key;
	struct ends ends;

	read_ends(ctx, &ends);
	own_flight_key(ctx, &ends, &key);
	bpf_map_delete_elem(&own_flights, &key);
}

static __always_inline void accepted_egress(struct bpf_sock *sk,
					    const struct abi_flight_key *key,
					    const struct abi_origin *flight)
{
	struct abi_origin *origin = create_storage(&origins, sk);

	if (origin) {
		*origin = *flight;
		origin->kind = ABI_ORIGIN_ACCEPTED;
		COUNT_ROW(ABI_ROW(flight->site, ABI_EGRESS), joined);
	}
	bpf_map_delete_elem(&flights, key);
}

static __always_inline void accepted_ingress(struct bpf_sock_ops *ctx,
					     struct bpf_sock *sk,
					     const struct ends *ends)
{
	struct abi_port_key key = {.netns = bpf_get_netns_cookie(ctx),
				   .port = READ(ctx->local_port)};
	__u32 *site = bpf_map_lookup_elem(&ports, &key);
	struct abi_origin *origin;

	if (!site)
		return;
	origin = create_storage(&origins, sk);
	if (!origin)
		return;
	__builtin_memcpy(origin->addr, ends->local, sizeof(origin->addr));
	origin->port = (__u16)ends->local_port;
	origin->kind = ABI_ORIGIN_STEERED;
	origin->site = *site;
	watch(ctx, BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG);
}

static __always_inline void accepted(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct abi_origin *flight;
	struct abi_flight_key key;
	struct ends ends;

	if (!sk)
		return;
	read_ends(ctx, &ends);
	flight_key(ctx, &ends, true, &key);
	flight = bpf_map_lookup_elem(&flights, &key);
	if (flight)
		accepted_egress(sk, &key, flight);
	else
		accepted_ingress(ctx, sk, &ends);
}

/* The row that a socket's own figures count in, or -1. */
static __always_inline int figures_row(struct bpf_sock *sk)
{
	struct abi_origin *origin;
	struct abi_own *mine;

	if (!sk)
		return -1;
	mine = bpf_sk_storage_get(&own, sk, NULL, 0);
	if (mine)
		return (int)mine->row;
	origin = bpf_sk_storage_get(&origins, sk, NULL, 0);
	if (origin && origin->kind == ABI_ORIGIN_STEERED)
		return (int)ABI_ROW(origin->site, ABI_INGRESS);
	return -1;
}

static __always_inline void closed(struct bpf_sock_ops *ctx)
{
	struct abi_origin *origin = client_origin(ctx->sk), *flight;
	struct abi_flight_key key;
	struct ends ends;
	int row;

	if (origin) {
		read_ends(ctx, &ends);
		flight_key(ctx, &ends, false, &key);
		flight = bpf_map_lookup_elem(&flights, &key);
		/* Another socket may have the same addresses by now. */
		if (flight && flight->client == origin->client)
			bpf_map_delete_elem(&flights, &key);
		return;
	}
	row = figures_row(ctx->sk);
	if (row < 0)
		return;
	if (READ(ctx->args[0]) == BPF_TCP_SYN_SENT) {
		forget_own_flight(ctx);
		return;
	}
	COUNT_ROW_BY(row, rtt_us_total, READ(ctx->srtt_us) >> 3);
	COUNT_ROW(row, rtt_samples);
}

SEC("sockops")
int lives(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	int row;

	switch (READ(ctx->op)) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connecting(ctx);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (sk && bpf_sk_storage_get(&own, sk, NULL, 0))
			forget_own_flight(ctx);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		accepted(ctx);
		break;
	case BPF_SOCK_OPS_RETRANS_CB:
		row = figures_row(sk);
		if (row >= 0)
			COUNT_ROW(row, retransmits);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (READ(ctx->args[1]) == BPF_TCP_CLOSE)
			closed(ctx);
		break;
	default:
		break;
	}
	return 1;
}

/* ---- SO_ORIGINAL_DST, as programs know it from netfilter */

struct sockaddr4 {
	__u16 family;
	__u16 port;
	__u32 addr;
	__u8 zero[8];
};

struct sockaddr6 {
	__u16 family;
	__u16 port;
	__u32 flow;
	__u32 addr[4];
	__u32 scope;
};

static __always_inline bool write4(struct bpf_sockopt *ctx,
				   const struct abi_origin *origin)
{
	struct sockaddr4 *out = ctx->optval;

	if ((void *)(out + 1) > ctx->optval_end)
		return false;
	out->family = AF_INET;
	out->port = origin->port;
	out->addr = origin->addr[3];
	__builtin_memset(out->zero, 0, sizeof(out->zero));
	ctx->optlen = sizeof(*out);
	return true;
}

static __always_inline bool write6(struct bpf_sockopt *ctx,
				   const struct abi_origin *origin)
{
	struct sockaddr6 *out = ctx->optval;

	if ((void *)(out + 1) > ctx->optval_end)
		return false;
	out->family = AF_INET6;
	out->port = origin->port;
	out->flow = 0;
	out->addr[0] = origin->addr[0];
	out->addr[1] = origin->addr[1];
	out->addr[2] = origin->addr[2];
	out->addr[3] = origin->addr[3];
	out->scope = 0;
	ctx->optlen = sizeof(*out);
	return true;
}

SEC("cgroup/getsockopt")
int original_dst(struct bpf_sockopt *ctx)
{
	struct abi_origin *origin = NULL;
	bool done = false;

	if (ctx->optname == SO_ORIGINAL_DST && ctx->sk &&
	    (ctx->level == SOL_IP || ctx->level == SOL_IPV6))
		origin = bpf_sk_storage_get(&origins, ctx->sk, NULL, 0);
	if (origin && origin->kind != ABI_ORIGIN_CLIENT) {
		if (ctx->level == SOL_IPV6)
			done = write6(ctx, origin);
		else if (is_mapped(origin->addr))
			done = write4(ctx, origin);
	}
	if (done)
		ctx->retval = 0;
	else if (ctx->optlen > PAGE_SIZE)
		ctx->optlen = 0; /* more than is shown here: as it was */
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
