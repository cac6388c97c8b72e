/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats: the counters as /stats answers: names and values, by Envoy's names,
 * in three forms.
 */
#ifndef MILLRACE_ADMIN_STATS_H
#define MILLRACE_ADMIN_STATS_H

#include <stddef.h>

#include "admin/context.h"
#include "admin/filter.h"
#include "base/err.h"

enum stats_format {
	STATS_TEXT, /* "name: value" lines, sorted by name; histograms last */
	STATS_JSON,
	STATS_PROMETHEUS,
};

/*
 * *ret_text is the caller's to free. 0, -EINVAL for a filter that is no
 * regular expression, or one that could cost too much (with words), -ENOMEM.
 */
int stats_print(const struct admin_context *context, enum stats_format format,
		const struct stats_query *query, char **ret_text,
		size_t *ret_size, struct err *err)
	__attribute__((warn_unused_result));

#endif
