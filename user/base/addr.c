/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, in_port_t *ret_port, struct err *err)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || port < 1 || port > 65535)
		return err_set(err, EINVAL,
			       "port \"%s\" is not a number from 1 to 65535",
			       text);
	*ret_port = htons((in_port_t)port);
	return 0;
}

static bool looks_like_name(const char *host)
{
	return host[strcspn(host, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0';
}

int addr_parse(const char *text, struct addr *ret_addr, struct err *err)
{
	char host[ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	struct addr addr = {.size = 0};
	size_t size;
	int r;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(host))
		return err_set(err, EINVAL,
			       "\"%s\" is not an address and port, such as "
			       "\"127.0.0.1:8080\" or \"[::1]:8080\"",
			       text);
	size = (size_t)(colon - text);
	memcpy(host, text, size);
	host[size] = '\0';
	if (host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = '\0';
		addr.v6.sin6_family = AF_INET6;
		addr.size = sizeof(addr.v6);
		r = parse_port(colon + 1, &addr.v6.sin6_port, err);
		if (r)
			return r;
		if (inet_pton(AF_INET6, host + 1, &addr.v6.sin6_addr) != 1)
			return err_set(err, EINVAL,
				       "\"%s\" is not an IPv6 address",
				       host + 1);
	} else {
		addr.v4.sin_family = AF_INET;
		addr.size = sizeof(addr.v4);
		if (strchr(host, ':'))
			return err_set(err, EINVAL,
				       "\"%s\": an IPv6 address goes in "
				       "brackets, such as \"[::1]:8080\"",
				       text);
		r = parse_port(colon + 1, &addr.v4.sin_port, err);
		if (r)
			return r;
		if (looks_like_name(host))
			return err_set(err, EDESTADDRREQ,
				       "\"%s\" is a host name; only addresses "
				       "are supported, so write the address "
				       "it stands for",
				       host);
		if (inet_pton(AF_INET, host, &addr.v4.sin_addr) != 1)
			return err_set(err, EINVAL,
				       "\"%s\" is not an IPv4 address", host);
	}
	*ret_addr = addr;
	return 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->any.sa_family == AF_INET6 &&
	       a->v6.sin6_port == b->v6.sin6_port &&
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
		      sizeof(a->v6.sin6_addr)) == 0;
}

void addr_unmap(struct addr *addr)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	if (addr->any.sa_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
		return;
	v4.sin_port = addr->v6.sin6_port;
	memcpy(&v4.sin_addr, &addr->v6.sin6_addr.s6_addr[12],
	       sizeof(v4.sin_addr));
	addr->v4 = v4;
	addr->size = sizeof(v4);
}

char *addr_format(const struct addr *addr, char text[static ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];

	if (addr->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &addr->v4.sin_addr, host, sizeof(host));
		snprintf(text, ADDR_TEXT_MAX, "%s:%u", host,
			 (unsigned int)ntohs(addr->v4.sin_port));
	} else if (addr->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &addr->v6.sin6_addr, host, sizeof(host));
		snprintf(text, ADDR_TEXT_MAX, "[%s]:%u", host,
			 (unsigned int)ntohs(addr->v6.sin6_port));
	} else {
		snprintf(text, ADDR_TEXT_MAX, "?");
	}
	return text;
}

char *addr_format_stat(const struct addr *addr, char text[static ADDR_TEXT_MAX])
{
	addr_format(addr, text);
	for (char *c = text; *c; c++)
		if (*c == ':')
			*c = '_';
	return text;
}
