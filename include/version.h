/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * version: which millrace this is. The package takes it from here.
 */
#ifndef MILLRACE_VERSION_H
#define MILLRACE_VERSION_H

#define MILLRACE_VERSION "0.1.0"
/* The same as one number, for a gauge: 10000 * major + 100 * minor + patch. */
#define MILLRACE_VERSION_NUMBER 100

#endif
