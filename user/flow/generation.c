/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/generation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow/accept.h"
#include "tls/ctx.h"

static int listen_on(const struct config_listener *config, int *ret_fd,
		     struct err *err)
{
	const struct addr *addr = &config->listen;
	char text[ADDR_TEXT_MAX];
	const char *step = "socket";
	int one = 1, error;
	int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		goto failed;
	step = "setsockopt";
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
		goto failed;
	if (addr->any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0)
		goto failed;
	step = "bind";
	if (bind(fd, &addr->any, addr->size) != 0)
		goto failed;
	step = "listen";
	if (listen(fd, SOMAXCONN) != 0)
		goto failed;
	*ret_fd = fd;
	return 0;

failed:
	error = errno;
	if (fd >= 0)
		close(fd);
	return err_set(
		err, error, "listener %s: cannot listen on %s: %s: %s%s",
		config->name, addr_format(addr, text), step, strerror(error),
		error == EADDRINUSE
			? "; another process holds this port (see ss -ltnp)"
			: "");
}

static bool listens_on(const struct plan *plan, const struct addr *addr)
{
	for (size_t i = 0; plan && i < plan->config->listener_count; i++)
		if (addr_equal(&plan->config->listeners[i].listen, addr))
			return true;
	return false;
}

static int listener_init(struct worker_listener *listener, size_t i,
			 unsigned int worker, const struct plan *previous,
			 struct err *err)
{
	const struct plan *plan = listener->generation->plan;
	const struct config_listener *config = &plan->config->listeners[i];
	int fd = -1, r;

	listener->config = config;
	listener->row = counters_listener(plan->counters, i, worker);
	listener->negotiated =
		counters_listener_negotiated(plan->counters, i, worker);
	listener->times = counters_listener_times(plan->counters, i, worker);
	listener->limits = plan->limits[i];
	if (config->identity_count) {
		struct tls_ctx_parts parts = {
			.set = &plan->credentials->listeners[i],
			.tickets = plan->tickets,
			.node = plan->config->node,
			.demands = &listener->demands,
		};

		r = tls_ctx_server_new(config, &parts, &listener->ctx, err);
		if (r < 0)
			return r;
	}
	if (listens_on(previous, &config->listen))
		return 0;
	r = listen_on(config, &fd, err);
	if (r < 0)
		return r;
	listener->acceptor = acceptor_new(listener, DOORS_NONE, fd);
	if (listener->acceptor)
		return 0;
	close(fd);
	return err_set(err, ENOMEM, "memory is short");
}

static int cluster_init(struct worker_cluster *cluster, const struct plan *plan,
			size_t i, unsigned int worker, struct err *err)
{
	struct tls_ctx_parts parts = {
		.set = &plan->credentials->clusters[i],
		.node = plan->config->node,
		.demands = &cluster->demands,
	};

	cluster->config = &plan->config->clusters[i];
	cluster->row = counters_cluster(plan->counters, i, worker);
	cluster->negotiated =
		counters_cluster_negotiated(plan->counters, i, worker);
	cluster->times = counters_cluster_times(plan->counters, i, worker);
	/* Workers begin at different endpoints, so that few connections are
	 * spread too. */
	cluster->next = worker;
	cluster->membership = plan->memberships[i];
	if (!cluster->config->tls)
		return 0;
	return tls_ctx_client_new(cluster->config, &parts, &cluster->ctx, err);
}

/* The doors' listening sockets, but for those that go on. */
static int doors_fill(struct generation *generation,
		      const struct plan *previous, unsigned int worker,
		      struct err *err)
{
	const struct plan *plan = generation->plan;
	const struct config *config = plan->config;

	generation->doors =
		calloc(plan->doors.count + 1, sizeof(*generation->doors));
	if (!generation->doors)
		return err_set(err, ENOMEM, "memory is short");
	for (int i = 0; i < (int)plan->doors.count; i++) {
		size_t listener = config->intercept->doors[i].listener;
		int fd, r;

		if (previous &&
		    doors_heir(config, previous->config, i) != DOORS_NONE)
			continue;
		r = doors_listen(&generation->plan->doors, config, i, worker,
				 &fd, err);
		if (r)
			return r;
		generation->doors[i] =
			acceptor_new(&generation->listeners[listener], i, fd);
		if (!generation->doors[i]) {
			close(fd);
			return err_set(err, ENOMEM, "memory is short");
		}
	}
	return 0;
}

static int fill(struct generation *generation, const struct plan *previous,
		struct worker *worker, unsigned int index, struct err *err)
{
	const struct plan *plan = generation->plan;
	const struct config *config = plan->config;
	int r = 0;

	generation->listeners =
		calloc(config->listener_count, sizeof(*generation->listeners));
	generation->clusters =
		calloc(config->cluster_count, sizeof(*generation->clusters));
	if (!generation->listeners || !generation->clusters)
		return err_set(err, ENOMEM, "memory is short");
	for (size_t i = 0; r >= 0 && i < config->cluster_count; i++)
		r = cluster_init(&generation->clusters[i], plan, i, index, err);
	for (size_t i = 0; r >= 0 && i < config->listener_count; i++) {
		generation->listeners[i].worker = worker;
		generation->listeners[i].generation = generation;
		r = listener_init(&generation->listeners[i], i, index, previous,
				  err);
	}
	return r < 0 ? r : doors_fill(generation, previous, index, err);
}

int generation_new(struct plan *plan, const struct plan *previous,
		   struct worker *worker, unsigned int index,
		   struct generation **ret_generation, struct err *err)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	int r;

	if (!generation)
		return err_set(err, ENOMEM, "memory is short");
	generation->plan = plan_ref(plan);
	r = fill(generation, previous, worker, index, err);
	if (r < 0) {
		generation_free(generation);
		return r;
	}
	*ret_generation = generation;
	return 0;
}

void generation_free(struct generation *generation)
{
	const struct config *config;

	if (!generation)
		return;
	config = generation->plan->config;
	for (size_t i = 0; generation->listeners && i < config->listener_count;
	     i++) {
		acceptor_free(generation->listeners[i].acceptor);
		SSL_CTX_free(generation->listeners[i].ctx);
	}
	for (size_t i = 0; generation->clusters && i < config->cluster_count;
	     i++) {
		SSL_CTX_free(generation->clusters[i].ctx);
		free(generation->clusters[i].members.items);
	}
	for (size_t i = 0;
	     generation->doors && i < generation->plan->doors.count; i++)
		acceptor_free(generation->doors[i]);
	free(generation->doors);
	free(generation->listeners);
	free(generation->clusters);
	plan_unref(generation->plan);
	free(generation);
}

void generation_retire(struct generation *generation)
{
	generation->retired = true;
	if (generation->conns == 0)
		generation_free(generation);
}

void generation_hold(struct generation *generation)
{
	generation->conns++;
}

void generation_drop(struct generation *generation)
{
	if (--generation->conns == 0 && generation->retired)
		generation_free(generation);
}
