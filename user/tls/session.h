/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session: under which demands a session was made, and for how long it stands
 * for what was checked then. It is resumed only under the same demands, and
 * not beyond that time: no check is skipped that a full handshake would make.
 */
#ifndef MILLRACE_TLS_SESSION_H
#define MILLRACE_TLS_SESSION_H

#include <openssl/ssl.h>
#include <stdint.h>
#include <time.h>

#include "config/config.h"
#include "tls/credential.h"

#define SESSION_DEMANDS_SIZE 32
/* However often it is renewed (RFC 8446 section 4.6.1). */
#define SESSION_S_MAX (7 * 24 * 3600)

/* Whatever a peer is checked by, and what we show it, in a digest. */
struct session_demands {
	uint8_t digest[SESSION_DEMANDS_SIZE];
	time_t until; /* a revocation list is to be followed by then; or 0 */
};

/* node may be NULL. 0 or -EIO. */
int session_demands_of_listener(const struct config_listener *listener,
				const struct credential_set *set,
				const char *node, struct session_demands *ret)
	__attribute__((warn_unused_result));
int session_demands_of_cluster(const struct config_cluster *cluster,
			       const struct credential_set *set,
			       const char *node, struct session_demands *ret)
	__attribute__((warn_unused_result));

/*
 * When the first of what a full handshake has just checked ends: a certificate
 * of the verified chain, a revocation list, SESSION_S_MAX.
 */
time_t session_until(const SSL *ssl, const struct session_demands *demands);

#endif
