/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer: the certificate that a peer proved to hold, with the chain it sent,
 * kept after its handshake so that it can be judged again.
 *
 * One object for all connections of a worker with the same certificates.
 * Belongs to one thread.
 */
#ifndef MILLRACE_TLS_PEER_H
#define MILLRACE_TLS_PEER_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/list.h"
#include "tls/credential.h"

#define PEER_SLOTS 256

struct peer {
	struct list node;
	unsigned int refs;
	uint8_t digest[CREDENTIAL_DIGEST_SIZE];
	X509 *leaf;
	STACK_OF(X509) *chain; /* as sent, without the leaf; or NULL */
	time_t ends;	       /* when the leaf expires */
	/* the last judgement, and what it was by */
	uint8_t judged_by[CREDENTIAL_DIGEST_SIZE]; /* struct trust's */
	bool judged;
	bool judged_client;
	int verdict;
	struct err why;
};

struct peers {
	struct list slots[PEER_SLOTS];
};

void peers_init(struct peers *peers);

/* References of its own to both; NULL when memory is short. */
struct peer *peer_take(struct peers *peers, X509 *leaf, STACK_OF(X509) *chain);

/* NULL is allowed. */
void peer_give(struct peer *peer);

/*
 * Whether the chain is still good by trust, which validation names; clients:
 * the peer is one. 0, or the alert that tells the peer why not, with words.
 */
int peer_judge(struct peer *peer, const struct trust *trust,
	       const struct config_validation *validation, bool client,
	       struct err *err);

#endif
