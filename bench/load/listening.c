/* SPDX-License-Identifier: BSD-2-Clause */
#include "load/listening.h"

#include <errno.h>
#include <string.h>

#include "load/loop.h"

#define BACKLOG 4096

int listening_new(const struct addr *addr)
{
	char text[ADDR_TEXT_MAX];
	int one = 1;
	int fd = socket(addr->any.sa_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, &addr->any, addr->size) != 0 || listen(fd, BACKLOG) != 0)
		loop_die("cannot listen on %s: %s", addr_format(addr, text),
			 strerror(errno));
	return fd;
}
