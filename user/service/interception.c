/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/interception.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "base/log.h"
#include "flow/accept.h"
#include "net/netns.h"
#include "net/transparent.h"
#include "service/handover.h"

struct watch {
	sd_event_source *source;
	int fd;
};

/* The listening sockets of a door, by worker, whose they are. */
struct door_sockets {
	int fds[ABI_SHARDS_MAX];
	unsigned int count;
};

struct interception {
	sd_event *loop;
	struct intercept *intercept;
	struct config *config; /* what is in force; a reference */
	struct watch *watches; /* one per site */
	size_t watch_count;
	struct door_sockets *doors; /* one per door */
};

/* ---- addresses that come and go */

static int addresses_changed(sd_event_source *source, int fd, uint32_t events,
			     void *data)
{
	struct interception *self = data;
	struct err err = {""};
	char bytes[8192];

	(void)source;
	(void)events;
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	if (intercept_refresh(self->intercept, self->config->intercept, &err))
		log_line(LOG_LEVEL_ERROR,
			 "the host's new addresses are not left alone", "why",
			 err.text, NULL);
	return 0;
}

static void unwatch(struct interception *self)
{
	for (size_t i = 0; i < self->watch_count; i++) {
		sd_event_source_unref(self->watches[i].source);
		close(self->watches[i].fd);
	}
	free(self->watches);
	self->watches = NULL;
	self->watch_count = 0;
}

static int watch(struct interception *self, struct err *err)
{
	const struct intercept_spec *spec = self->config->intercept;
	int r = 0;

	unwatch(self);
	self->watches = calloc(spec->site_count, sizeof(*self->watches));
	if (!self->watches)
		return err_set(err, ENOMEM, "memory is short");
	for (size_t i = 0; !r && i < spec->site_count; i++) {
		struct watch *at = &self->watches[self->watch_count];

		if (!spec->sites[i].egress.cgroup)
			continue;
		r = netns_watch(spec->sites[i].netns, &at->fd, err);
		if (r)
			break;
		self->watch_count++;
		r = sd_event_add_io(self->loop, &at->source, at->fd, EPOLLIN,
				    addresses_changed, self);
		if (r < 0)
			return err_set(err, -r, "event loop: %s", strerror(-r));
		r = 0;
	}
	return r;
}

/* ---- doors */

static int hand_over_door(struct interception *self,
			  const struct intercept_door *door, size_t i,
			  struct generation *const *generations,
			  unsigned int count, struct err *err)
{
	int fds[ABI_SHARDS_MAX];

	if (count > ABI_SHARDS_MAX)
		return err_set(err, E2BIG,
			       "with interception there may be at most %d "
			       "workers",
			       ABI_SHARDS_MAX);
	for (unsigned int w = 0; w < count; w++)
		fds[w] = generations[w]->doors[i]->fd;
	return intercept_listeners(self->intercept, door->site, door->direction,
				   fds, count, err);
}

/* Whether somebody has accepted for this site and direction up to now. */
static bool had_door(const struct config *config,
		     const struct intercept_spec *spec,
		     const struct intercept_door *door)
{
	const struct intercept_spec *old = config->intercept;

	for (size_t i = 0; i < old->door_count; i++)
		if (old->doors[i].direction == door->direction &&
		    intercept_site_equal(&old->sites[old->doors[i].site],
					 &spec->sites[door->site]))
			return true;
	return false;
}

/* Those that are new (in generations), where had_door() is old. */
static int hand_over(struct interception *self, const struct config *config,
		     bool old, struct generation *const *generations,
		     unsigned int count, struct err *err)
{
	const struct intercept_spec *spec = config->intercept;
	int r = 0;

	for (size_t i = 0; !r && i < spec->door_count; i++) {
		bool first = config == self->config;

		if (!generations[0]->doors[i] ||
		    (!first &&
		     had_door(self->config, spec, &spec->doors[i]) != old))
			continue;
		r = hand_over_door(self, &spec->doors[i], i, generations, count,
				   err);
	}
	return r;
}

static struct door_sockets sockets_of(struct generation *const *generations,
				      unsigned int count, size_t door)
{
	struct door_sockets sockets = {.count = count};

	for (unsigned int w = 0; w < count; w++)
		sockets.fds[w] = generations[w]->doors[door]->fd;
	return sockets;
}

/* For interception_leave(), while the workers have not taken the new ones
 * yet; old is config at the beginning. Without memory there is no handover. */
static void note_doors(struct interception *self, const struct config *old,
		       const struct config *config,
		       struct generation *const *generations,
		       unsigned int count)
{
	size_t doors = config->intercept->door_count;
	struct door_sockets *next = calloc(doors + 1, sizeof(*next));

	for (size_t i = 0; next && i < doors; i++) {
		int before = generations[0]->doors[i]
				     ? DOORS_NONE
				     : doors_heir(config, old, (int)i);

		if (generations[0]->doors[i])
			next[i] = sockets_of(generations, count, i);
		else if (self->doors && before != DOORS_NONE)
			next[i] = self->doors[before];
	}
	free(self->doors);
	self->doors = next;
}

/* ---- the whole */

int interception_new(sd_event *loop, struct config *config,
		     struct interception **ret, struct err *err)
{
	const struct intercept_spec *spec = config->intercept;
	struct interception *self;
	int r;

	*ret = NULL;
	if (!spec)
		return 0;
	if (!cgroups_holds_self(spec->cgroup))
		return err_set(err, EINVAL,
			       "intercept.cgroup is %s, and the daemon was "
			       "not started in it; start it there, or name "
			       "another",
			       spec->cgroup);
	self = calloc(1, sizeof(*self));
	if (!self)
		return err_set(err, ENOMEM, "memory is short");
	r = intercept_open(spec, &self->intercept, err);
	if (r) {
		free(self);
		return r;
	}
	self->loop = loop;
	self->config = config_ref(config);
	*ret = self;
	return 0;
}

struct intercept *interception_intercept(const struct interception *self)
{
	return self ? self->intercept : NULL;
}

bool interception_needs_admin(const struct interception *self)
{
	const struct intercept_spec *spec =
		self ? self->config->intercept : NULL;

	for (size_t i = 0; spec && i < spec->site_count; i++)
		if (spec->sites[i].netns || spec->sites[i].guard.cgroup)
			return true;
	return false;
}

int interception_hand_over(struct interception *self,
			   struct generation *const *generations,
			   unsigned int count, struct err *err)
{
	int r;

	if (!self)
		return 0;
	r = hand_over(self, self->config, false, generations, count, err);
	if (!r)
		note_doors(self, self->config, self->config, generations,
			   count);
	return r;
}

static int put_up(struct interception *self, const struct intercept_spec *spec,
		  struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < spec->site_count; i++)
		if (spec->sites[i].ingress.transparent)
			r = transparent_routes(spec->sites[i].netns, err);
	return r ? r : intercept_follow(self->intercept, spec, err);
}

static void tell(const struct interception *self)
{
	const struct intercept_spec *spec = self->config->intercept;

	for (size_t i = 0; i < spec->site_count; i++) {
		const struct intercept_guard *guard = &spec->sites[i].guard;
		bool truth = intercept_guard_truth(self->intercept, i);

		log_line(LOG_LEVEL_INFO, "intercepting", "site",
			 spec->sites[i].name, "adopted",
			 intercept_adopted(self->intercept) ? "yes" : "no",
			 guard->cgroup ? "guard" : NULL,
			 truth ? "asks the kernel" : "takes the daemon's word",
			 NULL);
	}
}

int interception_attach(struct interception *self, struct err *err)
{
	const struct intercept_spec *spec;
	struct err ignored;
	int r;

	if (!self)
		return 0;
	spec = self->config->intercept;
	r = put_up(self, spec, err);
	if (!r)
		r = watch(self, err);
	if (!r)
		tell(self);
	else if (!intercept_adopted(self->intercept) &&
		 intercept_detach(spec->pin_dir, true, &ignored))
		log_line(LOG_LEVEL_WARNING, "some of it stays pinned", "why",
			 ignored.text, NULL);
	return r;
}

int interception_claim(struct interception *self, const struct config *config,
		       struct err *err)
{
	const struct intercept_spec *spec = config->intercept;

	if (!self != !spec || (self && strcmp(self->config->intercept->pin_dir,
					      spec->pin_dir) != 0))
		return err_set(err, EINVAL,
			       "intercept: it comes, goes, and changes its pin "
			       "by a restart only (and goes by \"millrace "
			       "detach\")");
	return self ? intercept_claim(self->intercept, spec, err) : 0;
}

int interception_follow(struct interception *self, struct config *config,
			struct generation *const *generations,
			unsigned int count, struct err *err)
{
	struct err ignored;
	int r;

	if (!self || config == self->config)
		return 0;
	r = hand_over(self, config, false, generations, count, err);
	if (!r)
		r = put_up(self, config->intercept, err);
	if (!r)
		r = hand_over(self, config, true, generations, count, err);
	if (r) {
		if (put_up(self, self->config->intercept, &ignored))
			log_line(LOG_LEVEL_ERROR,
				 "the interception is neither the old nor the "
				 "new one",
				 "why", ignored.text, NULL);
		return r;
	}
	note_doors(self, self->config, config, generations, count);
	config_free(self->config);
	self->config = config_ref(config);
	if (watch(self, &ignored))
		log_line(LOG_LEVEL_ERROR,
			 "new addresses of the host will not be seen", "why",
			 ignored.text, NULL);
	return 0;
}

void interception_leave(struct interception *self)
{
	const struct intercept_spec *spec;

	if (!self)
		return;
	unwatch(self);
	spec = self->config->intercept;
	for (size_t i = 0; self->doors && i < spec->door_count; i++)
		if (self->doors[i].count)
			handover_give(self->config, i, self->doors[i].fds,
				      self->doors[i].count);
	intercept_leave(self->intercept);
}

void interception_free(struct interception *self)
{
	if (!self)
		return;
	unwatch(self);
	free(self->doors);
	intercept_close(self->intercept);
	config_free(self->config);
	free(self);
}
