/* SPDX-License-Identifier: BSD-2-Clause */
/* listening: the socket of a server. */
#ifndef MILLRACE_BENCH_LISTENING_H
#define MILLRACE_BENCH_LISTENING_H

#include "base/addr.h"

/* Non-blocking; what stands in the way ends the program with words. */
int listening_new(const struct addr *addr);

#endif
