/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "flow/conn.h"
#include "flow/worker.h"

struct listing *listing_new(unsigned int worker_count, int done_fd)
{
	struct listing *listing =
		calloc(1, sizeof(*listing) +
				  worker_count * sizeof(listing->slices[0]));

	if (!listing)
		return NULL;
	atomic_init(&listing->pending, worker_count);
	atomic_init(&listing->room, LISTING_MAX);
	listing->done_fd = done_fd;
	listing->worker_count = worker_count;
	return listing;
}

static void free_slices(struct listing_slice *slice)
{
	while (slice) {
		struct listing_slice *next = slice->next;

		for (size_t i = 0; i < slice->count; i++)
			plan_unref(slice->entries[i].plan);
		free(slice);
		slice = next;
	}
}

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	for (unsigned int i = 0; i < listing->worker_count; i++)
		free_slices(listing->slices[i]);
	free(listing);
}

/* One worker less; the listing may be freed as soon as the last one tells. */
static void done(struct listing *listing)
{
	int done_fd = listing->done_fd;

	if (atomic_fetch_sub(&listing->pending, 1) != 1)
		return;
	if (eventfd_write(done_fd, 1) != 0)
		log_line(LOG_LEVEL_ERROR, "a thread cannot be woken", "why",
			 strerror(errno), NULL);
}

/* Stands where a worker is asked that serves no more. */
static struct listing nobody;

void listing_ask(struct listing *listing, struct worker *const *workers)
{
	/* The last of them may end, and tell, before the loop has. */
	unsigned int count = listing->worker_count;

	for (unsigned int i = 0; i < count; i++) {
		struct listing *none = NULL;

		if (!atomic_compare_exchange_strong(&workers[i]->listing_asked,
						    &none, listing))
			done(listing);
		else
			worker_wake(workers[i]);
	}
}

/* ---- the worker's thread */

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (fd < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0)
		return 0;
	return cookie;
}

static enum listing_state state_of(const struct conn *conn,
				   const struct side *side)
{
	if (side->fd < 0)
		return LISTING_NONE;
	if (side->tls)
		return LISTING_TLS;
	if (side->is_up)
		return conn->cluster->ctx ? LISTING_HANDSHAKE : LISTING_PLAIN;
	if (!conn->listener->ctx || conn->plain)
		return LISTING_PLAIN;
	if (conn->listener->config->tls_mode == CONFIG_TLS_PERMISSIVE &&
	    !side->handshake)
		return LISTING_UNDECIDED;
	return LISTING_HANDSHAKE;
}

static void write_side(const struct conn *conn, const struct side *side,
		       struct listing_side *ret)
{
	ret->cookie = cookie_of(side->fd);
	ret->peer = side->peer;
	ret->state = (uint8_t)state_of(conn, side);
	if (!side->tls)
		return;
	ret->tx_kernel = side->tls->tx_engine == ENGINE_KERNEL;
	ret->rx_kernel = side->tls->rx_engine == ENGINE_KERNEL;
	ret->version = side->tls->version;
	ret->cipher = side->tls->cipher;
}

static void write_entry(const struct conn *conn, struct listing_entry *ret)
{
	uint64_t now_ms = conn->worker->now_ms;

	ret->plan = plan_ref(conn->listener->generation->plan);
	ret->listener = conn->listener->config;
	ret->cluster = conn->cluster->config;
	ret->age_ms = now_ms - conn->begun_ms;
	ret->idle_ms = now_ms - conn->active_ms;
	ret->rx_bytes = conn->lanes[LANE_DOWN_UP].bytes;
	ret->tx_bytes = conn->lanes[LANE_UP_DOWN].bytes;
	write_side(conn, &conn->down, &ret->down);
	write_side(conn, &conn->up, &ret->up);
}

static bool take_room(struct listing *listing)
{
	unsigned int room = atomic_load(&listing->room);

	while (room) {
		if (atomic_compare_exchange_weak(&listing->room, &room,
						 room - 1))
			return true;
	}
	return false;
}

static void finish(struct worker *worker)
{
	struct listing *listing = worker->listing;

	worker->listing = NULL;
	worker->listing_at = NULL;
	atomic_store(&worker->listing_asked, NULL);
	done(listing);
}

void listing_begin(struct worker *worker)
{
	struct listing *asked = atomic_load(&worker->listing_asked);

	if (!asked || worker->listing)
		return;
	worker->listing = asked;
	worker->listing_at = worker->conns.next;
}

void listing_go_on(struct worker *worker)
{
	struct listing *listing = worker->listing;
	struct listing_slice *slice;

	if (!listing)
		return;
	slice = calloc(1, sizeof(*slice));
	if (slice) {
		slice->next = listing->slices[worker->index];
		listing->slices[worker->index] = slice;
	}
	for (unsigned int i = 0; i < LISTING_SLICE; i++) {
		struct list *at = worker->listing_at;

		if (at == &worker->conns) {
			finish(worker);
			return;
		}
		worker->listing_at = at->next;
		if (slice && take_room(listing))
			write_entry(list_entry(at, struct conn, node),
				    &slice->entries[slice->count++]);
		else
			atomic_fetch_add(&listing->omitted, 1);
	}
}

void listing_leave(const struct conn *conn)
{
	if (conn->worker->listing_at == &conn->node)
		conn->worker->listing_at = conn->node.next;
}

void listing_end(struct worker *worker)
{
	struct listing *asked =
		atomic_exchange(&worker->listing_asked, &nobody);

	worker->listing = NULL;
	if (asked)
		done(asked);
}
