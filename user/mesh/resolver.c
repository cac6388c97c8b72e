/* SPDX-License-Identifier: BSD-2-Clause */
#include "mesh/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/list.h"

#define TRIES 2

struct resolver {
	sd_event *loop;
	ares_channel channel;
	sd_event_source *timer;
	struct list watches;
};

/* A socket of c-ares', while it wants to know of it. */
struct watch {
	struct list node;
	struct resolver *resolver;
	int fd;
	sd_event_source *source;
};

static pthread_once_t library = PTHREAD_ONCE_INIT;

static void begin_library(void)
{
	ares_library_init(ARES_LIB_INIT_ALL);
}

/* ---- c-ares' clock and sockets in the loop */

static void arm(struct resolver *resolver)
{
	struct timeval wait,
		*due = ares_timeout(resolver->channel, NULL, &wait);

	if (!due) {
		sd_event_source_set_enabled(resolver->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_relative(resolver->timer,
					  (uint64_t)due->tv_sec * 1000000 +
						  (uint64_t)due->tv_usec);
	sd_event_source_set_enabled(resolver->timer, SD_EVENT_ONESHOT);
}

static int timed_out(sd_event_source *source, uint64_t usec, void *data)
{
	struct resolver *resolver = data;

	(void)source;
	(void)usec;
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(resolver);
	return 0;
}

static int ready(sd_event_source *source, int fd, uint32_t events, void *data)
{
	/* The watch may end while c-ares works. */
	struct resolver *resolver = ((struct watch *)data)->resolver;

	(void)source;
	ares_process_fd(resolver->channel,
			events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	arm(resolver);
	return 0;
}

static void watch_free(struct watch *watch)
{
	list_del(&watch->node);
	sd_event_source_disable_unref(watch->source);
	free(watch);
}

static struct watch *watch_find(struct resolver *resolver, int fd)
{
	struct list *node;

	list_for_each (node, &resolver->watches) {
		struct watch *watch = list_entry(node, struct watch, node);

		if (watch->fd == fd)
			return watch;
	}
	return NULL;
}

/* Where there is no memory for it the lookup runs into its timeout. */
static void socket_state(void *data, ares_socket_t fd, int readable,
			 int writable)
{
	struct resolver *resolver = data;
	struct watch *watch = watch_find(resolver, fd);
	uint32_t events =
		(readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);

	if (watch && events) {
		sd_event_source_set_io_events(watch->source, events);
		return;
	}
	if (watch) {
		watch_free(watch);
		return;
	}
	watch = events ? calloc(1, sizeof(*watch)) : NULL;
	if (!watch)
		return;
	watch->resolver = resolver;
	watch->fd = fd;
	list_add_tail(&watch->node, &resolver->watches);
	if (sd_event_add_io(resolver->loop, &watch->source, fd, events, ready,
			    watch) < 0)
		watch_free(watch);
}

/* ---- the whole */

static int set_servers(struct resolver *resolver, const struct config_dns *dns)
{
	char *list = NULL, text[ADDR_TEXT_MAX];
	size_t size;
	FILE *out = open_memstream(&list, &size);
	int r;

	if (!out)
		return ARES_ENOMEM;
	for (size_t i = 0; i < dns->server_count; i++)
		fprintf(out, "%s%s", i ? "," : "",
			addr_format(&dns->servers[i], text));
	if (fclose(out) != 0)
		return ARES_ENOMEM;
	r = ares_set_servers_ports_csv(resolver->channel, list);
	free(list);
	return r;
}

int resolver_new(sd_event *loop, const struct config_dns *dns,
		 struct resolver **ret, struct err *err)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	struct ares_options options = {
		.timeout = (int)dns->timeout_ms,
		.tries = TRIES,
		.sock_state_cb = socket_state,
		.sock_state_cb_data = resolver,
	};
	int r;

	if (!resolver)
		return err_set(err, ENOMEM, "memory is short");
	pthread_once(&library, begin_library);
	list_init(&resolver->watches);
	resolver->loop = loop;
	r = sd_event_add_time(loop, &resolver->timer, CLOCK_MONOTONIC, 0,
			      CLOCK_ACCURACY_US, timed_out, resolver);
	if (r < 0) {
		free(resolver);
		return err_set(err, -r, "the resolver's timer: %s",
			       strerror(-r));
	}
	sd_event_source_set_enabled(resolver->timer, SD_EVENT_OFF);
	r = ares_init_options(&resolver->channel, &options,
			      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
				      ARES_OPT_SOCK_STATE_CB);
	if (r == ARES_SUCCESS && dns->server_count) {
		r = set_servers(resolver, dns);
		if (r != ARES_SUCCESS)
			ares_destroy(resolver->channel);
	}
	if (r != ARES_SUCCESS) {
		sd_event_source_unref(resolver->timer);
		free(resolver);
		return err_set(err, EIO, "the resolver cannot be set up: %s",
			       ares_strerror(r));
	}
	*ret = resolver;
	return 0;
}

void resolver_free(struct resolver *resolver)
{
	struct list *node, *after;

	if (!resolver)
		return;
	ares_destroy(resolver->channel);
	list_for_each_safe (node, after, &resolver->watches)
		watch_free(list_entry(node, struct watch, node));
	sd_event_source_disable_unref(resolver->timer);
	free(resolver);
}

void resolver_ask(struct resolver *resolver, const char *hostname, int family,
		  ares_addrinfo_callback done, void *data)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = ARES_AI_NOSORT,
	};

	ares_getaddrinfo(resolver->channel, hostname, NULL, &hints, done, data);
	arm(resolver);
}
