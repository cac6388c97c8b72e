/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/way.h"

#include <assert.h>

#include "flow/close.h"
#include "flow/dial.h"
#include "flow/forward.h"
#include "flow/handoff.h"
#include "flow/shake.h"
#include "flow/worker.h"

/* Which stage follows which, by what the listener's own side speaks. */
static const struct {
	enum way_stage tls;
	enum way_stage plain;
} next_stage[] = {
	[WAY_ACCEPT] = {WAY_SHAKE, WAY_DIAL},
	[WAY_SHAKE] = {WAY_DIAL, WAY_CLOSE},
	[WAY_DIAL] = {WAY_HANDOFF, WAY_HANDOFF},
	[WAY_HANDOFF] = {WAY_FORWARD, WAY_FORWARD},
	[WAY_FORWARD] = {WAY_CLOSE, WAY_CLOSE},
};

static const struct {
	void (*enter)(struct conn *conn);
	void (*deadline)(struct conn *conn);
} stages[] = {
	[WAY_SHAKE] = {shake_enter, shake_deadline},
	[WAY_DIAL] = {dial_enter, dial_deadline},
	[WAY_HANDOFF] = {handoff_enter, NULL},
	[WAY_FORWARD] = {forward_enter, forward_deadline},
	[WAY_CLOSE] = {close_enter, close_deadline},
};

void way_next(struct conn *conn)
{
	assert(conn->stage < WAY_CLOSE);
	conn->stage =
		(uint8_t)(conn->listener->ctx ? next_stage[conn->stage].tls
					      : next_stage[conn->stage].plain);
	stages[conn->stage].enter(conn);
}

void way_deadline(struct conn *conn)
{
	assert(stages[conn->stage].deadline);
	stages[conn->stage].deadline(conn);
}
