/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listing: what the workers say of their connections at one moment.
 *
 * The control thread makes it and asks every worker (listing_ask()). Each
 * writes its own part, a slice of connections per turn so that nobody's
 * bytes wait for it, and the last one adds 1 to done_fd: from then on it is
 * the control thread's again. A connection stands in it at most once; one
 * that began or ended meanwhile may be missing.
 */
#ifndef MILLRACE_FLOW_LISTING_H
#define MILLRACE_FLOW_LISTING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "flow/plan.h"

struct conn;
struct worker;

/* Connections in a listing, of all workers together; the rest is omitted. */
#define LISTING_MAX 65536
#define LISTING_SLICE 256

enum listing_state {
	LISTING_NONE,	   /* no socket yet */
	LISTING_UNDECIDED, /* permissive: TLS or plaintext, it is not known */
	LISTING_HANDSHAKE, /* connecting, or in the handshake */
	LISTING_TLS,
	LISTING_PLAIN,
};

struct listing_side {
	uint64_t cookie; /* SO_COOKIE; 0: no socket */
	struct addr peer;
	uint8_t state; /* enum listing_state */
	bool tx_kernel;
	bool rx_kernel;
	const char *version; /* OpenSSL's static strings; NULL: none yet */
	const char *cipher;
};

struct listing_entry {
	struct plan *plan; /* held: both configurations are of it */
	const struct config_listener *listener;
	const struct config_cluster *cluster;
	uint64_t age_ms;
	uint64_t idle_ms; /* since bytes last moved */
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	struct listing_side down;
	struct listing_side up;
};

struct listing_slice {
	struct listing_slice *next;
	size_t count;
	struct listing_entry entries[LISTING_SLICE];
};

struct listing {
	atomic_uint pending; /* workers that have not written all of theirs */
	atomic_uint room;    /* connections that may still be written */
	atomic_uint omitted; /* ... and those that found none, or no memory */
	int done_fd;	     /* an eventfd of the caller's */
	unsigned int worker_count;
	struct listing_slice *slices[]; /* each worker's last one */
};

/* NULL when memory is short. */
struct listing *listing_new(unsigned int worker_count, int done_fd);

/* Not before done_fd told of it. NULL is allowed. */
void listing_free(struct listing *listing);

/* The control thread asks all workers, none of which is at another listing. */
void listing_ask(struct listing *listing, struct worker *const *workers);

/* ---- the worker's thread */

/* Takes up what was asked. */
void listing_begin(struct worker *worker);

/* Writes a slice, if a listing was begun. */
void listing_go_on(struct worker *worker);

/* conn is about to leave the worker's connections. */
void listing_leave(const struct conn *conn);

/* The thread ends: what was asked, or will be, is as good as written. */
void listing_end(struct worker *worker);

#endif
