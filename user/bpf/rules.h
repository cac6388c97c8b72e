/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rules: whom an interception leaves alone and what its guard protects, as
 * sets in BPF maps.
 *
 * A set is written under a number that nothing uses, and comes into force
 * when the caller stores that number in the site's abi_site. The set before
 * it stays until the next is written, for programs that have read its number.
 */
#ifndef MILLRACE_BPF_RULES_H
#define MILLRACE_BPF_RULES_H

#include <stdint.h>

#include "base/err.h"
#include "config/intercept.h"

/* Map descriptors, the owner's. */
struct rules_maps {
	int exceptions;
	int networks;
	int protected;
	int ports;
};

/*
 * Whom egress leaves alone, the namespace's own addresses included. current
 * is the set in force; *ret_set is to be.
 */
int rules_egress(const struct rules_maps *maps, uint32_t site, uint32_t current,
		 const struct intercept_site *spec, uint32_t *ret_set,
		 struct err *err) __attribute__((warn_unused_result));

/* What the guard protects, but for the namespace's own addresses; likewise. */
int rules_guard(const struct rules_maps *maps, uint32_t site, uint32_t current,
		const struct intercept_site *spec, uint32_t *ret_set,
		struct err *err) __attribute__((warn_unused_result));

/* The ports that are steered to a site: these and no others from now on. */
int rules_ports(const struct rules_maps *maps, uint32_t site, uint64_t netns,
		const struct intercept_numbers *ports, struct err *err)
	__attribute__((warn_unused_result));

#endif
