/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters: where the rows of include/counters.h live: pinned, mmap-able BPF
 * maps, or plain memory where there is no bpffs or no right to it.
 *
 * The set belongs to the control thread; each row has one writer, the worker
 * whose it is, which stores plainly; readers take 64-bit loads. A row stays
 * where it is until counters_close().
 */
#ifndef MILLRACE_BPF_COUNTERS_H
#define MILLRACE_BPF_COUNTERS_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include <counters.h>

struct counters;

/*
 * Makes (or takes over, when an earlier daemon's are pinned) one row per
 * listener and worker, per cluster and worker, and the negotiated and times
 * rows, by name. Counters of rows that are taken over go on; gauges begin at 0.
 * Where BPF cannot be had it falls back to plain memory and says why in err,
 * returning 0 all the same: counters_pinned() tells. -ENOMEM else.
 */
int counters_open(const struct config *config, unsigned int workers,
		  struct counters **ret_counters, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The configuration that follows: rows for what is new, the same rows for
 * what stays. 0, or -ENOSPC when there is no room for as many rows: nothing
 * has changed then, and a restart is the way out.
 */
int counters_follow(struct counters *counters, const struct config *config,
		    struct err *err) __attribute__((warn_unused_result));

/* Unmaps; pins stay. NULL is allowed. */
void counters_close(struct counters *counters);

bool counters_pinned(const struct counters *counters);
unsigned int counters_workers(const struct counters *counters);

/* listener and cluster are indexes into the last configuration. */
struct listener_row *counters_listener(struct counters *counters,
				       size_t listener, unsigned int worker);
struct cluster_row *counters_cluster(struct counters *counters, size_t cluster,
				     unsigned int worker);

/* What was negotiated, counted by name (ciphers, versions, curves, sigalgs). */
struct negotiated_row *counters_listener_negotiated(struct counters *counters,
						    size_t listener,
						    unsigned int worker);
struct negotiated_row *counters_cluster_negotiated(struct counters *counters,
						   size_t cluster,
						   unsigned int worker);

/* How long what took. */
struct listener_times_row *counters_listener_times(struct counters *counters,
						   size_t listener,
						   unsigned int worker);
struct cluster_times_row *counters_cluster_times(struct counters *counters,
						 size_t cluster,
						 unsigned int worker);

/*
 * The field of row that counts "ssl.<kind>.<name>": kind is "ciphers",
 * "versions", "curves" or "sigalgs"; name is OpenSSL's. A name outside the list
 * counts as "ssl.<kind>.other".
 */
unsigned long long *counters_negotiated_field(struct negotiated_row *row,
					      const char *kind,
					      const char *name);

#endif
