/* SPDX-License-Identifier: BSD-2-Clause */
#include "service/handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "net/netns.h"

/* "door-egress-" and a site's name */
#define NAME_SIZE (ABI_NAME_MAX + 16)

static void name_of(const struct config *config, size_t door,
		    char ret[NAME_SIZE])
{
	const struct intercept_spec *spec = config->intercept;
	const struct intercept_door *from = &spec->doors[door];

	snprintf(ret, NAME_SIZE, "door-%s-%s",
		 from->direction == ABI_EGRESS ? "egress" : "ingress",
		 spec->sites[from->site].name);
}

void handover_give(const struct config *config, size_t door, const int *fds,
		   unsigned int count)
{
	char name[NAME_SIZE], state[NAME_SIZE + 32];

	name_of(config, door, name);
	snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
	sd_pid_notify_with_fds(0, 0, state, fds, count);
}

static int door_named(const struct doors *doors, const struct config *config,
		      const char *wanted)
{
	for (size_t i = 0; i < doors->count; i++) {
		char name[NAME_SIZE];

		name_of(config, i, name);
		if (strcmp(name, wanted) == 0)
			return (int)i;
	}
	return DOORS_NONE;
}

/* A pod that was made anew under its old name is another place. */
static bool fits(const struct config *config, int door, int fd)
{
	const struct intercept_spec *spec = config->intercept;
	const char *netns = spec->sites[spec->doors[door].site].netns;
	socklen_t size = sizeof(int);
	uint64_t wanted, cookie;
	int listens = 0;
	struct err err;

	return netns_cookie(netns, &wanted, &err) == 0 &&
	       netns_cookie_of(fd, &cookie) == 0 && cookie == wanted &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ==
		       0 &&
	       listens;
}

static bool take(struct doors *doors, const struct config *config,
		 const char *name, int fd)
{
	int door = door_named(doors, config, name);

	if (door == DOORS_NONE || !fits(config, door, fd))
		return false;
	for (unsigned int w = 0; w < ABI_SHARDS_MAX; w++)
		if (doors->items[door].inherited[w] < 0) {
			doors_inherit(doors, door, w, fd);
			return true;
		}
	return false;
}

void handover_take(struct doors *doors, const struct config *config)
{
	char **names = NULL, count[16];
	int taken = 0, n = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (take(doors, config, names[i], fd))
			taken++;
		else
			close(fd);
		/* Kept there, it would outlive a crash of ours. */
		sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", names[i]);
		free(names[i]);
	}
	free(names);
	if (!taken)
		return;
	snprintf(count, sizeof(count), "%d", taken);
	log_line(LOG_LEVEL_INFO, "listening sockets taken over", "count", count,
		 NULL);
}
