/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control: the daemon's main thread: it starts the workers and the admin
 * endpoint, listens to signals, and ends them in order.
 */
#ifndef MILLRACE_SERVICE_CONTROL_H
#define MILLRACE_SERVICE_CONTROL_H

#include "base/err.h"
#include "config/config.h"

/*
 * Takes config over. Serves until SIGTERM or SIGINT has been obeyed:
 * connections may end by themselves for config's drain_timeout, the rest is
 * told close_notify; a second signal does not wait. 0, or -errno with the words
 * when it could not begin.
 */
int control_run(struct config *config, struct err *err)
	__attribute__((warn_unused_result));

#endif
