/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot: every counter and gauge at one moment, summed over the workers,
 * by Envoy's names and in their order.
 */
#ifndef MILLRACE_ADMIN_SNAPSHOT_H
#define MILLRACE_ADMIN_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "admin/context.h"
#include "base/addr.h"
#include "base/err.h"

enum stat_owner {
	STAT_CLUSTER,
	STAT_LISTENER,
	STAT_TCP,    /* of a listener, as Envoy's tcp_proxy tells it */
	STAT_SITE,   /* of the interception */
	STAT_SERVER, /* the daemon as a whole */
};

/* "listener.0.0.0.0_15000": whose numbers, and where its name begins. */
struct stat_scope {
	char *text;
	size_t size;
	const char *name;
	enum stat_owner owner;
	size_t index; /* of the listener, cluster or site in the configuration
		       */
};

struct snapshot_stat {
	const struct stat_scope *scope;
	const char *name; /* below the scope: "ssl.handshake" */
	const char *help;
	unsigned long long value;
	unsigned int order; /* below STAT_ORDERS: the same for the same number
			       of every listener, or of every cluster */
	bool gauge;
	bool used; /* it has been other than 0, as far as is known */
};

#define STAT_ORDERS 1024

/* Read or printed, they take 100 us at most, or so (base/give_way.h). */
#define SCOPES_AT_ONCE 4
#define STATS_AT_ONCE 128
#define HISTOGRAMS_AT_ONCE 8

#define HISTOGRAM_ORDERS 4

/* Both sorted by the whole name, as bytes. */
struct snapshot {
	struct snapshot_stat *stats;
	size_t count;
	struct snapshot_stat *histograms; /* orders below HISTOGRAM_ORDERS */
	size_t histogram_count;
	struct stat_scope *scopes;
	size_t scope_count;
	/* private */
	const struct admin_context *context;
	size_t room;
	size_t histogram_room;
	unsigned int server_count;
	bool short_of_memory;
};

/* listener.<address>.ssl.certificate.<name>.expiration_… */
#define STAT_NAME_MAX 320

/* "listener.0.0.0.0_15000.ssl.handshake". Returns text. */
char *stat_name(const struct snapshot_stat *stat,
		char text[static STAT_NAME_MAX]);

/* 0 or -ENOMEM. The caller ends it; the context's configuration must last as
 * long. */
int snapshot_take(const struct admin_context *context, struct snapshot *ret)
	__attribute__((warn_unused_result));

void snapshot_free(struct snapshot *snapshot);

/*
 * What one of the histograms holds. Read when it is asked for: 1,500 of them
 * are more bytes than all else in a snapshot. Returns how many values.
 */
unsigned long long snapshot_durations(const struct snapshot *snapshot,
				      const struct snapshot_stat *histogram,
				      struct durations *ret);

/* From now on counters are told as if they were 0 here; gauges and histograms
 * stay. The rows
 * that bpftool reads go on. 0 or -ENOMEM. */
int snapshot_reset(struct admin_context *context)
	__attribute__((warn_unused_result));

#endif
