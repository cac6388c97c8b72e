/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * build: struct config from what the file says, and every check that looks
 * at more than one field.
 */
#ifndef MILLRACE_CONFIG_BUILD_H
#define MILLRACE_CONFIG_BUILD_H

#include "config/config.h"
#include "config/document.h"

/*
 * path is the configuration file's: relative paths in it are relative to its
 * folder. What is wrong is told in errors, and the result is then fit for
 * config_free() only. NULL when memory is short (errors says so).
 */
struct config *build_config(const char *path, const struct document *document,
			    struct schema_errors *errors);

#endif
