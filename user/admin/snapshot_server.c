/* SPDX-License-Identifier: BSD-2-Clause */
#include <malloc.h>

#include "admin/certs.h"
#include "admin/snapshot_parts.h"
#include "base/clock.h"
#include "base/log.h"
#include <version.h>

static void add_one(struct snapshot *snapshot, const struct stat_scope *scope,
		    const char *name, const char *help,
		    unsigned long long value, bool gauge)
{
	struct snapshot_stat stat = {
		.scope = scope,
		.name = name,
		.help = help,
		.value = value,
		.order = ORDER_SERVER + snapshot->server_count++,
		.gauge = gauge,
		.used = gauge || value,
	};

	snapshot_add(snapshot, &stat);
}

static size_t draining_listeners(const struct admin_context *context)
{
	const struct config *config = context->config;
	size_t count = 0;

	if (context->state == ADMIN_DRAINING)
		return config->listener_count;
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listeners[i].tls_mode != CONFIG_TLS_DISABLED)
			count++;
	return context->inbound_drained ? count : 0;
}

static void add_manager(struct snapshot *snapshot,
			const struct admin_context *context,
			const struct stat_scope *scope)
{
	size_t listeners = context->config->listener_count;
	size_t draining = draining_listeners(context);

	add_one(snapshot, scope, "listener_added", "listeners configured",
		listeners, true);
	add_one(snapshot, scope, "total_listeners_active",
		"listeners that accept", listeners - draining, true);
	add_one(snapshot, scope, "total_listeners_draining",
		"listeners that no longer accept", draining, true);
}

/* In the order of their names. */
static void add_server(struct snapshot *snapshot,
		       const struct admin_context *context,
		       const struct stat_scope *scope)
{
	long long days = certs_days_min(context->certs);
	unsigned int open = admin_context_connections(context);

	add_one(snapshot, scope, "concurrency", "worker threads",
		counters_workers(context->counters), true);
	add_one(snapshot, scope, "days_until_first_cert_expiring",
		"whole days that the first certificate to expire has left",
		days > 0 ? (unsigned long long)days : 0, true);
	add_one(snapshot, scope, "live", "1 when it serves",
		admin_context_state(context) == ADMIN_LIVE, true);
	add_one(snapshot, scope, "memory_allocated",
		"bytes of heap that are in use", mallinfo2().uordblks, true);
	add_one(snapshot, scope, "millrace.draining_connections",
		"connections that a drain waits for",
		context->state == ADMIN_DRAINING ? open : 0, true);
	add_one(snapshot, scope, "millrace.log_lines_held",
		"log lines about connections that the rate held back",
		log_held(), false);
	add_one(snapshot, scope, "millrace.reload_failed",
		"1 when the last reload was refused", context->reload_failed,
		true);
	add_one(snapshot, scope, "millrace.reload_failure",
		"reloads that were refused", context->reload_failures, false);
	add_one(snapshot, scope, "millrace.reload_success",
		"reloads that succeeded", context->reloads, false);
	add_one(snapshot, scope, "millrace.rotation_failed",
		"1 while a file cannot be used and the one before it stays",
		context->rotation_failed, true);
	add_one(snapshot, scope, "millrace.rotation_failure",
		"files that could not be used when they changed",
		context->rotation_failures, false);
	add_one(snapshot, scope, "millrace.rotation_success",
		"certificates renewed while running", context->rotations,
		false);
	add_one(snapshot, scope, "state", "0 live, 1 draining, 2 initializing",
		admin_context_state(context), true);
	add_one(snapshot, scope, "total_connections", "connections open", open,
		true);
	add_one(snapshot, scope, "uptime", "seconds since the start",
		(clock_now_ms() - context->started_ms) / 1000, true);
	add_one(snapshot, scope, "version", "the program's, as a number",
		MILLRACE_VERSION_NUMBER, true);
}

void snapshot_server(struct snapshot *snapshot,
		     const struct admin_context *context,
		     const struct stat_scope *scope)
{
	if (scope->index == 0)
		add_manager(snapshot, context, scope);
	else
		add_server(snapshot, context, scope);
}
