/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "service/reload.h"

#define RELOAD_RETRY_US 10000
/* Time for an answer to leave before its sender ends. */
#define QUIT_US 50000

/* ---- ending */

static int asked_to_end(sd_event_source *source,
			const struct signalfd_siginfo *info, void *data)
{
	struct control *control = data;

	(void)source;
	(void)info;
	if (control->drain.leaving) {
		drain_cut(&control->drain);
		return 0;
	}
	if (control->admin_context.state == ADMIN_LIVE)
		interception_leave(control->interception);
	return drain_begin(&control->drain,
			   control->plan->config->drain_timeout_ms, false);
}

/* ---- discovery */

void requests_members_changed(void *data)
{
	struct control *control = data;

	for (unsigned int i = 0; i < control->drain.started; i++)
		worker_found(control->workers[i]);
}

int requests_follow_discovery(struct control *control, struct err *err)
{
	const struct plan *plan = control->plan;

	return discovery_follow(control->discovery, plan->config,
				plan->memberships, control->counters, err);
}

/* ---- reloading */

/* A level that was set at run time lasts until the file says another one
 * than it did. */
static void follow_log(const struct config *config, enum log_level old)
{
	if (old != config->log_level)
		log_level_set(config->log_level);
	log_rate_set(config->log_rate);
}

/* The first line for the log, all of them for who asked. */
static void told(struct control *control, const struct config_errors *errors,
		 int r)
{
	struct admin_context *context = &control->admin_context;

	context->reload_failed = r != 0;
	if (!r) {
		context->reloads++;
		admin_context_follow(context, control->plan);
		log_line(LOG_LEVEL_INFO, "reloaded", NULL);
		return;
	}
	context->reload_failures++;
	for (size_t i = 0; i < errors->count; i++)
		log_line(LOG_LEVEL_ERROR, "the configuration stays as it was",
			 "why", errors->lines[i], NULL);
}

/* 0, -EAGAIN: not now, or -errno with the lines that tell why. */
static int reload_now(struct control *control, struct config_errors *errors)
{
	enum log_level level = control->plan->config->log_level;
	struct err err = {""};
	int r;

	*errors = (struct config_errors){NULL, 0};
	if (control->admin_context.state != ADMIN_LIVE)
		return -EAGAIN;
	notify_reloading();
	r = reload_plan(&control->plan, control->interception, control->workers,
			control->worker_count, errors);
	if (r != -EAGAIN)
		told(control, errors, r);
	if (!r) {
		follow_log(control->plan->config, level);
		rotate_follow(control->rotate, control->plan);
		if (requests_follow_discovery(control, &err))
			log_line(LOG_LEVEL_ERROR,
				 "names are resolved as before the reload",
				 "why", err.text, NULL);
	}
	notify_ready(control->plan->config->listener_count,
		     control->worker_count,
		     control->admin_context.reload_failed);
	return r;
}

static int reload_later(sd_event_source *source, uint64_t usec, void *data)
{
	struct control *control = data;
	struct config_errors errors;
	int r = reload_now(control, &errors);

	(void)source;
	(void)usec;
	config_errors_free(&errors);
	if (r != -EAGAIN || control->admin_context.state != ADMIN_LIVE)
		return 0;
	return sd_event_add_time_relative(control->loop, NULL, CLOCK_MONOTONIC,
					  RELOAD_RETRY_US, CLOCK_ACCURACY_US,
					  reload_later, control);
}

int requests_files_changed(void *data)
{
	struct control *control = data;
	struct admin_context *context = &control->admin_context;
	struct rotation rotation;
	int r;

	if (context->state != ADMIN_LIVE)
		return 0;
	r = reload_credentials(&control->plan, control->interception,
			       control->workers, control->worker_count,
			       &rotation);
	if (r == -EAGAIN)
		return r;
	context->rotations += rotation.renewed;
	context->rotation_failures += rotation.kept;
	context->rotation_failed = rotation.kept != 0;
	if (rotation.changed)
		admin_context_follow(context, control->plan);
	return r;
}

static int asked_to_reload(sd_event_source *source,
			   const struct signalfd_siginfo *info, void *data)
{
	(void)info;
	return reload_later(source, 0, data);
}

/* ---- what the admin endpoint may ask for */

static int post_reload(void *data, char **ret_words)
{
	struct config_errors errors;
	size_t size;
	FILE *out;
	int r = reload_now(data, &errors);

	out = r && errors.count ? open_memstream(ret_words, &size) : NULL;
	for (size_t i = 0; out && i < errors.count; i++)
		fprintf(out, "%s\n", errors.lines[i]);
	if (out)
		fclose(out);
	config_errors_free(&errors);
	return r;
}

static void post_drain(void *data, bool deadline)
{
	struct control *control = data;
	uint32_t timeout_ms = deadline ? control->plan->config->drain_timeout_ms
				       : DRAIN_NO_DEADLINE;
	int r = drain_begin(&control->drain, timeout_ms, true);

	if (r < 0)
		log_line(LOG_LEVEL_ERROR, "the drain has no deadline", "why",
			 strerror(-r), NULL);
}

static void post_drain_inbound(void *data)
{
	struct control *control = data;

	control->admin_context.inbound_drained = true;
	log_line(LOG_LEVEL_INFO, "draining inbound listeners", NULL);
	for (unsigned int i = 0; i < control->drain.started; i++)
		worker_drain_inbound(control->workers[i]);
}

static int quit(sd_event_source *source, uint64_t usec, void *data)
{
	struct control *control = data;
	int r = drain_begin(&control->drain, 0, false);

	(void)source;
	(void)usec;
	drain_cut(&control->drain);
	return r;
}

static void post_quit(void *data)
{
	struct control *control = data;
	int r = sd_event_add_time_relative(control->loop, NULL, CLOCK_MONOTONIC,
					   QUIT_US, CLOCK_ACCURACY_US, quit,
					   control);

	if (r < 0)
		log_line(LOG_LEVEL_ERROR, "it cannot be ended so", "why",
			 strerror(-r), NULL);
}

/* ---- the access log */

static int post_reopen(void *data, struct err *err)
{
	struct control *control = data;
	int r = access_log_reopen(control->access_log, err);

	if (r)
		log_line(LOG_LEVEL_ERROR, "the access log stays as it was",
			 "why", err->text, NULL);
	return r;
}

static int asked_to_reopen(sd_event_source *source,
			   const struct signalfd_siginfo *info, void *data)
{
	struct err err = {""};

	(void)source;
	(void)info;
	/* It is told; the daemon goes on. */
	(void)!post_reopen(data, &err);
	return 0;
}

/* ---- how they are asked for */

int requests_by_signal(struct control *control)
{
	static const struct {
		int signal;
		sd_event_signal_handler_t handler;
	} asked[] = {
		{SIGTERM, asked_to_end},
		{SIGINT, asked_to_end},
		{SIGHUP, asked_to_reload},
		{SIGUSR1, asked_to_reopen},
	};
	const size_t count = sizeof(asked) / sizeof(asked[0]);
	sigset_t signals;
	int r = 0;

	sigemptyset(&signals);
	for (size_t i = 0; i < count; i++)
		sigaddset(&signals, asked[i].signal);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = sd_event_add_signal(control->loop, NULL, asked[i].signal,
					asked[i].handler, control);
	return r < 0 ? r : 0;
}

struct admin_actions requests_actions(struct control *control)
{
	return (struct admin_actions){
		.reload = post_reload,
		.drain = post_drain,
		.drain_inbound = post_drain_inbound,
		.quit = post_quit,
		.reopen_logs = post_reopen,
		.data = control,
	};
}
