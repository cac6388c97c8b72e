/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/control.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/connections.h"
#include "base/log.h"
#include "service/daemon.h"
#include "service/handover.h"
#include "service/requests.h"
#include "service/sandbox.h"
#include <probe.h>

/* ---- beginning */

static int worker_ended(sd_event_source *source, int fd, uint32_t events,
			void *data)
{
	struct control *control = data;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) == sizeof(count))
		drain_ended(&control->drain, (unsigned int)count);
	return 0;
}

static int make_discovery(struct control *control, struct err *err)
{
	struct discovery_hooks hooks = {requests_members_changed, control};
	int r = discovery_new(control->loop, &hooks, &control->discovery, err);

	return r ? r : requests_follow_discovery(control, err);
}

static int open_access_log(struct control *control, struct err *err)
{
	const struct config *config = control->plan->config;
	int r = access_log_new(control->worker_count, &control->access_log,
			       err);

	if (r)
		return r;
	control->plan->access_log = control->access_log;
	return access_log_follow(control->access_log, config->access_log.path,
				 err);
}

static unsigned int worker_count(const struct config *config)
{
	cpu_set_t cpus;
	int count = 1;

	if (config->workers)
		return config->workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = CPU_COUNT(&cpus);
	return (unsigned int)(count < WORKERS_MAX ? count : WORKERS_MAX);
}

/* Two descriptors per connection: the soft limit of 1024 is soon reached. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_line(LOG_LEVEL_WARNING, "RLIMIT_NOFILE stays as it is",
			 "why", strerror(errno), NULL);
}

static void probe_kernel(struct control *control)
{
	struct probe probe;

	probe_run(&probe);
	control->kernel_rekey = probe_has(&probe, PROBE_REKEY_TX) &&
				probe_has(&probe, PROBE_REKEY_RX);
	log_line(LOG_LEVEL_INFO, "kernel probed", "ktls",
		 probe_has(&probe, PROBE_ULP) ? "yes" : "no", "rekey",
		 control->kernel_rekey ? "yes" : "no", NULL);
}

static int open_counters(struct control *control, const struct config *config,
			 struct err *err)
{
	struct err why = {""};
	int r = counters_open(config, control->worker_count, &control->counters,
			      &why);

	if (r < 0)
		return err_set(err, -r, "%s", why.text);
	if (config->pin_path && !counters_pinned(control->counters))
		log_line(LOG_LEVEL_WARNING,
			 "counters are in plain memory: bpftool will not see "
			 "them, and a restart begins at 0",
			 "why", why.text, NULL);
	return 0;
}

static int make_loop(struct control *control, struct err *err)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	control->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = control->ended_fd < 0 ? -errno : sd_event_default(&control->loop);
	if (r >= 0)
		r = requests_by_signal(control);
	if (r >= 0)
		r = sd_event_add_io(control->loop, NULL, control->ended_fd,
				    EPOLLIN, worker_ended, control);
	if (r < 0)
		return err_set(err, -r, "the event loop cannot be set up: %s",
			       strerror(-r));
	return 0;
}

static int make_rotate(struct control *control, struct err *err)
{
	struct rotate_hooks hooks = {requests_files_changed, control};

	return rotate_new(control->loop, &hooks, &control->rotate, err);
}

static int make_admin(struct control *control, struct err *err)
{
	const struct config *config = control->plan->config;
	struct admin_context *context = &control->admin_context;
	int r;

	context->counters = control->counters;
	context->workers = control->workers;
	context->actions = requests_actions(control);
	context->intercept = interception_intercept(control->interception);
	admin_context_follow(context, control->plan);
	context->state = ADMIN_INITIALIZING;
	context->started_ms = clock_now_ms();
	if (!config->admin)
		return 0;
	r = connections_new(control->loop, control->workers,
			    control->worker_count, &context->connections, err);
	if (r < 0)
		return r;
	return admin_server_new(control->loop, context, &control->admin, err);
}

static int make_worker(struct control *control, unsigned int index,
		       struct generation **ret_generation, struct err *err)
{
	int r = worker_new(index, control->kernel_rekey, control->ended_fd,
			   &control->workers[index], err);

	if (r < 0)
		return r;
	control->workers[index]->access =
		access_log_lane(control->access_log, index);
	r = generation_new(control->plan, NULL, control->workers[index], index,
			   ret_generation, err);
	if (r < 0)
		return r;
	worker_serve(control->workers[index], *ret_generation);
	return 0;
}

/* Before any thread begins, so that all of them are in it. */
static void enter_sandbox(const struct control *control)
{
	struct err why = {""};

	if (sandbox_enter(interception_needs_admin(control->interception),
			  &why) < 0)
		log_line(LOG_LEVEL_WARNING, "the sandbox is not whole", "why",
			 why.text, NULL);
}

static int start_workers(struct control *control, struct err *err)
{
	struct generation *generations[WORKERS_MAX];
	int r = 0;

	enter_sandbox(control);
	for (unsigned int i = 0; r >= 0 && i < control->worker_count; i++)
		r = make_worker(control, i, &generations[i], err);
	if (r >= 0)
		r = interception_hand_over(control->interception, generations,
					   control->worker_count, err);
	/* Not one serves before all of them can. */
	for (unsigned int i = 0; r >= 0 && i < control->worker_count; i++) {
		r = worker_start(control->workers[i], err);
		if (r >= 0)
			control->drain.started++;
		control->admin_context.worker_count = control->drain.started;
	}
	/* Nobody's traffic is touched before all of it stands. */
	return r < 0 ? r : interception_attach(control->interception, err);
}

static int begin(struct control *control, struct config *config,
		 struct err *err)
{
	struct credentials *credentials = NULL;
	int r;

	log_level_set(config->log_level);
	log_rate_set(config->log_rate);
	raise_descriptors();
	control->worker_count = worker_count(config);
	probe_kernel(control);
	r = make_loop(control, err);
	if (r >= 0)
		r = open_counters(control, config, err);
	if (r >= 0)
		r = interception_new(control->loop, config,
				     &control->interception, err);
	if (r >= 0)
		r = credentials_read(config, NULL, &credentials, err);
	if (r >= 0)
		r = plan_new(config, credentials, control->counters,
			     interception_intercept(control->interception),
			     NULL, &control->plan, err);
	if (r < 0) {
		credentials_unref(credentials);
		config_free(config);
		return r;
	}
	handover_take(&control->plan->doors, control->plan->config);
	control->drain.loop = control->loop;
	control->drain.workers = control->workers;
	control->drain.context = &control->admin_context;
	if (r >= 0)
		r = make_rotate(control, err);
	if (r >= 0)
		r = open_access_log(control, err);
	if (r >= 0)
		r = make_discovery(control, err);
	if (r >= 0)
		r = make_admin(control, err);
	if (r >= 0)
		r = start_workers(control, err);
	if (r >= 0)
		r = notify_watchdog(&control->notify, control->loop,
				    control->workers, control->worker_count,
				    err);
	return r;
}

static void announce(struct control *control)
{
	const struct config *config = control->plan->config;
	char workers[16];

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		char text[ADDR_TEXT_MAX];

		log_line(LOG_LEVEL_INFO, "listening", "listener",
			 listener->name, "address",
			 addr_format(&listener->listen, text), NULL);
	}
	snprintf(workers, sizeof(workers), "%u", control->worker_count);
	control->admin_context.state = ADMIN_LIVE;
	log_line(LOG_LEVEL_INFO, "ready", "workers", workers, NULL);
	rotate_follow(control->rotate, control->plan);
	notify_ready(config->listener_count, control->worker_count, false);
}

static void end(struct control *control)
{
	notify_fini(&control->notify);
	for (unsigned int i = 0; i < control->worker_count; i++)
		worker_free(control->workers[i]);
	access_log_free(control->access_log);
	discovery_free(control->discovery);
	/* Those who wait are let go before their server ends. */
	connections_free(control->admin_context.connections);
	admin_server_free(control->admin);
	rotate_free(control->rotate);
	admin_context_fini(&control->admin_context);
	drain_fini(&control->drain);
	sd_event_unref(control->loop);
	plan_unref(control->plan);
	interception_free(control->interception);
	counters_close(control->counters);
	if (control->ended_fd >= 0)
		close(control->ended_fd);
}

int control_run(struct config *config, struct err *err)
{
	struct control control = {.ended_fd = -1};
	int r = begin(&control, config, err);

	if (r < 0) {
		for (unsigned int i = 0; i < control.drain.started; i++)
			worker_stop(control.workers[i]);
	} else {
		announce(&control);
		r = sd_event_loop(control.loop);
		if (r < 0)
			err_set(err, -r, "the event loop failed: %s",
				strerror(-r));
	}
	end(&control);
	if (r >= 0)
		log_line(LOG_LEVEL_INFO, "ended", NULL);
	return r;
}
