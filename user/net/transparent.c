/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/transparent.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "net/netns.h"

#define LOOPBACK_IFINDEX 1

static int request(struct mnl_socket *netlink, struct nlmsghdr *message)
{
	char answer[8192];
	ssize_t size;
	int r;

	message->nlmsg_flags =
		NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
		return -errno;
	size = mnl_socket_recvfrom(netlink, answer, sizeof(answer));
	if (size < 0)
		return -errno;
	r = mnl_cb_run(answer, (size_t)size, 0, mnl_socket_get_portid(netlink),
		       NULL, NULL);
	/* An earlier daemon's, or this one's. */
	return r >= 0 || errno == EEXIST ? 0 : -errno;
}

static int add_rule(struct mnl_socket *netlink, unsigned char family)
{
	char room[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct fib_rule_hdr *rule;

	message->nlmsg_type = RTM_NEWRULE;
	rule = mnl_nlmsg_put_extra_header(message, sizeof(*rule));
	rule->family = family;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(message, FRA_FWMARK, TRANSPARENT_MARK);
	mnl_attr_put_u32(message, FRA_TABLE, TRANSPARENT_TABLE);
	mnl_attr_put_u32(message, FRA_PRIORITY, TRANSPARENT_PRIORITY);
	return request(netlink, message);
}

static int add_route(struct mnl_socket *netlink, unsigned char family)
{
	char room[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(room);
	struct rtmsg *route;

	message->nlmsg_type = RTM_NEWROUTE;
	route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
	route->rtm_family = family;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_type = RTN_LOCAL;
	route->rtm_scope =
		family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	mnl_attr_put_u32(message, RTA_TABLE, TRANSPARENT_TABLE);
	mnl_attr_put_u32(message, RTA_OIF, LOOPBACK_IFINDEX);
	return request(netlink, message);
}

static int keep_marks(void)
{
	int fd = open("/proc/sys/net/ipv4/tcp_fwmark_accept",
		      O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1)
		r = -errno;
	close(fd);
	return r;
}

static int add_all(void *data)
{
	struct mnl_socket *netlink =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = 0;

	(void)data;
	if (!netlink)
		return -errno;
	if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	if (!r)
		r = add_rule(netlink, AF_INET);
	if (!r)
		r = add_route(netlink, AF_INET);
	if (!r)
		r = keep_marks();
	/* A namespace without IPv6 needs none of it. */
	if (!r && add_rule(netlink, AF_INET6) == 0)
		r = add_route(netlink, AF_INET6);
	mnl_socket_close(netlink);
	return r;
}

int transparent_routes(const char *netns, struct err *err)
{
	struct err words = {""};
	int r = netns_call(netns, add_all, NULL, &words);

	if (r)
		return err_set(err, -r,
			       "routes for transparent connections: "
			       "%s",
			       words.text[0] ? words.text : strerror(-r));
	return 0;
}

static int set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0 ? 0
								       : -errno;
}

/* A listener of both families shows IPv4 peers as mapped addresses. */
static void unmap(struct addr *addr)
{
	struct in_addr v4;

	if (addr->any.sa_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
		return;
	memcpy(&v4, &addr->v6.sin6_addr.s6_addr[12], sizeof(v4));
	memset(addr, 0, sizeof(*addr));
	addr->v4.sin_family = AF_INET;
	addr->v4.sin_addr = v4;
	addr->size = sizeof(addr->v4);
}

int transparent_bind(int fd, int down, struct err *err)
{
	struct addr addr = {.size = sizeof(addr.v6)};
	int r = 0;

	if (getpeername(down, &addr.any, &addr.size) != 0)
		return err_set(err, errno, "peer: %s", strerror(errno));
	unmap(&addr);
	if (addr.any.sa_family == AF_INET) {
		addr.v4.sin_port = 0;
		r = set_flag(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
	} else {
		addr.v6.sin6_port = 0;
		r = set_flag(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
	}
	if (!r)
		r = set_flag(fd, SOL_SOCKET, SO_MARK, (int)TRANSPARENT_MARK);
	/* The port is chosen at connect(), where fewer are taken. */
	if (!r)
		r = set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (!r && bind(fd, &addr.any, addr.size) != 0)
		r = -errno;
	if (r)
		return err_set(err, -r, "client's address: %s", strerror(-r));
	return 0;
}
