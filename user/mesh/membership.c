/* SPDX-License-Identifier: BSD-2-Clause */
#include "mesh/membership.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct membership {
	atomic_uint refs;
	atomic_uint version;
	pthread_mutex_t mutex;
	struct addr *items;
	size_t count;
};

struct membership *membership_new(void)
{
	struct membership *membership = calloc(1, sizeof(*membership));

	if (!membership)
		return NULL;
	atomic_store(&membership->refs, 1);
	pthread_mutex_init(&membership->mutex, NULL);
	return membership;
}

struct membership *membership_ref(struct membership *membership)
{
	atomic_fetch_add(&membership->refs, 1);
	return membership;
}

void membership_unref(struct membership *membership)
{
	if (!membership || atomic_fetch_sub(&membership->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&membership->mutex);
	free(membership->items);
	free(membership);
}

/* calloc(0) may be NULL; one more is never wrong. */
static struct addr *copy(const struct addr *items, size_t count)
{
	struct addr *own = calloc(count + 1, sizeof(*own));

	if (own && count)
		memcpy(own, items, count * sizeof(*own));
	return own;
}

int membership_set(struct membership *membership, const struct addr *items,
		   size_t count)
{
	struct addr *own = copy(items, count), *old;

	if (!own)
		return -ENOMEM;
	pthread_mutex_lock(&membership->mutex);
	old = membership->items;
	membership->items = own;
	membership->count = count;
	/* 0 is what a copy has that was never made. */
	if (atomic_fetch_add(&membership->version, 1) + 1 == 0)
		atomic_fetch_add(&membership->version, 1);
	pthread_mutex_unlock(&membership->mutex);
	free(old);
	return 0;
}

void membership_follow(struct membership *membership, struct members *members)
{
	struct addr *own;

	if (atomic_load(&membership->version) == members->version ||
	    pthread_mutex_trylock(&membership->mutex) != 0)
		return;
	own = copy(membership->items, membership->count);
	if (own) {
		free(members->items);
		members->items = own;
		members->count = membership->count;
		members->version = atomic_load(&membership->version);
	}
	pthread_mutex_unlock(&membership->mutex);
}
