/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/log.h"

/* The index of a worker that has not turned since the last look, or -1. */
static int hanging(struct notify *notify)
{
	int found = -1;

	for (unsigned int i = 0; i < notify->worker_count; i++) {
		uint64_t turns = atomic_load(&notify->workers[i]->turns);

		if (turns && turns == notify->turns[i])
			found = (int)i;
		notify->turns[i] = turns;
	}
	return found;
}

static int look(sd_event_source *source, uint64_t usec, void *data)
{
	struct notify *notify = data;
	int worker = hanging(notify);
	char index[16];
	int r;

	(void)usec;
	if (worker < 0) {
		sd_notify(0, "WATCHDOG=1");
	} else {
		snprintf(index, sizeof(index), "%d", worker);
		log_line(LOG_LEVEL_ERROR,
			 "a worker hangs: the watchdog is not fed", "worker",
			 index, NULL);
	}
	r = sd_event_source_set_time_relative(source, notify->period_us);
	return r < 0 ? r
		     : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int notify_watchdog(struct notify *notify, sd_event *loop,
		    struct worker *const *workers, unsigned int worker_count,
		    struct err *err)
{
	uint64_t limit_us;
	int r = sd_watchdog_enabled(0, &limit_us);

	if (r <= 0)
		return r < 0 ? err_set(err, -r, "WATCHDOG_USEC: %s",
				       strerror(-r))
			     : 0;
	notify->turns = calloc(worker_count, sizeof(*notify->turns));
	if (!notify->turns)
		return err_set(err, ENOMEM, "memory is short");
	notify->workers = workers;
	notify->worker_count = worker_count;
	/* A worker turns at least once a second (flow/worker.c): one look
	 * that finds it still must not be the last. */
	notify->period_us = limit_us / 3;
	r = sd_event_add_time_relative(loop, &notify->timer, CLOCK_MONOTONIC,
				       notify->period_us, 0, look, notify);
	return r < 0 ? err_set(err, -r, "the watchdog's timer: %s",
			       strerror(-r))
		     : 0;
}

void notify_fini(struct notify *notify)
{
	sd_event_source_disable_unref(notify->timer);
	free(notify->turns);
}

void notify_ready(size_t listeners, unsigned int workers, bool reload_failed)
{
	sd_notifyf(
		0, "READY=1\nSTATUS=forwarding: %zu listener%s, %u worker%s%s",
		listeners, listeners == 1 ? "" : "s", workers,
		workers == 1 ? "" : "s",
		reload_failed ? "; the last reload failed, see the log" : "");
}

void notify_reloading(void)
{
	struct timespec now;

	/* Type=notify-reload (systemd 253) wants to know since when. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(
		0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}
