/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf/sockets.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int store_socket(int map, uint32_t slot, int fd)
{
	__u64 value = (__u64)fd, held, cookie;
	socklen_t size = sizeof(cookie);

	/* Putting a socket in its own place makes older kernels forget it. */
	if (bpf_map_lookup_elem(map, &slot, &held) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 &&
	    held == cookie)
		return 0;
	return bpf_map_update_elem(map, &slot, &value, BPF_ANY) == 0 ? 0
								     : -errno;
}

int sockets_listen(const struct sockets_maps *maps, uint32_t site,
		   enum abi_direction direction, __u32 *shards, const int *fds,
		   size_t count, struct err *err)
{
	uint32_t first = ABI_SOCKET(site, direction, 0);
	int r = 0;

	if (count > ABI_SHARDS_MAX)
		return err_set(err, E2BIG, "more than %d listening sockets",
			       ABI_SHARDS_MAX);
	/* A slot beyond the count is not looked at, one within it is full. */
	if (count < __atomic_load_n(shards, __ATOMIC_ACQUIRE))
		__atomic_store_n(shards, (__u32)count, __ATOMIC_RELEASE);
	for (uint32_t i = 0; !r && i < count; i++)
		r = store_socket(maps->sockets, first + i, fds[i]);
	if (r)
		return err_set(err, -r, "listening socket: %s", strerror(-r));
	__atomic_store_n(shards, (__u32)count, __ATOMIC_RELEASE);
	for (uint32_t i = (uint32_t)count; i < ABI_SHARDS_MAX; i++) {
		uint32_t slot = first + i;

		(void)bpf_map_delete_elem(maps->sockets, &slot);
	}
	return 0;
}

static void addr_of(const struct abi_origin *origin, struct addr *ret)
{
	struct in6_addr addr;

	memcpy(&addr, origin->addr, sizeof(addr));
	memset(ret, 0, sizeof(*ret));
	if (IN6_IS_ADDR_V4MAPPED(&addr)) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = origin->port;
		memcpy(&ret->v4.sin_addr, &addr.s6_addr[12], 4);
		ret->size = sizeof(ret->v4);
	} else {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = origin->port;
		ret->v6.sin6_addr = addr;
		ret->size = sizeof(ret->v6);
	}
}

int sockets_origin(const struct sockets_maps *maps, int fd,
		   struct addr *ret_addr)
{
	struct abi_origin origin;

	if (bpf_map_lookup_elem(maps->origins, &fd, &origin) != 0)
		return -errno;
	if (origin.kind == ABI_ORIGIN_CLIENT)
		return -ENOENT;
	addr_of(&origin, ret_addr);
	return 0;
}

int sockets_own(const struct sockets_maps *maps, int fd, uint32_t row,
		enum abi_own_state state, uint32_t timeout_ms)
{
	struct abi_own own = {.state = state, .row = row};

	if (state == ABI_OWN_HANDSHAKING) {
		struct timespec now;

		/* the clock of bpf_ktime_get_ns() */
		clock_gettime(CLOCK_MONOTONIC, &now);
		own.deadline_ns = (__u64)now.tv_sec * 1000000000u +
				  (__u64)now.tv_nsec +
				  (__u64)timeout_ms * 1000000u;
	}
	return bpf_map_update_elem(maps->own, &fd, &own, BPF_ANY) == 0 ? 0
								       : -errno;
}

static void add(struct intercept_row *sum, const struct intercept_row *row)
{
#define ADD(field, directions, name, help) sum->field += row->field;
	INTERCEPT_COUNTERS(ADD)
#undef ADD
}

int sockets_row(const struct sockets_maps *maps, uint32_t row,
		struct intercept_row *ret)
{
	int cpus = libbpf_num_possible_cpus();
	struct intercept_row *per_cpu, sum;
	int r = 0;

	if (cpus < 0)
		return cpus;
	per_cpu = calloc((size_t)cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	if (bpf_map_lookup_elem(maps->rows, &row, per_cpu) != 0)
		r = -errno;
	memset(&sum, 0, sizeof(sum));
	for (int i = 0; !r && i < cpus; i++)
		add(&sum, &per_cpu[i]);
	free(per_cpu);
	if (!r)
		*ret = sum;
	return r;
}
