/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot_parts: what a snapshot is made of, scope by scope, in the order of
 * the names within one. Private to snapshot.c and its parts.
 */
#ifndef MILLRACE_ADMIN_SNAPSHOT_PARTS_H
#define MILLRACE_ADMIN_SNAPSHOT_PARTS_H

#include "admin/snapshot.h"

/* Where a scope's orders begin. */
enum {
	ORDER_CLUSTER = 0,
	ORDER_LISTENER = 256,
	ORDER_SERVER = 512,
	ORDER_SITE = 768,
	ORDER_TCP = 960,
};

/* Sorts tables that are the same at every snapshot. Before all else. */
void snapshot_rows_init(void);

/* A listener's, a cluster's, or what tcp_proxy would tell of a listener. */
void snapshot_rows(struct snapshot *snapshot,
		   const struct admin_context *context,
		   const struct stat_scope *scope);

/* The daemon's own: of scope->index 0 listener_manager, of 1 server. */
void snapshot_server(struct snapshot *snapshot,
		     const struct admin_context *context,
		     const struct stat_scope *scope);

/* One more; what is short of memory is noted in the snapshot. */
void snapshot_add(struct snapshot *snapshot, const struct snapshot_stat *stat);

void snapshot_add_histogram(struct snapshot *snapshot,
			    const struct snapshot_stat *stat);

#endif
