/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * counters: every counter, once. The lists make the rows of the BPF maps,
 * the field names that bpftool prints (BTF), /stats and its help.
 *
 * C(field, "name in /stats below the scope", "help"); fields are u64 and are
 * only ever appended. C counts up, G is a gauge.
 *
 * One row per (listener or cluster, worker), with that worker as the only
 * writer: plain stores, no atomics, no line shared between writers.
 */
#ifndef MILLRACE_COUNTERS_H
#define MILLRACE_COUNTERS_H

#define COUNTERS_SCHEMA 1
#define COUNTERS_NAME_MAX 64

/* Why a direction runs in user space: the same for listeners and clusters. */
#define FALLBACK_COUNTERS(C)                                                  \
	C(fallback_no_ulp, "millrace.fallback.no_ulp",                        \
	  "directions kept in user space: this kernel has no TLS ULP")        \
	C(fallback_cipher, "millrace.fallback.cipher_refused",                \
	  "directions kept in user space: the kernel refused the cipher")     \
	C(fallback_key, "millrace.fallback.key_refused",                      \
	  "directions kept in user space: the kernel refused the key")        \
	C(fallback_rekey, "millrace.fallback.rekey_required",                 \
	  "directions kept in user space: rekey is required, and the kernel " \
	  "cannot")                                                           \
	C(fallback_fragment, "millrace.fallback.fragment_limit",              \
	  "directions kept in user space: a fragment limit was negotiated")   \
	C(fallback_configured, "millrace.fallback.configured",                \
	  "directions kept in user space: the configuration says so")

/* What happens on a TLS side, downstream or upstream. */
#define TLS_COUNTERS(C)                                                       \
	C(ssl_connection_error, "ssl.connection_error",                       \
	  "TLS errors that are not about a certificate")                      \
	C(ssl_handshake, "ssl.handshake", "completed handshakes")             \
	C(ssl_session_reused, "ssl.session_reused",                           \
	  "completed handshakes that resumed a session")                      \
	C(ssl_no_certificate, "ssl.no_certificate",                           \
	  "completed handshakes without a peer certificate")                  \
	C(ssl_fail_verify_no_cert, "ssl.fail_verify_no_cert",                 \
	  "peers refused: no certificate")                                    \
	C(ssl_fail_verify_error, "ssl.fail_verify_error",                     \
	  "peers refused: the chain does not validate")                       \
	C(ssl_fail_verify_san, "ssl.fail_verify_san",                         \
	  "peers refused: no name matches")                                   \
	C(ssl_fail_verify_cert_hash, "ssl.fail_verify_cert_hash",             \
	  "peers refused: not a pinned certificate")                          \
	C(engine_tx_kernel, "millrace.engine.tx_kernel",                      \
	  "sending directions that moved to the kernel engine")               \
	C(engine_rx_kernel, "millrace.engine.rx_kernel",                      \
	  "receiving directions that moved to the kernel engine")             \
	C(engine_tx_user, "millrace.engine.tx_user",                          \
	  "sending directions that stayed in the user engine")                \
	C(engine_rx_user, "millrace.engine.rx_user",                          \
	  "receiving directions that stayed in the user engine")              \
	FALLBACK_COUNTERS(C)                                                  \
	C(engine_refused, "millrace.engine_refused",                          \
	  "connections refused: engine kernel is demanded and cannot be had") \
	C(key_update_rx, "millrace.key_update.received",                      \
	  "KeyUpdate messages received")                                      \
	C(key_update_tx, "millrace.key_update.sent",                          \
	  "KeyUpdate messages sent")                                          \
	C(key_update_unsupported, "millrace.key_update.unsupported",          \
	  "connections closed: KeyUpdate where the kernel cannot rekey")      \
	C(aead_limit, "millrace.aead_limit",                                  \
	  "connections closed: key exhausted and no rekey possible")          \
	C(ticket_rx, "millrace.ticket.received",                              \
	  "session tickets received after the handshake")                     \
	C(truncated, "millrace.truncated",                                    \
	  "streams that ended by FIN without close_notify")                   \
	C(bad_record, "millrace.bad_record",                                  \
	  "connections closed: a record that does not authenticate or parse") \
	C(post_handshake_refused, "millrace.post_handshake_refused",          \
	  "renegotiation or post-handshake authentication refused")           \
	C(record_flood, "millrace.record_flood",                              \
	  "connections closed: too many records without data")                \
	C(peer_alert, "millrace.peer_alert", "fatal alerts received")

#define LISTENER_COUNTERS(C, G)                                                \
	C(cx_total, "downstream_cx_total", "connections accepted")             \
	G(cx_active, "downstream_cx_active", "connections open")               \
	C(cx_destroy, "downstream_cx_destroy", "connections ended")            \
	C(cx_length_ms, "millrace.cx_length_ms_total",                         \
	  "milliseconds that ended connections lasted, summed")                \
	C(cx_overflow, "downstream_cx_overflow",                               \
	  "connections refused: connection limit")                             \
	C(cx_overload, "downstream_cx_overload_reject",                        \
	  "connections refused: handshakes in flight limit")                   \
	C(handshake_timeout, "downstream_cx_transport_socket_connect_timeout", \
	  "connections closed: handshake too slow")                            \
	C(idle_timeout, "millrace.idle_timeout",                               \
	  "connections closed: nothing moved for too long")                    \
	C(no_upstream, "millrace.no_upstream",                                 \
	  "connections reset: no endpoint could be reached")                   \
	C(accept_paused, "millrace.accept_paused",                             \
	  "times that accepting paused for want of descriptors or memory")     \
	C(buffer_wait, "millrace.buffer_wait",                                 \
	  "times that a receive waited for a buffer")                          \
	C(rx_bytes, "millrace.rx_bytes", "application bytes from downstream")  \
	C(tx_bytes, "millrace.tx_bytes", "application bytes to downstream")    \
	C(reset, "millrace.reset", "connections that ended by reset")          \
	G(handshakes, "millrace.handshakes_active", "handshakes in flight")    \
	TLS_COUNTERS(C)

#define CLUSTER_COUNTERS(C, G)                                    \
	C(cx_total, "upstream_cx_total", "connections begun")     \
	G(cx_active, "upstream_cx_active", "connections open")    \
	C(cx_destroy, "upstream_cx_destroy", "connections ended") \
	C(cx_connect_fail, "upstream_cx_connect_fail",            \
	  "endpoints that refused or failed")                     \
	C(cx_connect_timeout, "upstream_cx_connect_timeout",      \
	  "endpoints that did not answer in time")                \
	C(handshake_timeout, "millrace.handshake_timeout",        \
	  "upstream handshakes that were too slow")               \
	C(none_healthy, "upstream_cx_none_healthy",               \
	  "connections that found no endpoint left")              \
	C(rx_bytes, "upstream_cx_rx_bytes_total",                 \
	  "application bytes from upstream")                      \
	C(tx_bytes, "upstream_cx_tx_bytes_total",                 \
	  "application bytes to upstream")                        \
	TLS_COUNTERS(C)

#define COUNTERS_FIELD(field, name, help) unsigned long long field;

/* Begins with who it belongs to, so that a dump explains itself. */
struct listener_row {
	char name[COUNTERS_NAME_MAX];
	char address[COUNTERS_NAME_MAX]; /* as in /stats: 0.0.0.0_15000 */
	unsigned int worker;
	unsigned int generation;
	unsigned int schema;
	unsigned int used; /* 0: a free row, all else is meaningless */
	LISTENER_COUNTERS(COUNTERS_FIELD, COUNTERS_FIELD)
} __attribute__((aligned(128)));

struct cluster_row {
	char name[COUNTERS_NAME_MAX];
	unsigned int worker;
	unsigned int generation;
	unsigned int schema;
	unsigned int used;
	CLUSTER_COUNTERS(COUNTERS_FIELD, COUNTERS_FIELD)
} __attribute__((aligned(128)));

#endif
