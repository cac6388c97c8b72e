/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters: where the rows of include/counters.h live: pinned, mmap-able BPF
 * maps, or plain memory where there is no bpffs or no right to it.
 *
 * The set belongs to the control thread; each row has one writer, the worker
 * whose it is, which stores plainly; readers take 64-bit loads.
 */
#ifndef MILLRACE_BPF_COUNTERS_H
#define MILLRACE_BPF_COUNTERS_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"
#include "counters.h"

struct counters;

/*
 * Makes (or adopts, when pinned maps of the same shape are there) one row
 * per listener and worker, per cluster and worker, and the negotiated rows,
 * and fills in their names. Counters of adopted rows go on; gauges begin at
 * 0. Where BPF cannot be had it falls back to plain memory and says why in
 * err, returning 0 all the same: counters_pinned() tells. -ENOMEM else.
 */
int counters_open(const struct config *config, unsigned int workers,
		  struct counters **ret_counters, struct err *err)
	__attribute__((warn_unused_result));

/* Unmaps; pins stay. NULL is allowed. */
void counters_close(struct counters *counters);

bool counters_pinned(const struct counters *counters);
unsigned int counters_workers(const struct counters *counters);

/* listener and cluster are indexes into the configuration. */
struct listener_row *counters_listener(struct counters *counters,
				       size_t listener, unsigned int worker);
struct cluster_row *counters_cluster(struct counters *counters, size_t cluster,
				     unsigned int worker);

/* What was negotiated, counted by name (ciphers, versions, curves). */
struct negotiated_row *counters_listener_negotiated(struct counters *counters,
						    size_t listener,
						    unsigned int worker);
struct negotiated_row *counters_cluster_negotiated(struct counters *counters,
						   size_t cluster,
						   unsigned int worker);

/*
 * The field of row that counts "ssl.ciphers.<name>" and the like: kind is
 * "ciphers", "versions" or "curves"; name is OpenSSL's. A name outside the
 * list counts as "ssl.<kind>.other".
 */
unsigned long long *counters_negotiated_field(struct negotiated_row *row,
					      const char *kind,
					      const char *name);

#endif
