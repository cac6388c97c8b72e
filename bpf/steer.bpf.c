/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * steer: which listening socket a new connection reaches, decided per SYN in
 * one network namespace, before the kernel looks at bound addresses. So the
 * application keeps its port, and listeners are exchanged by a map's update.
 *
 * The namespace is told at loading: its cookie cannot be asked for here, and
 * a socket of another namespace would swallow connections silently.
 */
#include <linux/bpf.h>
#include <linux/in.h>
/* bpf_helpers.h needs the types above */
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define LOOPBACK_IFINDEX 1

const volatile __u64 netns_cookie = 0;

/* The worker of this CPU, so that a connection stays where it arrived. */
static __always_inline struct bpf_sock *listener(const struct abi_site *site,
						 __u32 direction)
{
	__u32 shards = READ(site->shards[direction & 1]);
	__u32 slot = ABI_SOCKET(site_index, direction, 0);
	struct bpf_sock *found;

	if (shards > 1) {
		__u32 shard = bpf_get_smp_processor_id() % shards;
		__u32 chosen = slot + shard;

		found = bpf_map_lookup_elem(&sockets, &chosen);
		if (found)
			return found;
	}
	return bpf_map_lookup_elem(&sockets, &slot);
}

static __always_inline int assign(struct bpf_sk_lookup *ctx,
				  struct bpf_sock *found)
{
	/* Not whoever shares the address with it: it may be its successor
	 * that is meant, or its predecessor that is not. */
	long r = bpf_sk_assign(ctx, found, BPF_SK_LOOKUP_F_NO_REUSEPORT);

	bpf_sk_release(found);
	return r ? SK_DROP : SK_PASS;
}

static __always_inline void read_remote(struct bpf_sk_lookup *ctx, __u32 ret[4])
{
	__u32 remote4 = READ(ctx->remote_ip4);

	ret[0] = READ(ctx->remote_ip6[0]);
	ret[1] = READ(ctx->remote_ip6[1]);
	ret[2] = READ(ctx->remote_ip6[2]);
	ret[3] = READ(ctx->remote_ip6[3]);
	if (READ(ctx->family) == AF_INET)
		mapped(ret, remote4);
}

/* Our own connection to the application must not come back to us. */
static __always_inline bool is_own(struct bpf_sk_lookup *ctx)
{
	struct abi_own_flight_key key = {.netns = netns_cookie};

	read_remote(ctx, key.from);
	key.from_port = (__u16)READ(ctx->remote_port);
	return bpf_map_lookup_elem(&own_flights, &key) != NULL;
}

static __always_inline int ingress(struct bpf_sk_lookup *ctx,
				   const struct abi_site *site)
{
	struct bpf_sock *found;

	/* Without a port it is the guard that asks: answered, not counted. */
	if (!READ(ctx->remote_port)) {
		found = listener(site, ABI_INGRESS);
		return found ? assign(ctx, found) : SK_DROP;
	}
	if (is_own(ctx)) {
		COUNT(ABI_INGRESS, steered_own);
		return SK_PASS;
	}
	found = listener(site, ABI_INGRESS);
	if (!found) {
		if (READ(site->ingress_open)) {
			COUNT(ABI_INGRESS, failed_open);
			return SK_PASS;
		}
		COUNT(ABI_INGRESS, failed_closed);
		return SK_DROP;
	}
	COUNT(ABI_INGRESS, steered);
	return assign(ctx, found);
}

static __always_inline bool on_loopback(struct bpf_sk_lookup *ctx)
{
	if (READ(ctx->ingress_ifindex) != LOOPBACK_IFINDEX)
		return false;
	if (READ(ctx->family) == AF_INET)
		return (READ(ctx->local_ip4) & bpf_htonl(0xff000000)) ==
		       bpf_htonl(0x7f000000);
	return !READ(ctx->local_ip6[0]) && !READ(ctx->local_ip6[1]) &&
	       !READ(ctx->local_ip6[2]) &&
	       READ(ctx->local_ip6[3]) == bpf_htonl(1);
}

static __always_inline bool in_flight(struct bpf_sk_lookup *ctx)
{
	struct abi_flight_key key = {.netns = netns_cookie};
	__u32 local4 = READ(ctx->local_ip4);

	read_remote(ctx, key.from);
	key.to[0] = READ(ctx->local_ip6[0]);
	key.to[1] = READ(ctx->local_ip6[1]);
	key.to[2] = READ(ctx->local_ip6[2]);
	key.to[3] = READ(ctx->local_ip6[3]);
	if (READ(ctx->family) == AF_INET)
		mapped(key.to, local4);
	key.from_port = (__u16)READ(ctx->remote_port);
	key.to_port = bpf_htons((__u16)READ(ctx->local_port));
	return bpf_map_lookup_elem(&flights, &key) != NULL;
}

/* Whether it is where connect4,6 send applications. A port that a reload has
 * changed may still be on its way; whoever else goes there is not redirected
 * any more. */
static __always_inline bool redirected(struct bpf_sk_lookup *ctx,
				       const struct abi_site *site)
{
	__u32 port = READ(ctx->local_port);

	if (!port || !on_loopback(ctx))
		return false;
	return port == READ(site->egress_port) ||
	       (port == READ(site->egress_port_before) && in_flight(ctx));
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct abi_port_key key = {.netns = netns_cookie};
	struct abi_site *site = site_of(site_index);
	struct bpf_sock *found;
	__u32 *wanted;

	if (!site || READ(ctx->protocol) != IPPROTO_TCP)
		return SK_PASS;
	if (redirected(ctx, site)) {
		/* Nobody else may have this port: it is where applications
		 * are sent with what they think is private. */
		found = listener(site, ABI_EGRESS);
		return found ? assign(ctx, found) : SK_DROP;
	}
	key.port = READ(ctx->local_port);
	wanted = bpf_map_lookup_elem(&ports, &key);
	if (!wanted || *wanted != site_index)
		return SK_PASS;
	return ingress(ctx, site);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
