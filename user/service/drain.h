/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drain: the end of accepting: connections may end by themselves, until a
 * deadline, and the rest is told close_notify. Of the control thread.
 *
 * At doors a daemon that leaves goes on accepting until it has no connection,
 * or until shortly before the deadline: their sockets wait for its successor
 * (handover.h), but nobody is to wait there for long.
 */
#ifndef MILLRACE_SERVICE_DRAIN_H
#define MILLRACE_SERVICE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "admin/context.h"
#include "flow/worker.h"

#define DRAIN_NO_DEADLINE UINT32_MAX

struct drain {
	sd_event *loop;
	struct worker *const *workers;
	struct admin_context *context;
	unsigned int started; /* workers that run, or ran */
	unsigned int ended;
	bool leaving; /* it ends with the last worker */
	sd_event_source *deadline;
	sd_event_source *last_call; /* whether doors are to be left now */
	uint64_t last_call_us;	    /* when they are at the latest */
	sd_event_source *progress;
};

/*
 * Begins, or hastens what has begun: stays keeps the daemon, to be asked how
 * it went; without it the loop ends with the last worker. 0 or -errno.
 */
int drain_begin(struct drain *drain, uint32_t timeout_ms, bool stays)
	__attribute__((warn_unused_result));

/* The rest is closed now. */
void drain_cut(struct drain *drain);

/* That many workers more have ended. */
void drain_ended(struct drain *drain, unsigned int count);

void drain_fini(struct drain *drain);

#endif
