/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/doors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/netns.h"
#include "net/transparent.h"

static const char *netns_of(const struct config *config, int door)
{
	const struct intercept_spec *spec = config->intercept;

	return spec->sites[spec->doors[door].site].netns;
}

static int open_door(struct doors *doors, const struct config *config, int i,
		     struct err *err)
{
	const struct intercept_door *from = &config->intercept->doors[i];
	const struct intercept_site *site =
		&config->intercept->sites[from->site];
	struct door *door = &doors->items[i];
	int r = 0;

	door->row = intercept_row_index(doors->intercept, from->site,
					from->direction);
	door->transparent =
		from->direction == ABI_INGRESS && site->ingress.transparent;
	if (!site->netns)
		return 0;
	r = netns_open(site->netns, &door->netns, err);
	if (!r && doors->home < 0)
		r = netns_open(NULL, &doors->home, err);
	return r;
}

int doors_init(struct doors *doors, struct intercept *intercept,
	       const struct config *config, struct err *err)
{
	size_t count = intercept ? config->intercept->door_count : 0;
	int r = 0;

	*doors = (struct doors){.intercept = intercept, .home = -1};
	doors->items = calloc(count + 1, sizeof(*doors->items));
	if (!doors->items)
		return err_set(err, ENOMEM, "memory is short");
	doors->count = count;
	for (size_t i = 0; i < count; i++) {
		doors->items[i].netns = -1;
		memset(doors->items[i].inherited, -1,
		       sizeof(doors->items[i].inherited));
	}
	for (size_t i = 0; !r && i < count; i++)
		r = open_door(doors, config, (int)i, err);
	if (r)
		doors_fini(doors);
	return r;
}

void doors_fini(struct doors *doors)
{
	for (size_t i = 0; i < doors->count; i++) {
		struct door *door = &doors->items[i];

		if (door->netns >= 0)
			close(door->netns);
		for (size_t w = 0; w < ABI_SHARDS_MAX; w++)
			if (door->inherited[w] >= 0)
				close(door->inherited[w]);
	}
	if (doors->home >= 0)
		close(doors->home);
	free(doors->items);
	*doors = (struct doors){.home = -1};
}

int doors_heir(const struct config *config, const struct config *other,
	       int door)
{
	const struct intercept_spec *to = other->intercept;
	const struct intercept_spec *from = config->intercept;
	const struct intercept_door *a = &from->doors[door];

	for (size_t i = 0; to && i < to->door_count; i++) {
		const struct intercept_door *b = &to->doors[i];

		if (a->direction == b->direction &&
		    intercept_site_equal(&from->sites[a->site],
					 &to->sites[b->site]) &&
		    strcmp(config->listeners[a->listener].name,
			   other->listeners[b->listener].name) == 0)
			return (int)i;
	}
	return DOORS_NONE;
}

void doors_inherit(struct doors *doors, int door, unsigned int worker, int fd)
{
	int *place = &doors->items[door].inherited[worker];

	if (*place >= 0)
		close(*place);
	*place = fd;
}

int doors_listen(struct doors *doors, const struct config *config, int door,
		 unsigned int worker, int *ret_fd, struct err *err)
{
	int *inherited = worker < ABI_SHARDS_MAX
				 ? &doors->items[door].inherited[worker]
				 : NULL;

	if (inherited && *inherited >= 0) {
		*ret_fd = *inherited;
		*inherited = -1;
		return 0;
	}
	return netns_listen(netns_of(config, door), SOMAXCONN, ret_fd, err);
}

int doors_origin(const struct doors *doors, int fd, struct addr *ret_addr)
{
	if (!doors->intercept)
		return -ENOENT;
	return intercept_origin(doors->intercept, fd, ret_addr);
}

static const struct door *door_at(const struct doors *doors, int door)
{
	static const struct door none = {.netns = -1};

	if (door != DOORS_NONE)
		return &doors->items[door];
	/* What no door began counts in the first one's row. */
	return doors->count ? &doors->items[0] : &none;
}

int doors_socket(const struct doors *doors, int door, int family, int down,
		 int *ret_fd, struct err *err)
{
	const struct door *at = door_at(doors, door);
	int netns = door == DOORS_NONE ? -1 : at->netns;
	int fd = netns_socket(netns, doors->home, family);
	int r = 0;

	if (fd < 0)
		return err_set(err, -fd, "no socket for the upstream: %s",
			       strerror(-fd));
	if (doors->intercept)
		r = intercept_own(doors->intercept, fd, at->row, ABI_OWN_PLAIN,
				  0);
	if (r)
		err_set(err, -r, "a socket cannot be marked as our own: %s",
			strerror(-r));
	if (!r && door != DOORS_NONE && at->transparent)
		r = transparent_bind(fd, down, err);
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int doors_state(const struct doors *doors, int door, int fd,
		enum abi_own_state state, uint32_t timeout_ms)
{
	if (!doors->intercept)
		return 0;
	return intercept_own(doors->intercept, fd, door_at(doors, door)->row,
			     state, timeout_ms);
}
