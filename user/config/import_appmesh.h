/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_appmesh: an App Mesh virtual node or virtual gateway becomes a
 * configuration.
 *
 * The first one in the files is this host's; the others tell about its
 * backends. What cannot be had yet is written as a comment, and everything
 * that is not as it was is noted: nothing is left out silently.
 */
#ifndef MILLRACE_CONFIG_IMPORT_APPMESH_H
#define MILLRACE_CONFIG_IMPORT_APPMESH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/*
 * What needs a file that cannot be used on this machine is a comment as well,
 * so that config_load() always takes the outcome; elsewhere: the file is for
 * another machine, and its files need not be here.
 *
 * Writes the configuration to out and a line per note to told. 0 and how
 * many notes there are, or -errno with the words; nothing was written to out
 * then.
 */
int import_appmesh(char *const *paths, size_t count, bool elsewhere, FILE *out,
		   FILE *told, size_t *ret_notes, struct err *err)
	__attribute__((warn_unused_result));

#endif
