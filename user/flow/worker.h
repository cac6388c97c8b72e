/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker: one thread with its own ring, buffers, timers, contexts, listening
 * sockets and connections.
 *
 * The control thread makes it, starts it and sends it words; everything else
 * in here belongs to the worker's thread.
 */
#ifndef MILLRACE_FLOW_WORKER_H
#define MILLRACE_FLOW_WORKER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/list.h"
#include "bpf/counters.h"
#include "config/config.h"
#include "flow/conn.h"
#include "io/buf.h"
#include "io/ring.h"
#include "tls/ctx.h"
#include "tls/engine_user.h"

/* What all workers together may hold for one listener. */
struct listener_limits {
	atomic_uint connections;
	atomic_uint handshakes;
};

/* What workers are made from; must outlive them. */
struct worker_plan {
	const struct config *config;
	struct counters *counters;
	struct listener_limits *limits; /* one per listener */
	bool kernel_rekey;		/* as probed at start */
	uint8_t ticket_keys[TLS_TICKET_KEYS_SIZE];
};

struct worker_listener {
	struct worker *worker;
	const struct config_listener *config;
	struct listener_row *row;
	struct negotiated_row *negotiated;
	struct listener_limits *limits;
	SSL_CTX *ctx; /* NULL: plaintext */
	int fd;	      /* listening; -1 once closed */
	struct op accept;
	struct timer retry; /* accepting is paused until it fires */
};

struct worker_cluster {
	const struct config_cluster *config;
	struct cluster_row *row;
	struct negotiated_row *negotiated;
	SSL_CTX *ctx; /* NULL: plaintext */
	size_t next;  /* the endpoint whose turn it is */
};

struct worker {
	unsigned int index;
	const struct worker_plan *plan;
	struct ring ring;
	struct bufs bufs;
	struct wheel wheel;
	struct tls_aead *aead;
	uint64_t now_ms; /* of this turn */
	struct worker_listener *listeners;
	struct worker_cluster *clusters;
	struct list conns;
	struct list released; /* connections to free when the turn ends */
	struct op wake;
	uint64_t wake_value;
	bool draining;
	/* shared with the control thread */
	pthread_t thread;
	int wake_fd;
	atomic_uint words;
	atomic_bool ended;
	atomic_uint connections; /* open, for those who wait for an end */
};

/*
 * Makes everything that can fail for reasons an operator can mend: contexts
 * and listening sockets (bound, with SO_REUSEPORT shared by the workers).
 */
int worker_new(const struct worker_plan *plan, unsigned int index,
	       struct worker **ret_worker, struct err *err)
	__attribute__((warn_unused_result));

/* Starts the thread; 0 once its ring stands, or -errno with the words. */
int worker_start(struct worker *worker, struct err *err)
	__attribute__((warn_unused_result));

/* Any thread. Stop accepting; the thread ends with its last connection. */
void worker_drain(struct worker *worker);

/* Any thread. Ends every connection now, with close_notify. */
void worker_stop(struct worker *worker);

/* Waits for the thread's end (drain or stop came before), and frees. */
void worker_join(struct worker *worker);

/* For one that was never started. NULL is allowed. */
void worker_free(struct worker *worker);

#endif
