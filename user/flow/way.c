/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/way.h"

#include <assert.h>

#include "flow/close.h"
#include "flow/dial.h"
#include "flow/forward.h"
#include "flow/handoff.h"
#include "flow/route.h"
#include "flow/shake.h"
#include "flow/sniff.h"
#include "flow/worker.h"

/* By what the listener's own side speaks. Each ends in WAY_CLOSE. */
static const uint8_t ways[][8] = {
	[CONFIG_TLS_STRICT] = {WAY_SHAKE, WAY_DIAL, WAY_HANDOFF, WAY_FORWARD,
			       WAY_CLOSE},
	/* Its TLS is the upstream's, seen from here it is plain. */
	[CONFIG_TLS_PASSTHROUGH] = {WAY_ROUTE, WAY_SHAKE, WAY_DIAL, WAY_HANDOFF,
				    WAY_FORWARD, WAY_CLOSE},
	[CONFIG_TLS_DISABLED] = {WAY_DIAL, WAY_HANDOFF, WAY_FORWARD, WAY_CLOSE},
	[CONFIG_TLS_PERMISSIVE] = {WAY_DIAL, WAY_HANDOFF, WAY_SNIFF, WAY_SHAKE,
				   WAY_HANDOFF, WAY_FORWARD, WAY_CLOSE},
};

static const struct {
	void (*enter)(struct conn *conn);
	void (*deadline)(struct conn *conn);
} stages[] = {
	[WAY_SNIFF] = {sniff_enter, sniff_deadline},
	[WAY_ROUTE] = {route_enter, route_deadline},
	[WAY_SHAKE] = {shake_enter, shake_deadline},
	[WAY_DIAL] = {dial_enter, dial_deadline},
	[WAY_HANDOFF] = {handoff_enter, NULL},
	[WAY_FORWARD] = {forward_enter, forward_deadline},
	[WAY_CLOSE] = {close_enter, close_deadline},
};

void way_next(struct conn *conn)
{
	const struct config_listener *config = conn->listener->config;
	const uint8_t *way = ways[config->route_count ? CONFIG_TLS_PASSTHROUGH
						      : config->tls_mode];

	assert(conn->stage < WAY_CLOSE);
	if (conn->plain && way[conn->step] == WAY_SHAKE)
		conn->step++;
	conn->stage = way[conn->step++];
	stages[conn->stage].enter(conn);
}

void way_deadline(struct conn *conn)
{
	assert(stages[conn->stage].deadline);
	stages[conn->stage].deadline(conn);
}
