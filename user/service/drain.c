/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/drain.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define PROGRESS_US 1000000
/* For what came last to end by itself. */
#define LAST_CALL_US 2000000ULL
#define LOOK_US 20000

static void tell(const struct drain *drain)
{
	sd_notifyf(0, "STATUS=draining: %u connections open",
		   admin_context_connections(drain->context));
}

static int tell_again(sd_event_source *source, uint64_t usec, void *data)
{
	struct drain *drain = data;
	int r;

	(void)usec;
	if (drain->ended == drain->started)
		return 0;
	tell(drain);
	r = sd_event_source_set_time_relative(source, PROGRESS_US);
	return r < 0 ? r
		     : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void drain_cut(struct drain *drain)
{
	for (unsigned int i = 0; i < drain->started; i++)
		worker_stop(drain->workers[i]);
}

static int over(sd_event_source *source, uint64_t usec, void *data)
{
	(void)source;
	(void)usec;
	log_line(LOG_LEVEL_WARNING, "drain deadline: the rest is closed", NULL);
	drain_cut(data);
	return 0;
}

static int last_call(sd_event_source *source, uint64_t usec, void *data)
{
	struct drain *drain = data;
	int r;

	if (usec < drain->last_call_us &&
	    admin_context_connections(drain->context)) {
		r = sd_event_source_set_time_relative(source, LOOK_US);
		return r < 0 ? r
			     : sd_event_source_set_enabled(source,
							   SD_EVENT_ONESHOT);
	}
	for (unsigned int i = 0; i < drain->started; i++)
		worker_drain(drain->workers[i]);
	return 0;
}

static int set_last_call(struct drain *drain, uint32_t timeout_ms)
{
	uint64_t timeout_us = timeout_ms * 1000ULL, now_us;
	uint64_t before_us =
		timeout_us / 2 < LAST_CALL_US ? timeout_us / 2 : LAST_CALL_US;
	int r = sd_event_now(drain->loop, CLOCK_MONOTONIC, &now_us);

	if (r < 0)
		return r;
	drain->last_call_us = now_us + timeout_us - before_us;
	return sd_event_add_time(drain->loop, &drain->last_call,
				 CLOCK_MONOTONIC, now_us, 0, last_call, drain);
}

static int set_deadline(struct drain *drain, uint32_t timeout_ms)
{
	if (timeout_ms == DRAIN_NO_DEADLINE || drain->deadline)
		return 0;
	return sd_event_add_time_relative(drain->loop, &drain->deadline,
					  CLOCK_MONOTONIC, timeout_ms * 1000ULL,
					  CLOCK_ACCURACY_US, over, drain);
}

static int stop_accepting(struct drain *drain)
{
	drain->context->state = ADMIN_DRAINING;
	log_line(LOG_LEVEL_INFO, "draining", NULL);
	for (unsigned int i = 0; i < drain->started; i++) {
		if (drain->leaving)
			worker_leave(drain->workers[i]);
		else
			worker_drain(drain->workers[i]);
	}
	tell(drain);
	return sd_event_add_time_relative(drain->loop, &drain->progress,
					  CLOCK_MONOTONIC, PROGRESS_US, 0,
					  tell_again, drain);
}

static void finish(struct drain *drain)
{
	if (drain->ended < drain->started)
		return;
	if (drain->leaving)
		sd_event_exit(drain->loop, 0);
	else
		sd_notify(0, "STATUS=drained: nothing is forwarded");
}

int drain_begin(struct drain *drain, uint32_t timeout_ms, bool stays)
{
	bool first = drain->context->state != ADMIN_DRAINING;
	int r = 0;

	if (!stays && !drain->leaving) {
		drain->leaving = true;
		sd_notify(0, "STOPPING=1");
	}
	if (first)
		r = stop_accepting(drain);
	if (first && drain->leaving && r >= 0)
		r = set_last_call(drain, timeout_ms);
	if (r >= 0)
		r = set_deadline(drain, timeout_ms);
	if (!first)
		finish(drain);
	return r < 0 ? r : 0;
}

void drain_ended(struct drain *drain, unsigned int count)
{
	drain->ended += count;
	finish(drain);
}

void drain_fini(struct drain *drain)
{
	sd_event_source_disable_unref(drain->deadline);
	sd_event_source_disable_unref(drain->last_call);
	sd_event_source_disable_unref(drain->progress);
}
