/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * guard: on connections that a cgroup begins, nothing in the clear leaves for
 * a protected destination, whether the daemon lives or not. connect() is
 * refused at once; what gets past that (older connections, raw packets) is
 * dropped packet by packet. Replies to inbound connections pass.
 *
 * The daemon's own sockets carry a state (struct abi_own). Of the two packet
 * programs user space loads one: `word` believes the daemon that the kernel
 * encrypts, `truth` looks at the socket. Where tls.ko has no BTF, CO-RE turns
 * the look into "no".
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
/* bpf_helpers.h needs the types above */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define FLAG_SYN 0x02
#define FLAG_ACK 0x10
#define EXTENSIONS_MAX 6
#define FRAGMENT_OFFSET 0x1fff
/* include/net/tls.h: TLS_BASE is 0, TLS_SW 1, TLS_HW 2 */
#define TX_ENCRYPTS 1

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct abi_protected_key);
	__type(value, __u32);
} protected SEC(".maps");

/* On sockets of connections that others began. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} inbound SEC(".maps");

static __always_inline bool is_protected(const struct abi_site *site,
					 const __u32 addr[4], __u32 port)
{
	struct abi_protected_key key = {.prefix_bits = 64 + 128};

	__u32 *found;

	if (is_loopback(addr))
		return false;
	key.set = READ(site->guard_rules);
	__builtin_memcpy(key.addr, addr, sizeof(key.addr));
	/* One of the host's own addresses is always the longest match here. */
	found = bpf_map_lookup_elem(&protected, &key);
	if (found)
		return *found == ABI_PROTECTED;
	key.port = port;
	return bpf_map_lookup_elem(&protected, &key) != NULL;
}

/* ---- connect */

static __always_inline int connecting(struct bpf_sock_addr *ctx,
				      const struct abi_site *site,
				      const __u32 addr[4])
{
	struct abi_own *mine = NULL;

	if (!is_protected(site, addr, bpf_ntohs((__u16)READ(ctx->user_port))))
		return 1;
	if (ctx->sk)
		mine = bpf_sk_storage_get(&own, ctx->sk, NULL, 0);
	if (mine && mine->state != ABI_OWN_PLAIN)
		return 1;
	if (READ(site->guard_mode) != ABI_GUARD_ENFORCE) {
		COUNT(ABI_GUARD, guard_observed);
		return 1;
	}
	COUNT(ABI_GUARD, guard_refused);
	bpf_set_retval(-ECONNREFUSED);
	return 0;
}

SEC("cgroup/connect4")
int guard_connect4(struct bpf_sock_addr *ctx)
{
	struct abi_site *site = site_of(site_index);
	__u32 addr[4];

	if (ctx->type != SOCK_STREAM || !site || !READ(site->guard_mode))
		return 1;
	mapped(addr, READ(ctx->user_ip4));
	return connecting(ctx, site, addr);
}

SEC("cgroup/connect6")
int guard_connect6(struct bpf_sock_addr *ctx)
{
	struct abi_site *site = site_of(site_index);
	__u32 addr[4];

	if (ctx->type != SOCK_STREAM || !site || !READ(site->guard_mode))
		return 1;
	addr[0] = READ(ctx->user_ip6[0]);
	addr[1] = READ(ctx->user_ip6[1]);
	addr[2] = READ(ctx->user_ip6[2]);
	addr[3] = READ(ctx->user_ip6[3]);
	return connecting(ctx, site, addr);
}

SEC("sockops")
int guard_accepted(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (READ(ctx->op) == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB && sk)
		create_storage(&inbound, sk);
	return 1;
}

/* ---- packets */

struct packet {
	__u32 from[4];
	__u32 to[4];
	__u32 at; /* offset of what follows the IP headers */
	__u8 protocol;
	bool fragment; /* its ports cannot be read */
	__u16 from_port;
	__u16 to_port;
	__u8 flags;
	bool payload;
};

struct ip4 {
	__u8 version_size;
	__u8 tos;
	__u16 total;
	__u16 id;
	__u16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 sum;
	__u32 from;
	__u32 to;
};

struct ip6 {
	__u32 version_flow;
	__u16 size;
	__u8 next;
	__u8 hops;
	__u32 from[4];
	__u32 to[4];
};

struct tcp {
	__u16 from_port;
	__u16 to_port;
	__u32 sequence;
	__u32 acknowledged;
	__u8 size;
	__u8 flags;
};

static __always_inline bool read_ip4(struct __sk_buff *skb, struct packet *ret)
{
	struct ip4 ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	mapped(ret->from, ip.from);
	mapped(ret->to, ip.to);
	ret->protocol = ip.protocol;
	ret->at = (__u32)(ip.version_size & 15) * 4;
	ret->fragment = (ip.fragment & bpf_htons(FRAGMENT_OFFSET)) != 0;
	return true;
}

/* Behind options of any number TCP would go unseen. */
static __always_inline bool read_ip6(struct __sk_buff *skb, struct packet *ret)
{
	struct ip6 ip;

	if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	__builtin_memcpy(ret->from, ip.from, sizeof(ret->from));
	__builtin_memcpy(ret->to, ip.to, sizeof(ret->to));
	ret->protocol = ip.next;
	ret->at = sizeof(ip);
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		struct {
			__u8 next;
			__u8 size;
			__u16 offset;
		} extension;

		if (ret->protocol != IPPROTO_HOPOPTS &&
		    ret->protocol != IPPROTO_ROUTING &&
		    ret->protocol != IPPROTO_DSTOPTS &&
		    ret->protocol != IPPROTO_FRAGMENT)
			return true;
		if (bpf_skb_load_bytes(skb, ret->at, &extension,
				       sizeof(extension)))
			return false;
		if (ret->protocol == IPPROTO_FRAGMENT &&
		    extension.offset & bpf_htons(0xfff8)) {
			ret->fragment = true;
			ret->protocol = extension.next;
			return true;
		}
		if (ret->protocol == IPPROTO_FRAGMENT)
			extension.size = 0;
		ret->protocol = extension.next;
		ret->at += ((__u32)extension.size + 1) * 8;
	}
	return false;
}

/* Whether it is TCP, or might be for all that can be told. */
static __always_inline bool read_tcp(struct __sk_buff *skb, struct packet *ret)
{
	struct tcp tcp = {0};
	bool known = false;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		known = read_ip4(skb, ret);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		known = read_ip6(skb, ret);
	else
		return false;
	if (known && ret->protocol != IPPROTO_TCP)
		return false;
	ret->fragment |= !known;
	if (ret->fragment)
		return true;
	if (bpf_skb_load_bytes(skb, ret->at, &tcp, sizeof(tcp))) {
		ret->fragment = true;
		return true;
	}
	ret->from_port = tcp.from_port;
	ret->to_port = tcp.to_port;
	ret->flags = tcp.flags;
	ret->payload = skb->len > ret->at + (__u32)(tcp.size >> 4) * 4;
	return true;
}

/* Somebody listens where this packet comes from, so it is an answer. */
static __always_inline bool answers(struct __sk_buff *skb,
				    const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {0};
	struct bpf_sock *found;
	bool listens;

	/* Without the peer's port only a listening socket can be found. */
	if (is_mapped(packet->from)) {
		tuple.ipv4.saddr = packet->to[3];
		tuple.ipv4.daddr = packet->from[3];
		tuple.ipv4.dport = packet->from_port;
		found = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4),
					   BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, packet->to,
				 sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, packet->from,
				 sizeof(tuple.ipv6.daddr));
		tuple.ipv6.dport = packet->from_port;
		found = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6),
					   BPF_F_CURRENT_NETNS, 0);
	}
	if (!found)
		return false;
	listens = found->state == BPF_TCP_LISTEN;
	bpf_sk_release(found);
	return listens;
}

/* ---- what the kernel knows of a socket */

struct tls_context {
	__u8 tx_conf : 3;
	__u8 rx_conf : 3;
} __attribute__((preserve_access_index));

struct tcp_ulp_ops {
	char name[16];
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	const struct tcp_ulp_ops *icsk_ulp_ops;
	void *icsk_ulp_data;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
} __attribute__((preserve_access_index));

static __always_inline bool encrypts(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = (void *)bpf_skc_to_tcp_sock(sk);
	const struct tcp_ulp_ops *ulp;
	struct tls_context *tls;
	char name[4] = {0};

	if (!tcp || !bpf_core_type_exists(struct tls_context))
		return false;
	ulp = BPF_CORE_READ(tcp, inet_conn.icsk_ulp_ops);
	tls = BPF_CORE_READ(tcp, inet_conn.icsk_ulp_data);
	if (!ulp || !tls || bpf_core_read(name, sizeof(name), &ulp->name))
		return false;
	/* The ULP alone does not encrypt: with TLS_BASE plaintext leaves. */
	return name[0] == 't' && name[1] == 'l' && name[2] == 's' && !name[3] &&
	       BPF_CORE_READ_BITFIELD_PROBED(tls, tx_conf) >= TX_ENCRYPTS;
}

/* ---- the verdict */

static __always_inline int stop(const struct abi_site *site, bool mine)
{
	if (READ(site->guard_mode) != ABI_GUARD_ENFORCE) {
		COUNT(ABI_GUARD, guard_observed);
		return 1;
	}
	COUNT(ABI_GUARD, guard_dropped);
	if (mine)
		COUNT(ABI_GUARD, guard_dropped_own);
	return 0;
}

static __always_inline int from_own(const struct abi_site *site,
				    struct bpf_sock *sk,
				    const struct abi_own *mine, bool payload,
				    bool look)
{
	__u32 state = READ(mine->state);

	if (!payload)
		return 1;
	if (state == ABI_OWN_USER) {
		COUNT(ABI_GUARD, guard_user);
		return 1;
	}
	if (state == ABI_OWN_KERNEL && (!look || encrypts(sk))) {
		COUNT(ABI_GUARD, guard_kernel);
		return 1;
	}
	if (state == ABI_OWN_HANDSHAKING &&
	    bpf_ktime_get_ns() < READ(mine->deadline_ns)) {
		COUNT(ABI_GUARD, guard_handshake);
		return 1;
	}
	return stop(site, true);
}

static __always_inline int inspect(struct __sk_buff *skb, bool look)
{
	struct abi_site *site = site_of(site_index);
	struct bpf_sock *sk = skb->sk;
	struct packet packet = {0};
	struct abi_own *mine;

	if (!site || !READ(site->guard_mode) || !read_tcp(skb, &packet))
		return 1;
	if (!packet.fragment &&
	    !is_protected(site, packet.to, bpf_ntohs(packet.to_port)))
		return 1;
	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk || packet.fragment)
		return stop(site, false);
	mine = bpf_sk_storage_get(&own, sk, NULL, 0);
	if (mine)
		return from_own(site, sk, mine, packet.payload, look);
	if ((packet.flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN)
		return stop(site, false);
	if (!packet.payload)
		return 1;
	if (bpf_sk_storage_get(&inbound, sk, NULL, 0) ||
	    answers(skb, &packet)) {
		COUNT(ABI_GUARD, guard_reply);
		return 1;
	}
	return stop(site, false);
}

SEC("cgroup_skb/egress")
int guard_word(struct __sk_buff *skb)
{
	return inspect(skb, false);
}

SEC("cgroup_skb/egress")
int guard_truth(struct __sk_buff *skb)
{
	return inspect(skb, true);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
