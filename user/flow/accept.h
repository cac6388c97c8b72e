/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accept: a socket arrives; admit it or refuse it.
 *
 * An acceptor is a listening socket of one worker. It outlives generations:
 * listener is the one that it serves now.
 */
#ifndef MILLRACE_FLOW_ACCEPT_H
#define MILLRACE_FLOW_ACCEPT_H

#include "base/clock.h"
#include "base/list.h"
#include "flow/generation.h"
#include "io/ring.h"

struct acceptor {
	struct list node; /* in the worker's list, once started */
	struct worker_listener *listener;
	int door; /* of the listener's plan; DOORS_NONE: its own address */
	int fd;	  /* -1 once stopped */
	struct op accept;
	struct timer retry; /* accepting is paused until it fires */
	struct timer drain; /* a door with a successor: until it stops */
	bool draining;
	bool leaving; /* its socket may live on without us */
};

/* Takes over fd. NULL when memory is short (fd is then still the caller's). */
struct acceptor *acceptor_new(struct worker_listener *listener, int door,
			      int fd);

/* For one that was never started. NULL is allowed. */
void acceptor_free(struct acceptor *acceptor);

/*
 * The worker accepts for the listeners of generation: acceptors with the
 * address of one of them go on, new ones start, the rest is stopped. A door
 * that does not go on accepts for a while longer what is already on its way.
 */
void accept_adopt(struct worker *worker, struct generation *generation);

/* The worker accepts no more; connections that wait are still taken. */
void accept_stop_all(struct worker *worker);

/* The same for listeners that speak TLS. */
void accept_stop_inbound(struct worker *worker);

/* The same for all but doors. */
void accept_stop_addresses(struct worker *worker);

/* No more at doors either; what waits there is left to whoever else holds
 * their sockets. */
void accept_leave_doors(struct worker *worker);

#endif
