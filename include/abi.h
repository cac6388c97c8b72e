/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * abi: what the interception's BPF programs and user space say to each other.
 *
 * Everything here lies in pinned maps, which outlive a daemon: fields are
 * only appended. Addresses are always 16 bytes, IPv4 as ::ffff:a.b.c.d, in
 * network order like ports; what is in host order says so.
 *
 * A site is one (cgroup, network namespace) whose traffic is intercepted.
 */
#ifndef MILLRACE_ABI_H
#define MILLRACE_ABI_H

#include <linux/types.h>

#define ABI_NAME_MAX 64
#define ABI_SITES_MAX 64
/* Listening sockets of one site and direction: one per worker. */
#define ABI_SHARDS_MAX 64

enum abi_direction {
	ABI_EGRESS,
	ABI_INGRESS,
	ABI_GUARD,
	ABI_DIRECTIONS,
};

/* A site's rows and sockets lie side by side. */
#define ABI_ROW(site, direction) ((site)*ABI_DIRECTIONS + (direction))
#define ABI_SOCKET(site, direction, shard) \
	(((site)*2 + (direction)) * ABI_SHARDS_MAX + (shard))

enum abi_guard_mode {
	ABI_GUARD_OFF,
	ABI_GUARD_ENFORCE,
	ABI_GUARD_OBSERVE,
};

/*
 * Each field is written alone, by one user-space writer, through a mapping.
 * A set of rules is complete before its number is stored here: that is how
 * rules change at once.
 */
struct abi_site {
	char name[ABI_NAME_MAX];
	__u32 used;
	__u32 rules;	   /* the set of exceptions and networks in force */
	__u32 guard_rules; /* the set of protected destinations in force */
	__u32 guard_mode;  /* enum abi_guard_mode */
	__u32 egress_port; /* host order */
	__u32 egress_open; /* without a listener: 1 lets go, 0 refuses */
	__u32 ingress_open;
	__u32 shards[2];	  /* listening sockets, by direction */
	__u32 egress_port_before; /* until a reload changed it; or 0 */
} __attribute__((aligned(128)));

/* Whose connection must be left alone, besides networks. */
enum abi_exception {
	ABI_EXCEPTION_UID,
	ABI_EXCEPTION_GID,
	ABI_EXCEPTION_PORT, /* value in host order */
};

struct abi_exception_key {
	__u32 set;
	__u32 kind;
	__u32 value;
};

/* Longest prefix first; the set is always compared whole. */
struct abi_network_key {
	__u32 prefix_bits; /* 32 + those of addr */
	__u32 set;
	__u32 addr[4];
};

enum abi_network {
	ABI_NETWORK_IGNORED,
	ABI_NETWORK_LOCAL, /* an address of this host or pod itself */
};

/* Values of the protected destinations' map. */
enum abi_protected {
	ABI_PROTECTED = 1,
	ABI_PROTECTED_NOT, /* an address of the host itself: nothing leaves */
};

struct abi_protected_key {
	__u32 prefix_bits; /* 64 + those of addr */
	__u32 set;
	__u32 port; /* host order; 0: all */
	__u32 addr[4];
};

enum abi_origin_kind {
	ABI_ORIGIN_CLIENT,   /* on the application's socket */
	ABI_ORIGIN_ACCEPTED, /* on ours, redirected by egress */
	ABI_ORIGIN_STEERED,  /* on ours, steered by ingress */
};

/* In a socket's storage: where its connection was meant to go. */
struct abi_origin {
	__u32 addr[4];
	__u16 port;
	__u16 kind; /* enum abi_origin_kind */
	__u32 site;
	__u64 client; /* the client's socket cookie */
	__u32 uid;
	__u32 pid;
};

/* A redirected connection that is not yet accepted. */
struct abi_flight_key {
	__u64 netns; /* cookie */
	__u32 from[4];
	__u32 to[4];
	__u16 from_port;
	__u16 to_port;
	__u32 zero;
};

/* A connection of the daemon's own that has sent SYN and no more. */
struct abi_own_flight_key {
	__u64 netns;
	__u32 from[4];
	__u32 from_port;
	__u32 zero;
};

struct abi_port_key {
	__u64 netns;
	__u32 port; /* host order */
	__u32 zero;
};

/* What a socket of the daemon's own may send to a protected destination. */
enum abi_own_state {
	ABI_OWN_PLAIN,	     /* nothing */
	ABI_OWN_HANDSHAKING, /* anything until its deadline */
	ABI_OWN_USER,	     /* anything: the daemon encrypts itself */
	ABI_OWN_KERNEL,	     /* what goes through kTLS */
};

struct abi_own {
	__u32 state; /* enum abi_own_state */
	__u32 row;   /* where its retransmits and round trips count */
	__u64 deadline_ns;
};

/* C(field, directions, "name in /stats", "help"): only ever appended. In
 * which directions a counter can move: */
#define INTERCEPT_E (1 << ABI_EGRESS)
#define INTERCEPT_I (1 << ABI_INGRESS)
#define INTERCEPT_G (1 << ABI_GUARD)

#define INTERCEPT_COUNTERS(C)                                                 \
	C(field, INTERCEPT_E, "field", "help")                                \
	C(redirected, INTERCEPT_E, "redirected",                              \
	  "connections sent to the egress listener")                          \
	C(joined, INTERCEPT_E, "joined",                                      \
	  "redirected connections accepted with their destination known")     \
	C(ignored_own, INTERCEPT_E, "ignored_own",                            \
	  "connections left alone: they are the daemon's own")                \
	C(ignored_local, INTERCEPT_E, "ignored_local",                        \
	  "connections left alone: loopback or to an address of its own")     \
	C(ignored_uid, INTERCEPT_E, "ignored_uid",                            \
	  "connections left alone: the user is ignored")                      \
	C(ignored_gid, INTERCEPT_E, "ignored_gid",                            \
	  "connections left alone: the group is ignored")                     \
	C(ignored_port, INTERCEPT_E, "ignored_port",                          \
	  "connections left alone: the port is ignored")                      \
	C(ignored_cidr, INTERCEPT_E, "ignored_cidr",                          \
	  "connections left alone: the destination is ignored")               \
	C(failed_open, INTERCEPT_E | INTERCEPT_I, "failed_open",              \
	  "connections let go in the clear: no listener, and fail_open")      \
	C(failed_closed, INTERCEPT_E | INTERCEPT_I, "failed_closed",          \
	  "connections refused: no listener")                                 \
	C(no_memory, INTERCEPT_E, "no_memory",                                \
	  "connections refused: no room to remember their destination")       \
	C(steered, INTERCEPT_I, "steered",                                    \
	  "connections steered to the ingress listener")                      \
	C(steered_own, INTERCEPT_I, "steered_own",                            \
	  "connections of the daemon's own that reached the application")     \
	C(guard_refused, INTERCEPT_G, "refused",                              \
	  "connect() calls refused: the destination is protected")            \
	C(guard_dropped, INTERCEPT_G, "dropped",                              \
	  "packets dropped: in the clear to a protected destination")         \
	C(guard_dropped_own, INTERCEPT_G, "dropped_own",                      \
	  "of those, from the daemon's own sockets")                          \
	C(guard_observed, INTERCEPT_G, "observed",                            \
	  "connect() calls and packets that mode enforce would have stopped") \
	C(guard_handshake, INTERCEPT_G, "passed_handshake",                   \
	  "packets passed: a handshake of the daemon's")                      \
	C(guard_user, INTERCEPT_G, "passed_user",                             \
	  "packets passed: encrypted by the daemon")                          \
	C(guard_kernel, INTERCEPT_G, "passed_kernel",                         \
	  "packets passed: encrypted by the kernel")                          \
	C(guard_reply, INTERCEPT_G, "passed_reply",                           \
	  "packets passed: replies on inbound connections")                   \
	C(retransmits, INTERCEPT_E | INTERCEPT_I, "retransmits",              \
	  "segments that were sent again")                                    \
	C(rtt_us_total, INTERCEPT_E | INTERCEPT_I, "rtt_us_total",            \
	  "smoothed round trips in microseconds at the end, summed")          \
	C(rtt_samples, INTERCEPT_E | INTERCEPT_I, "rtt_samples",              \
	  "connections in rtt_us_total")

#define INTERCEPT_FIELD(field, directions, name, help) __u64 field;

/* Per CPU; row ABI_ROW(site, direction). */
struct intercept_row {
	INTERCEPT_COUNTERS(INTERCEPT_FIELD)
};

#endif
