/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard: putting up what lets nothing in the clear leave (bpf/guard.bpf.c).
 * Only for intercept.c, which knows the order: guard_packets() before egress
 * is attached, guard_connects() after it, so that connect() is judged by
 * where it goes in the end.
 */
#ifndef MILLRACE_BPF_GUARD_H
#define MILLRACE_BPF_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/pins.h"

/* Cgroups: the guarded one, and the daemon's own unless it is covered (-1). */
struct guard_targets {
	int guarded;
	int own;
};

struct guard;

/*
 * Whether the kernel can be asked about sockets: tls is there, its types are
 * known, and this process may read them. Loads tls.ko where it may.
 */
bool guard_truth_possible(void);

int guard_load(const char *pin_dir, uint32_t site, bool truth,
	       struct guard **ret, struct err *err)
	__attribute__((warn_unused_result));

int guard_packets(const struct guard *guard, struct pins *pins,
		  const char *site, const struct guard_targets *targets,
		  struct err *err) __attribute__((warn_unused_result));

/* behind: egress was attached anew, so that the order must be restored. */
int guard_connects(const struct guard *guard, struct pins *pins,
		   const char *site, const struct guard_targets *targets,
		   bool behind, struct err *err)
	__attribute__((warn_unused_result));

/* The map of protected destinations; the guard's. */
int guard_protected_map(const struct guard *guard);

/* NULL is allowed. */
void guard_free(struct guard *guard);

#endif
