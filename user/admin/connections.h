/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connections: what the workers say of their connections, as JSON: GET
 * /connections. An addition of ours beside Envoy's.
 *
 * Workers are asked by message and answer when they have the time, so an
 * answer is waited for; it tells of a moment after the question. One listing
 * is made at a time, for all who ask meanwhile the next one.
 */
#ifndef MILLRACE_ADMIN_CONNECTIONS_H
#define MILLRACE_ADMIN_CONNECTIONS_H

#include <systemd/sd-event.h>

#include "admin/answer.h"
#include "base/err.h"

struct worker;
struct connections;

/* workers must outlive it, and have ended when it does. 0 or -errno with the
 * words. */
int connections_new(sd_event *loop, struct worker *const *workers,
		    unsigned int count, struct connections **ret,
		    struct err *err) __attribute__((warn_unused_result));

/* Whoever still waits is ready. NULL is allowed. */
void connections_free(struct connections *connections);

/*
 * Calls ready(owner, who) once a listing that begins from now on can
 * be answered with, or none could be made. Who waits is bounded by the
 * connections that the server takes. 0 or -ENOMEM.
 */
int connections_wait(struct connections *connections,
		     void (*ready)(void *owner, void *who), void *owner,
		     void *who) __attribute__((warn_unused_result));

/* The first time asks to be called again (ret->later), then answers. */
void connections_get(const struct request *request, struct answer *ret);

#endif
