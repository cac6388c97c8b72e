/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * provider: what we do for OpenSSL instead of its own (provider(7)): TLS 1.3's
 * key schedule (schedule.h) and X25519 (x25519.h).
 */
#ifndef MILLRACE_TLS_PROVIDER_H
#define MILLRACE_TLS_PROVIDER_H

#include <stdbool.h>

/* For SSL_CTX_new_ex(): with these properties OpenSSL prefers what is here.
 * Not "provider": that would overrule what the host's openssl.cnf demands. */
#define PROVIDER_PROPERTIES "?millrace.own=yes"

/*
 * Makes it known to OpenSSL, once in a process. false: this host's OpenSSL is
 * configured to take its algorithms from elsewhere (FIPS), or too old; the
 * key log is then the only way to learn a secret.
 */
bool provider_offer(void);

#endif
