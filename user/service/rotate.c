/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/rotate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "identity/watch.h"

/* Long enough for a key and its chain to come together, as a rule. */
#define SETTLE_US 100000
#define RETRY_US 10000
/* For what inotify does not see. */
#define LOOK_US 10000000

struct rotate {
	struct rotate_hooks hooks;
	struct watch *watch;
	struct config *config;
	struct tickets *tickets;
	bool due; /* a change was seen and is not yet acted on */
	sd_event_source *io;
	sd_event_source *settle;
	sd_event_source *look;
	sd_event_source *renew; /* of our own ticket keys */
};

static void arm(sd_event_source *source, uint64_t wait_us)
{
	sd_event_source_set_time_relative(source, wait_us);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- the files of a plan */

struct paths {
	const char **items;
	size_t count;
	size_t room;
};

static void add(struct paths *paths, const char *path)
{
	if (!path)
		return;
	if (paths->count == paths->room) {
		size_t room = paths->room ? 2 * paths->room : 16;
		const char **items =
			realloc(paths->items, room * sizeof(*items));

		if (!items)
			return;
		paths->items = items;
		paths->room = room;
	}
	paths->items[paths->count++] = path;
}

static void add_identity(struct paths *paths,
			 const struct config_identity *identity)
{
	add(paths, identity->chain_path);
	add(paths, identity->key_path);
	add(paths, identity->ocsp_path);
}

static void add_validation(struct paths *paths,
			   const struct config_validation *validation)
{
	add(paths, validation->trust_path);
	add(paths, validation->crl_path);
}

static void follow(struct rotate *rotate)
{
	const struct config *config = rotate->config;
	struct paths paths = {0};

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];

		for (size_t j = 0; j < listener->identity_count; j++)
			add_identity(&paths, &listener->identities[j]);
		add_validation(&paths, &listener->validation);
	}
	for (size_t i = 0; i < config->cluster_count; i++) {
		add_identity(&paths, &config->clusters[i].identity);
		add_validation(&paths, &config->clusters[i].validation);
	}
	add(&paths, config->tickets_path);
	watch_follow(rotate->watch, paths.items, paths.count);
	free(paths.items);
}

/* ---- noticing */

static void act(struct rotate *rotate)
{
	int r = rotate->hooks.changed(rotate->hooks.data);

	rotate->due = r == -EAGAIN;
	if (rotate->due)
		arm(rotate->settle, RETRY_US);
}

static int settled(sd_event_source *source, uint64_t usec, void *data)
{
	struct rotate *rotate = data;

	(void)source;
	(void)usec;
	/* The ways are looked at before the files are: what changes from here
	 * on is another change. */
	if (watch_differs(rotate->watch) || rotate->due) {
		follow(rotate);
		act(rotate);
	}
	return 0;
}

static int seen(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct rotate *rotate = data;
	(void)source;
	(void)fd;
	(void)events;
	watch_read(rotate->watch);
	/* From the first event on, so that a file that is written without
	 * end holds nothing up. */
	if (sd_event_source_get_enabled(rotate->settle, NULL) == 0)
		arm(rotate->settle, SETTLE_US);
	return 0;
}

static int look(sd_event_source *source, uint64_t usec, void *data)
{
	settled(source, usec, data);
	arm(source, LOOK_US);
	return 0;
}

static int renew(sd_event_source *source, uint64_t usec, void *data)
{
	struct rotate *rotate = data;
	struct err err;

	(void)usec;
	if (!rotate->config->tickets_path &&
	    tickets_rotate(rotate->tickets, &err))
		log_line(LOG_LEVEL_WARNING, "ticket keys stay as they are",
			 "why", err.text, NULL);
	arm(source, rotate->config->tickets_rotate_ms * 1000ULL);
	return 0;
}

static int add_sources(struct rotate *rotate, sd_event *loop)
{
	int r = sd_event_add_io(loop, &rotate->io, watch_fd(rotate->watch),
				EPOLLIN, seen, rotate);

	if (r >= 0)
		r = sd_event_add_time_relative(
			loop, &rotate->settle, CLOCK_MONOTONIC, 0,
			CLOCK_ACCURACY_US, settled, rotate);
	if (r >= 0)
		r = sd_event_source_set_enabled(rotate->settle, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &rotate->look,
					       CLOCK_MONOTONIC, LOOK_US, 0,
					       look, rotate);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &rotate->renew,
					       CLOCK_MONOTONIC, 0, 0, renew,
					       rotate);
	if (r >= 0)
		r = sd_event_source_set_enabled(rotate->renew, SD_EVENT_OFF);
	return r;
}

int rotate_new(sd_event *loop, const struct rotate_hooks *hooks,
	       struct rotate **ret, struct err *err)
{
	struct rotate *rotate = calloc(1, sizeof(*rotate));
	int r;

	if (!rotate)
		return err_set(err, ENOMEM, "memory is short");
	rotate->hooks = *hooks;
	r = watch_new(&rotate->watch, err);
	if (!r) {
		r = add_sources(rotate, loop);
		if (r < 0)
			err_set(err, -r, "files cannot be watched: %s",
				strerror(-r));
	}
	if (r < 0) {
		rotate_free(rotate);
		return r;
	}
	*ret = rotate;
	return 0;
}

void rotate_free(struct rotate *rotate)
{
	if (!rotate)
		return;
	sd_event_source_unref(rotate->io);
	sd_event_source_unref(rotate->settle);
	sd_event_source_unref(rotate->look);
	sd_event_source_unref(rotate->renew);
	watch_free(rotate->watch);
	config_free(rotate->config);
	tickets_unref(rotate->tickets);
	free(rotate);
}

void rotate_follow(struct rotate *rotate, const struct plan *plan)
{
	struct config *before = rotate->config;
	struct tickets *tickets = rotate->tickets;

	rotate->config = config_ref(plan->config);
	rotate->tickets = tickets_ref(plan->tickets);
	if (!before ||
	    before->tickets_rotate_ms != plan->config->tickets_rotate_ms)
		arm(rotate->renew, plan->config->tickets_rotate_ms * 1000ULL);
	config_free(before);
	tickets_unref(tickets);
	follow(rotate);
	act(rotate);
}
