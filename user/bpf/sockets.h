/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockets: what the interception knows of single sockets: which of them
 * listen, where an accepted one was meant to go, which are the daemon's own;
 * and what it has counted. Only for intercept.c.
 *
 * All of it is work on map descriptors, which takes no capability.
 */
#ifndef MILLRACE_BPF_SOCKETS_H
#define MILLRACE_BPF_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include <abi.h>

/* Descriptors, the owner's. */
struct sockets_maps {
	int rows;
	int origins;
	int own;
	int sockets;
};

/* shards is the site's count of that direction; see intercept_listeners(). */
int sockets_listen(const struct sockets_maps *maps, uint32_t site,
		   enum abi_direction direction, __u32 *shards, const int *fds,
		   size_t count, struct err *err)
	__attribute__((warn_unused_result));

/* -ENOENT for a socket that is neither redirected nor steered. */
int sockets_origin(const struct sockets_maps *maps, int fd,
		   struct addr *ret_addr) __attribute__((warn_unused_result));

int sockets_own(const struct sockets_maps *maps, int fd, uint32_t row,
		enum abi_own_state state, uint32_t timeout_ms)
	__attribute__((warn_unused_result));

int sockets_row(const struct sockets_maps *maps, uint32_t row,
		struct intercept_row *ret) __attribute__((warn_unused_result));

#endif
