/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route: where a connection goes by the name that its client asks for (SNI),
 * and whether its TLS is ended here or passed through. Looks at the
 * ClientHello without taking it.
 */
#ifndef MILLRACE_FLOW_ROUTE_H
#define MILLRACE_FLOW_ROUTE_H

#include "flow/conn.h"

void route_enter(struct conn *conn);
void route_deadline(struct conn *conn);

/* The listener's route for name: NULL when none fits. */
const struct config_route *route_find(const struct config_listener *listener,
				      const char *name);

/* Counts what a ClientHello that waits in the socket asks for, if it is there
 * as a whole. */
void route_count_hello(struct conn *conn);

#endif
