/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/context.h"

#include <stdlib.h>

#include "admin/certs.h"
#include "admin/snapshot.h"
#include "flow/plan.h"
#include "flow/worker.h"

enum admin_state admin_context_state(const struct admin_context *context)
{
	if (context->state == ADMIN_LIVE && context->health_failed)
		return ADMIN_DRAINING;
	return context->state;
}

unsigned int admin_context_connections(const struct admin_context *context)
{
	unsigned int open = 0;

	for (unsigned int i = 0; i < context->worker_count; i++)
		open += atomic_load_explicit(&context->workers[i]->connections,
					     memory_order_relaxed);
	return open;
}

const char *admin_context_words(const struct admin_context *context)
{
	static const char *const words[] = {
		[ADMIN_LIVE] = "LIVE",
		[ADMIN_DRAINING] = "DRAINING",
		[ADMIN_INITIALIZING] = "INITIALIZING",
	};

	return words[admin_context_state(context)];
}

void admin_context_follow(struct admin_context *context,
			  const struct plan *plan)
{
	context->config = plan->config;
	context->credentials = plan->credentials;
	context->memberships = plan->memberships;
	certs_free(context->certs);
	context->certs = certs_new(plan->config, plan->credentials);
}

void admin_context_fini(struct admin_context *context)
{
	certs_free(context->certs);
	context->certs = NULL;
	if (context->baseline)
		snapshot_free(context->baseline);
	free(context->baseline);
	context->baseline = NULL;
}
