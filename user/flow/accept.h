/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accept: a socket arrives; admit it or refuse it.
 */
#ifndef MILLRACE_FLOW_ACCEPT_H
#define MILLRACE_FLOW_ACCEPT_H

#include "flow/worker.h"

void accept_start(struct worker_listener *listener);

/* Stops accepting and closes the listening socket. */
void accept_stop(struct worker_listener *listener);

#endif
