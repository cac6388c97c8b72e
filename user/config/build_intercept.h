/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build_intercept: the interception's part of build.h.
 */
#ifndef MILLRACE_CONFIG_BUILD_INTERCEPT_H
#define MILLRACE_CONFIG_BUILD_INTERCEPT_H

#include "config/build_tls.h"

/* After the listeners. Tells what is wrong in the build's errors. */
void build_intercept(struct build *build);

/* A list of ports, each from 1 to 65535. */
void build_ports(struct build *build, const struct place *place,
		 const char *field, const struct schema_texts *from,
		 struct intercept_numbers *ret);

#endif
