/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/intercept.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int intercept_network_parse(const char *text, struct intercept_network *ret,
			    struct err *err)
{
	struct intercept_network network = {.bits = 128};
	const char *slash = strchr(text, '/');
	char host[INET6_ADDRSTRLEN];
	struct in_addr v4;
	unsigned int max;

	if (snprintf(host, sizeof(host), "%.*s",
		     (int)(slash ? slash - text : (long)strlen(text)),
		     text) >= (int)sizeof(host))
		return err_set(err, EINVAL, "\"%.60s\" is too long", text);
	if (inet_pton(AF_INET, host, &v4) == 1) {
		max = 32;
		memcpy(&network.addr.s6_addr[12], &v4, sizeof(v4));
		network.addr.s6_addr[10] = 0xff;
		network.addr.s6_addr[11] = 0xff;
	} else if (inet_pton(AF_INET6, host, &network.addr) == 1) {
		max = 128;
	} else {
		return err_set(err, EINVAL,
			       "\"%.60s\" is not a network such as "
			       "\"10.0.0.0/8\" or \"fd00::/8\"",
			       text);
	}
	if (slash) {
		char *end;
		unsigned long bits = strtoul(slash + 1, &end, 10);

		if (slash[1] < '0' || slash[1] > '9' || *end || bits > max)
			return err_set(err, EINVAL,
				       "\"%.60s\": the prefix is not a number "
				       "from 0 to %u",
				       text, max);
		network.bits = 128 - max + (unsigned int)bits;
	}
	*ret = network;
	return 0;
}

bool intercept_network_holds(const struct intercept_network *network,
			     const struct addr *addr)
{
	struct in6_addr in = {.s6_addr = {[10] = 0xff, 0xff}};
	unsigned int whole = network->bits / 8, rest = network->bits % 8;
	unsigned int mask = 0xff00u >> rest & 0xff;

	if (addr->any.sa_family == AF_INET)
		memcpy(&in.s6_addr[12], &addr->v4.sin_addr, 4);
	else if (addr->any.sa_family == AF_INET6)
		in = addr->v6.sin6_addr;
	else
		return false;
	return memcmp(&in, &network->addr, whole) == 0 &&
	       (!rest ||
		!((in.s6_addr[whole] ^ network->addr.s6_addr[whole]) & mask));
}

bool intercept_site_equal(const struct intercept_site *a,
			  const struct intercept_site *b)
{
	return strcmp(a->name, b->name) == 0 && !a->netns == !b->netns &&
	       (!a->netns || strcmp(a->netns, b->netns) == 0);
}

static void free_site(struct intercept_site *site)
{
	free(site->name);
	free(site->netns);
	free(site->egress.cgroup);
	free(site->egress.uids.items);
	free(site->egress.gids.items);
	free(site->egress.ports.items);
	free(site->egress.networks.items);
	free(site->ingress.ports.items);
	free(site->guard.cgroup);
	for (size_t i = 0; i < site->guard.protected_count; i++)
		free(site->guard.protected[i].ports.items);
	free(site->guard.protected);
}

void intercept_spec_free(struct intercept_spec *spec)
{
	if (!spec)
		return;
	for (size_t i = 0; i < spec->site_count; i++)
		free_site(&spec->sites[i]);
	free(spec->sites);
	free(spec->doors);
	free(spec->pin_dir);
	free(spec->cgroup);
	free(spec);
}
