/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe: what this kernel really does, found by trying it, on loopback
 * sockets and throw-away rings and programs. Nothing is attached anywhere.
 *
 * Nobody goes by a version number: distributions port features back, and
 * containers take them away.
 */
#ifndef MILLRACE_PROBE_H
#define MILLRACE_PROBE_H

#include <stdbool.h>

#define PROBE_CIPHERS(P, version, VERSION)                                     \
	P(TX##VERSION##_AES128, "tls", version " send AES-128-GCM",            \
	  "sends with the user engine")                                        \
	P(RX##VERSION##_AES128, "tls", version " receive AES-128-GCM",         \
	  "receives with the user engine")                                     \
	P(TX##VERSION##_AES256, "tls", version " send AES-256-GCM",            \
	  "sends with the user engine")                                        \
	P(RX##VERSION##_AES256, "tls", version " receive AES-256-GCM",         \
	  "receives with the user engine")                                     \
	P(TX##VERSION##_CHACHA20, "tls", version " send ChaCha20-Poly1305",    \
	  "sends with the user engine")                                        \
	P(RX##VERSION##_CHACHA20, "tls", version " receive ChaCha20-Poly1305", \
	  "receives with the user engine")

/* P(id, group, feature, what millrace does without it) */
#define PROBES(P)                                                          \
	P(ULP, "tls", "TCP_ULP tls", "both directions in the user engine") \
	PROBE_CIPHERS(P, "TLS 1.2", 12)                                    \
	PROBE_CIPHERS(P, "TLS 1.3", 13)                                    \
	P(REKEY_TX, "tls", "new key for sending (TLS 1.3)",                \
	  "closes with close_notify when a key is used up")                \
	P(REKEY_RX, "tls", "new key for receiving (TLS 1.3)",              \
	  "closes when the peer updates its key")                          \
	P(PAYLOAD_MAX, "tls", "TLS_TX_MAX_PAYLOAD_LEN",                    \
	  "user engine where a fragment limit was negotiated")             \
	P(NO_PAD, "tls", "TLS_RX_EXPECT_NO_PAD endures a padded record",   \
	  "lets the kernel copy once more")                                \
	P(SPLICE, "tls", "splice from kTLS to a full pipe loses nothing",  \
	  "copies through its own buffers")                                \
	P(RING, "io_uring", "SINGLE_ISSUER and DEFER_TASKRUN",             \
	  "does not start")                                                \
	P(RING_ACCEPT, "io_uring", "multishot accept", "does not start")   \
	P(RING_CONNECT, "io_uring", "connect", "does not start")           \
	P(RING_RECV, "io_uring", "receive into provided buffers",          \
	  "does not start")                                                \
	P(RING_SEND, "io_uring", "send", "does not start")                 \
	P(RING_POLL, "io_uring", "poll", "does not start")                 \
	P(RING_READ, "io_uring", "read", "does not start")                 \
	P(RING_CANCEL, "io_uring", "cancel", "does not start")             \
	P(RING_SENDMSG, "io_uring", "sendmsg", "calls sendmsg(2)")         \
	P(RING_RECVMSG, "io_uring", "recvmsg", "calls recvmsg(2)")         \
	P(RING_SHUTDOWN, "io_uring", "shutdown", "calls shutdown(2)")      \
	P(RING_CLOSE, "io_uring", "close", "calls close(2)")               \
	P(RING_MSG, "io_uring", "message to a ring",                       \
	  "wakes workers by eventfd")                                      \
	P(RING_BUNDLE, "io_uring", "receive bundles",                      \
	  "one buffer per receive")                                        \
	P(RING_SEND_ZC, "io_uring", "zero-copy send", "copies")            \
	P(RING_SOCKOPT, "io_uring", "setsockopt", "calls setsockopt(2)")   \
	P(BPF_MMAPABLE, "bpf", "mmap-able array",                          \
	  "counters in plain memory, for HTTP only")                       \
	P(BPFFS, "bpf", "a bpffs is mounted",                              \
	  "counters in plain memory, for HTTP only")                       \
	P(BTF, "bpf", "the kernel describes its types (BTF)",              \
	  "counters in plain memory; no guard by kernel truth")            \
	P(BPF_CONNECT4, "bpf", "program cgroup/connect4",                  \
	  "no interception of egress, IPv4")                               \
	P(BPF_CONNECT6, "bpf", "program cgroup/connect6",                  \
	  "no interception of egress, IPv6")                               \
	P(BPF_GETPEERNAME4, "bpf", "program cgroup/getpeername4",          \
	  "the application sees the listener as its peer, IPv4")           \
	P(BPF_GETPEERNAME6, "bpf", "program cgroup/getpeername6",          \
	  "the application sees the listener as its peer, IPv6")           \
	P(BPF_GETSOCKOPT, "bpf", "program cgroup/getsockopt",              \
	  "no SO_ORIGINAL_DST")                                            \
	P(BPF_SOCK_OPS, "bpf", "program sockops", "no interception")       \
	P(BPF_SKB, "bpf", "program cgroup_skb/egress", "no guard")         \
	P(BPF_SK_LOOKUP, "bpf", "program sk_lookup",                       \
	  "no interception of ingress")                                    \
	P(BPF_REUSEPORT, "bpf", "program sk_reuseport",                    \
	  "nothing: the kernel's hash spreads connections in any case")    \
	P(BPF_SK_STORAGE, "bpf", "map sk_storage", "no interception")

enum probe_id {
#define PROBE_ID(id, group, feature, without) PROBE_##id,
	PROBES(PROBE_ID)
#undef PROBE_ID
	PROBE_COUNT,
};

enum probe_state {
	PROBE_UNTRIED, /* something it stands on is missing */
	PROBE_NO,
	PROBE_YES,
};

struct probe {
	struct probe_result {
		enum probe_state state;
		int error; /* errno of a NO, 0: none told */
	} results[PROBE_COUNT];
};

/* Tries everything; takes some milliseconds, leaves nothing behind. */
void probe_run(struct probe *ret);

static inline bool probe_has(const struct probe *probe, enum probe_id id)
{
	return probe->results[id].state == PROBE_YES;
}

/* The words of a row. */
const char *probe_group(enum probe_id id);
const char *probe_feature(enum probe_id id);
const char *probe_without(enum probe_id id);

/* For the parts: error 0 is a yes, a negative errno is a no. */
void probe_note(struct probe *probe, enum probe_id id, int error);

/* The parts, in their order. */
void probe_tls(struct probe *probe);
void probe_ring(struct probe *probe);
void probe_bpf(struct probe *probe);

#endif
