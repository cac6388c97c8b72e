/* SPDX-License-Identifier: BSD-2-Clause */
/* hostname: whether DNS could know a name (RFC 1035 section 2.3.4). */
#ifndef MILLRACE_CONFIG_HOSTNAME_H
#define MILLRACE_CONFIG_HOSTNAME_H

#include <stdbool.h>

/* Letters, digits, "-" and "_"; a last dot is the root's. */
bool hostname_valid(const char *name);

#endif
