/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/diag.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tls.h>
#include <netinet/tcp.h>
#include <string.h>

#ifndef INET_DIAG_ULP_INFO
#define INET_DIAG_ULP_INFO 19
#endif
/* linux/inet_diag.h: within INET_DIAG_ULP_INFO */
#define ULP_INFO_TLS 2
#define BUFFER_SIZE 65536
#define STATES                                                              \
	(1U << TCP_ESTABLISHED | 1U << TCP_SYN_SENT | 1U << TCP_FIN_WAIT1 | \
	 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT | 1U << TCP_LAST_ACK |  \
	 1U << TCP_CLOSING)

struct dump {
	void (*each)(const struct diag_socket *socket, void *data);
	void *data;
};

static uint16_t u16_of(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) >= sizeof(uint16_t)
		       ? mnl_attr_get_u16(attribute)
		       : 0;
}

static int on_tls(const struct nlattr *attribute, void *data)
{
	struct diag_socket *socket = data;

	switch (mnl_attr_get_type(attribute)) {
	case TLS_INFO_VERSION:
		socket->version = u16_of(attribute);
		break;
	case TLS_INFO_CIPHER:
		socket->cipher = u16_of(attribute);
		break;
	case TLS_INFO_TXCONF:
		socket->tx = u16_of(attribute);
		break;
	case TLS_INFO_RXCONF:
		socket->rx = u16_of(attribute);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int on_ulp(const struct nlattr *attribute, void *data)
{
	struct diag_socket *socket = data;

	if (mnl_attr_get_type(attribute) != ULP_INFO_TLS)
		return MNL_CB_OK;
	socket->tls = true;
	return mnl_attr_parse_nested(attribute, on_tls, data);
}

static int on_attribute(const struct nlattr *attribute, void *data)
{
	struct diag_socket *socket = data;

	switch (mnl_attr_get_type(attribute)) {
	case INET_DIAG_MARK:
		/* It is told to whom the ULP is told, and always. */
		socket->told = true;
		return MNL_CB_OK;
	case INET_DIAG_ULP_INFO:
		socket->told = true;
		return mnl_attr_parse_nested(attribute, on_ulp, data);
	default:
		return MNL_CB_OK;
	}
}

static struct addr addr_of(uint8_t family, const __be32 *bytes, __be16 port)
{
	struct addr addr = {.size = sizeof(addr.v6)};

	addr.any.sa_family = family;
	if (family == AF_INET) {
		addr.size = sizeof(addr.v4);
		addr.v4.sin_port = port;
		memcpy(&addr.v4.sin_addr, bytes, 4);
	} else {
		addr.v6.sin6_port = port;
		memcpy(&addr.v6.sin6_addr, bytes, 16);
	}
	return addr;
}

static int on_message(const struct nlmsghdr *header, void *data)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	const struct dump *dump = data;
	struct diag_socket socket = {
		.local = addr_of(message->idiag_family, message->id.idiag_src,
				 message->id.idiag_sport),
		.remote = addr_of(message->idiag_family, message->id.idiag_dst,
				  message->id.idiag_dport),
		.inode = message->idiag_inode,
		.cookie = message->id.idiag_cookie[0] |
			  (uint64_t)message->id.idiag_cookie[1] << 32,
	};

	mnl_attr_parse(header, sizeof(*message), on_attribute, &socket);
	dump->each(&socket, dump->data);
	return MNL_CB_OK;
}

static int ask(struct mnl_socket *netlink, uint8_t family, unsigned int number)
{
	char buffer[MNL_NLMSG_HDRLEN +
		    MNL_ALIGN(sizeof(struct inet_diag_req_v2))];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->nlmsg_seq = number;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = family;
	request->sdiag_protocol = IPPROTO_TCP;
	/* The ULP's part has no bit of its own: it comes with INFO. */
	request->idiag_ext = 1 << (INET_DIAG_INFO - 1);
	request->idiag_states = STATES;
	return mnl_socket_sendto(netlink, header, header->nlmsg_len) < 0
		       ? -errno
		       : 0;
}

static int answer(struct mnl_socket *netlink, unsigned int number,
		  struct dump *dump)
{
	static _Thread_local char buffer[BUFFER_SIZE];
	unsigned int port = mnl_socket_get_portid(netlink);
	int r = MNL_CB_OK;

	while (r > MNL_CB_STOP) {
		ssize_t size =
			mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));

		if (size <= 0)
			return size < 0 ? -errno : -EIO;
		r = mnl_cb_run(buffer, (size_t)size, number, port, on_message,
			       dump);
	}
	return r < 0 ? -errno : 0;
}

int diag_each(void (*each)(const struct diag_socket *socket, void *data),
	      void *data, struct err *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct dump dump = {each, data};
	struct mnl_socket *netlink =
		mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	int r;

	if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
	} else {
		r = 0;
		for (unsigned int i = 0; !r && i < 2; i++) {
			r = ask(netlink, families[i], i + 1);
			if (!r)
				r = answer(netlink, i + 1, &dump);
		}
	}
	if (netlink)
		mnl_socket_close(netlink);
	if (r)
		return err_set(err, -r,
			       "the kernel does not list its sockets "
			       "(sock_diag): %s",
			       strerror(-r));
	return 0;
}
