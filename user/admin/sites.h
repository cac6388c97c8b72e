/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sites: the interception's counters (abi.h), per site and direction, by
 * their names in /stats: "egress.redirected".
 */
#ifndef MILLRACE_ADMIN_SITES_H
#define MILLRACE_ADMIN_SITES_H

#include <stddef.h>

#include "bpf/intercept.h"

/* How many a site has. */
size_t sites_count(void);

/* The i-th in the order of names. */
const char *sites_name(size_t i);
const char *sites_help(size_t i);

/* Of one site, in that order; zeros where they cannot be read. */
void sites_read(const struct intercept *intercept, size_t site,
		unsigned long long *ret_values);

#endif
