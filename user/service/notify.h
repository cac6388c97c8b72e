/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify: what the service manager is told (sd_notify(3)): the daemon's
 * state in words, and, where it watches (WatchdogSec=), that every thread
 * still turns. Of the control thread; without a service manager nothing
 * happens.
 */
#ifndef MILLRACE_SERVICE_NOTIFY_H
#define MILLRACE_SERVICE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "flow/worker.h"

struct notify {
	struct worker *const *workers;
	unsigned int worker_count;
	uint64_t *turns; /* of each worker, when it was last looked at */
	uint64_t period_us;
	sd_event_source *timer;
};

/*
 * Begins to feed the watchdog from loop, when one is asked for: only while
 * each of the workers turns, so that one that hangs gets the daemon
 * restarted. workers is the caller's and outlives this.
 */
int notify_watchdog(struct notify *notify, sd_event *loop,
		    struct worker *const *workers, unsigned int worker_count,
		    struct err *err) __attribute__((warn_unused_result));

void notify_fini(struct notify *notify);

/* It serves; or serves again after a reload, which may have failed. */
void notify_ready(size_t listeners, unsigned int workers, bool reload_failed);

/* A reload begins; notify_ready() must follow. */
void notify_reloading(void);

#endif
