/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker: one thread with its own ring, buffers, timers, listening sockets
 * and connections.
 *
 * The control thread makes it, starts it and sends it words; everything else
 * in here belongs to the worker's thread.
 */
#ifndef MILLRACE_FLOW_WORKER_H
#define MILLRACE_FLOW_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/list.h"
#include "flow/access_log.h"
#include "flow/ahead.h"
#include "flow/generation.h"
#include "flow/listing.h"
#include "flow/plan.h"
#include "io/buf.h"
#include "io/ring.h"
#include "tls/engine_user.h"
#include "tls/peer.h"
#include "tls/resume.h"

struct worker {
	unsigned int index;
	struct access_lane *access; /* set before worker_start() */
	bool kernel_rekey;	    /* as probed at start */
	uint64_t no_ulp_until_ms;   /* no TLS in the kernel: asked again then */
	struct ring ring;
	struct bufs bufs;
	struct timer trim; /* of bufs */
	struct wheel wheel;
	struct tls_aead *aead;
	struct ahead ahead;
	struct peers peers;
	struct resume resume;
	uint64_t now_ms; /* of this turn */
	struct generation *generation;
	struct list acceptors;
	struct list conns;
	struct list waiting; /* connections whose cluster has yet to be found */
	struct list released; /* connections to free when the turn ends */
	struct op wake;
	uint64_t wake_value;
	bool draining;
	bool leaving;		 /* draining, and doors are open still */
	bool stopping;		 /* every connection is to end now */
	struct listing *listing; /* being written, or NULL */
	struct list *listing_at; /* ... and goes on with this connection */
	/* shared with the control thread */
	pthread_t thread;
	bool started;
	int wake_fd;
	int ended_fd;
	atomic_uint words;
	_Atomic(struct generation *) next;	 /* to be served from now on */
	atomic_uint connections;		 /* open */
	_Atomic(struct listing *) listing_asked; /* until it is written */
	/* rises at least once a second while the thread runs, else 0 */
	_Atomic uint64_t turns;
};

/* ended_fd is an eventfd of the caller's; a thread that ends adds 1. */
int worker_new(unsigned int index, bool kernel_rekey, int ended_fd,
	       struct worker **ret_worker, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Serves generation, which it takes over, from now on. Before
 * worker_start(), or while the worker runs and is settled: the generation
 * that follows is made from what the worker listens on by then.
 */
void worker_serve(struct worker *worker, struct generation *generation);

/* Whether it has taken up what worker_serve() gave it last. */
bool worker_settled(const struct worker *worker);

/* Starts the thread; 0 once its ring stands, or -errno with the words. */
int worker_start(struct worker *worker, struct err *err)
	__attribute__((warn_unused_result));

/* The thread looks at what it was sent. */
void worker_wake(struct worker *worker);

/* Stop accepting but at doors, where it goes on until worker_drain(). */
void worker_leave(struct worker *worker);

/* Stop accepting; the thread ends with its last connection. */
void worker_drain(struct worker *worker);

/* Stop accepting, for good, where a listener speaks TLS; the rest goes on. */
void worker_drain_inbound(struct worker *worker);

/* A membership has changed, or the first lookup of one is over. */
void worker_found(struct worker *worker);

/* Ends every connection now, with close_notify, and the thread. */
void worker_stop(struct worker *worker);

/* Waits for the thread's end, if it was started (drain or stop came before),
 * and frees. NULL is allowed. */
void worker_free(struct worker *worker);

#endif
