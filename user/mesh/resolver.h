/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver: names to addresses, through c-ares behind an sd-event loop. An
 * answer that was truncated is asked for again over TCP.
 */
#ifndef MILLRACE_MESH_RESOLVER_H
#define MILLRACE_MESH_RESOLVER_H

#include <ares.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "config/config.h"

struct resolver;

/* dns says whom to ask and how long: nobody in it means /etc/resolv.conf. */
int resolver_new(sd_event *loop, const struct config_dns *dns,
		 struct resolver **ret, struct err *err)
	__attribute__((warn_unused_result));

/* Every lookup in flight ends with ARES_EDESTRUCTION first. NULL is allowed. */
void resolver_free(struct resolver *resolver);

/* family is AF_INET or AF_INET6. done is called once, perhaps at once; what
 * it gets is its own to free (ares_freeaddrinfo()). */
void resolver_ask(struct resolver *resolver, const char *hostname, int family,
		  ares_addrinfo_callback done, void *data);

#endif
