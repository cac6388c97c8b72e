/* SPDX-License-Identifier: BSD-2-Clause */
#include "io/sock.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

bool sock_over(int fd)
{
	struct tcp_info info = {.tcpi_state = TCP_CLOSE};
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
	       info.tcpi_state == TCP_CLOSE;
}

int sock_unsent(int fd, uint32_t *ret_bytes)
{
	int unsent = 0;

	/* What a reset left unsent is counted for ever. */
	if (sock_over(fd))
		return -ECONNRESET;
	if (ioctl(fd, SIOCOUTQ, &unsent) != 0)
		return -errno;
	*ret_bytes = (uint32_t)unsent;
	return 0;
}
