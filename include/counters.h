/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * counters: every counter, once. The lists make the rows of the BPF maps,
 * the field names that bpftool prints (BTF), /stats and its help.
 *
 * C(field, "name in /stats below the scope", "help"); fields are u64 and are
 * only ever appended. C counts up, G is a gauge.
 *
 * One row per (listener or cluster, worker), with that worker as the only
 * writer: plain stores, no atomics, no line shared between writers. Only what
 * discovery counts (membership_*, update_*) has another writer, the control
 * thread, in the row of worker 0.
 */
#ifndef MILLRACE_COUNTERS_H
#define MILLRACE_COUNTERS_H

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
	C(close_unanswered, "millrace.close_unanswered",                      \
	  "streams that ended by FIN alone, after our own close_notify")      \
	C(bad_record, "millrace.bad_record",                                  \
	  "connections closed: a record that does not authenticate or parse") \
	C(post_handshake_refused, "millrace.post_handshake_refused",          \
	  "renegotiation or post-handshake authentication refused")           \
	C(record_flood, "millrace.record_flood",                              \
	  "connections closed: too many records without data")                \
	C(peer_untrusted, "millrace.peer_untrusted",                          \
	  "connections closed: trust or a revocation list changed, and the "  \
	  "peer's certificate is good no longer")                             \
	C(peer_expired, "millrace.peer_expired",                              \
	  "connections closed: the peer's certificate has expired")           \
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
	  "times that a receive found the ring out of buffers")                \
	C(rx_bytes, "millrace.rx_bytes", "application bytes from downstream")  \
	C(tx_bytes, "millrace.tx_bytes", "application bytes to downstream")    \
	C(reset, "millrace.reset", "connections that ended by reset")          \
	G(handshakes, "millrace.handshakes_active", "handshakes in flight")    \
	C(access_log_dropped, "millrace.access_log_dropped",                   \
	  "lines of the access log dropped: it is written too slowly")         \
	TLS_COUNTERS(C)                                                        \
	C(tls_found, "tls_inspector.tls_found",                                \
	  "permissive: clients that spoke TLS")                                \
	C(tls_not_found, "tls_inspector.tls_not_found",                        \
	  "permissive: clients that spoke something else, or nothing")         \
	C(sniff_closed, "tls_inspector.connection_closed",                     \
	  "permissive: clients that ended before they said anything")          \
	C(sniff_read_error, "tls_inspector.read_error",                        \
	  "permissive: clients that were lost before they said anything")      \
	C(sni_found, "tls_inspector.sni_found",                                \
	  "ClientHellos with a server's name")                                 \
	C(sni_not_found, "tls_inspector.sni_not_found",                        \
	  "ClientHellos without one")                                          \
	C(alpn_found, "tls_inspector.alpn_found",                              \
	  "ClientHellos with protocols of the application")                    \
	C(alpn_not_found, "tls_inspector.alpn_not_found",                      \
	  "ClientHellos without")                                              \
	C(hello_too_large, "tls_inspector.client_hello_too_large",             \
	  "ClientHellos of more than 16 KiB")                                  \
	C(no_route, "no_filter_chain_match",                                   \
	  "connections refused: no route for the name")                        \
	C(ocsp_requests, "ssl.ocsp_staple_requests",                           \
	  "handshakes whose client asked for a stapled OCSP response")         \
	C(ocsp_responses, "ssl.ocsp_staple_responses", "... and that had one") \
	C(ocsp_omitted, "ssl.ocsp_staple_omitted",                             \
	  "... and that had none: there is no file, or it is out of date")     \
	C(ahead_refused, "millrace.dialled_ahead_refused",                     \
	  "permissive: connections refused: too many silent ones of a source") \
	G(pre_cx_active, "downstream_pre_cx_active",                           \
	  "connections whose first bytes are waited for")                      \
	C(pre_cx_timeout, "downstream_pre_cx_timeout",                         \
	  "connections whose first bytes did not come in time")

#define CLUSTER_COUNTERS(C, G)                                              \
	C(cx_total, "upstream_cx_total", "connections begun")               \
	G(cx_active, "upstream_cx_active", "connections open")              \
	C(cx_destroy, "upstream_cx_destroy", "connections ended")           \
	C(cx_connect_fail, "upstream_cx_connect_fail",                      \
	  "endpoints that refused or failed")                               \
	C(cx_connect_timeout, "upstream_cx_connect_timeout",                \
	  "endpoints that did not answer in time")                          \
	C(handshake_timeout, "millrace.handshake_timeout",                  \
	  "upstream handshakes that were too slow")                         \
	C(none_healthy, "upstream_cx_none_healthy",                         \
	  "connections that found no endpoint left")                        \
	G(membership_total, "membership_total", "endpoints")                \
	G(membership_healthy, "membership_healthy",                         \
	  "endpoints that may be dialled")                                  \
	C(membership_change, "membership_change",                           \
	  "times that the set of endpoints changed")                        \
	C(update_attempt, "update_attempt", "lookups begun")                \
	C(update_success, "update_success", "lookups that found addresses") \
	C(update_failure, "update_failure", "lookups that failed")          \
	C(update_empty, "update_empty",                                     \
	  "lookups of names that have no address")                          \
	C(rx_bytes, "upstream_cx_rx_bytes_total",                           \
	  "application bytes from upstream")                                \
	C(tx_bytes, "upstream_cx_tx_bytes_total",                           \
	  "application bytes to upstream")                                  \
	TLS_COUNTERS(C)                                                     \
	C(cx_idle_timeout, "upstream_cx_idle_timeout",                      \
	  "connections closed: nothing moved for too long")                 \
	C(cx_destroy_local, "upstream_cx_destroy_local",                    \
	  "connections that we ended first")                                \
	C(cx_destroy_remote, "upstream_cx_destroy_remote",                  \
	  "connections that the upstream ended first")                      \
	C(ticket_dropped, "millrace.ticket.dropped",                        \
	  "... of which were not kept: too late, too large, or "            \
	  "resumption is off")

#define COUNTERS_FIELD(field, name, help) unsigned long long field;

/*
 * What a handshake ended with, counted by name: N(field, kind, name in
 * OpenSSL, name in /stats), "ssl.<kind>.<name>".
 */
#define NEGOTIATED_COUNTERS(N)                                               \
	N(tls12, versions, "TLSv1.2", "TLSv1.2")                             \
	N(tls13, versions, "TLSv1.3", "TLSv1.3")                             \
	N(versions_other, versions, "", "other")                             \
	N(aes128_sha256, ciphers, "TLS_AES_128_GCM_SHA256",                  \
	  "TLS_AES_128_GCM_SHA256")                                          \
	N(aes256_sha384, ciphers, "TLS_AES_256_GCM_SHA384",                  \
	  "TLS_AES_256_GCM_SHA384")                                          \
	N(chacha20_sha256, ciphers, "TLS_CHACHA20_POLY1305_SHA256",          \
	  "TLS_CHACHA20_POLY1305_SHA256")                                    \
	N(ecdsa_aes128, ciphers, "ECDHE-ECDSA-AES128-GCM-SHA256",            \
	  "ECDHE-ECDSA-AES128-GCM-SHA256")                                   \
	N(ecdsa_aes256, ciphers, "ECDHE-ECDSA-AES256-GCM-SHA384",            \
	  "ECDHE-ECDSA-AES256-GCM-SHA384")                                   \
	N(ecdsa_chacha20, ciphers, "ECDHE-ECDSA-CHACHA20-POLY1305",          \
	  "ECDHE-ECDSA-CHACHA20-POLY1305")                                   \
	N(rsa_aes128, ciphers, "ECDHE-RSA-AES128-GCM-SHA256",                \
	  "ECDHE-RSA-AES128-GCM-SHA256")                                     \
	N(rsa_aes256, ciphers, "ECDHE-RSA-AES256-GCM-SHA384",                \
	  "ECDHE-RSA-AES256-GCM-SHA384")                                     \
	N(rsa_chacha20, ciphers, "ECDHE-RSA-CHACHA20-POLY1305",              \
	  "ECDHE-RSA-CHACHA20-POLY1305")                                     \
	N(ciphers_other, ciphers, "", "other")                               \
	N(x25519, curves, "x25519", "X25519")                                \
	N(p256, curves, "secp256r1", "P-256")                                \
	N(p384, curves, "secp384r1", "P-384")                                \
	N(p521, curves, "secp521r1", "P-521")                                \
	N(x448, curves, "x448", "X448")                                      \
	N(curves_other, curves, "", "other")                                 \
	N(ecdsa_sha256, sigalgs, "ecdsa_secp256r1_sha256",                   \
	  "ecdsa_secp256r1_sha256")                                          \
	N(ecdsa_sha384, sigalgs, "ecdsa_secp384r1_sha384",                   \
	  "ecdsa_secp384r1_sha384")                                          \
	N(ecdsa_sha512, sigalgs, "ecdsa_secp521r1_sha512",                   \
	  "ecdsa_secp521r1_sha512")                                          \
	N(pss_sha256, sigalgs, "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha256") \
	N(pss_sha384, sigalgs, "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha384") \
	N(pss_sha512, sigalgs, "rsa_pss_rsae_sha512", "rsa_pss_rsae_sha512") \
	N(pkcs1_sha256, sigalgs, "rsa_pkcs1_sha256", "rsa_pkcs1_sha256")     \
	N(pkcs1_sha384, sigalgs, "rsa_pkcs1_sha384", "rsa_pkcs1_sha384")     \
	N(pkcs1_sha512, sigalgs, "rsa_pkcs1_sha512", "rsa_pkcs1_sha512")     \
	N(ed25519, sigalgs, "ed25519", "ed25519")                            \
	N(sigalgs_other, sigalgs, "", "other")

#define NEGOTIATED_FIELD(field, kind, name, stat) unsigned long long field;

/* Milliseconds, counted by how long they were: base/durations.h. */
#define DURATIONS_BUCKETS 110

struct durations {
	unsigned long long sum_ms;
	unsigned long long buckets[DURATIONS_BUCKETS];
};

/* H(field, "name in /stats below the scope", "help", the counter that rises
 * with it) */
#define LISTENER_DURATIONS(H)                      \
	H(cx_length_ms, "downstream_cx_length_ms", \
	  "milliseconds that ended connections lasted", cx_destroy)

#define CLUSTER_DURATIONS(H)                                       \
	H(cx_connect_ms, "upstream_cx_connect_ms",                 \
	  "milliseconds until an endpoint had answered", cx_total) \
	H(cx_length_ms, "upstream_cx_length_ms",                   \
	  "milliseconds that ended connections lasted", cx_destroy)

#define DURATIONS_FIELD(field, name, help, count) struct durations field;

/* Who a row belongs to, so that a dump explains itself. */
#define COUNTERS_HEAD                                                    \
	char name[COUNTERS_NAME_MAX];                                    \
	unsigned int worker;                                             \
	unsigned int generation; /* of the daemon: starts that it saw */ \
	unsigned int schema;	 /* a hash of the row's fields */        \
	unsigned int used	 /* 0: a free row, all else is meaningless */

struct counters_head {
	COUNTERS_HEAD;
};

struct listener_row {
	COUNTERS_HEAD;
	char address[COUNTERS_NAME_MAX]; /* as in /stats: 0.0.0.0_15000 */
	LISTENER_COUNTERS(COUNTERS_FIELD, COUNTERS_FIELD)
} __attribute__((aligned(128)));

struct cluster_row {
	COUNTERS_HEAD;
	CLUSTER_COUNTERS(COUNTERS_FIELD, COUNTERS_FIELD)
} __attribute__((aligned(128)));

struct negotiated_row {
	COUNTERS_HEAD;
	NEGOTIATED_COUNTERS(NEGOTIATED_FIELD)
} __attribute__((aligned(128)));

struct listener_times_row {
	COUNTERS_HEAD;
	LISTENER_DURATIONS(DURATIONS_FIELD)
} __attribute__((aligned(128)));

struct cluster_times_row {
	COUNTERS_HEAD;
	CLUSTER_DURATIONS(DURATIONS_FIELD)
} __attribute__((aligned(128)));

#endif
