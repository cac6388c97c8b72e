/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/filter.h"

#include <errno.h>
#include <string.h>

#define FILTER_MAX 1024

static bool has_costly(const char *filter)
{
	for (const char *at = filter; *at; at++) {
		if (*at == '{')
			return true;
		if (*at != '\\')
			continue;
		if (at[1] >= '1' && at[1] <= '9')
			return true;
		if (at[1])
			at++;
	}
	return false;
}

static int compile(const char *filter, regex_t *ret, struct err *err)
{
	char words[128];
	int r;

	/* Whoever may ask must not be able to make it cost gigabytes. */
	if (has_costly(filter))
		return err_set(err, EINVAL,
			       "the filter may hold neither counts ({2}) nor "
			       "back-references (\\1)");
	if (strlen(filter) > FILTER_MAX)
		return err_set(err, EINVAL, "the filter is longer than %d",
			       FILTER_MAX);
	r = regcomp(ret, filter, REG_EXTENDED | REG_NOSUB);
	if (!r)
		return 0;
	regerror(r, ret, words, sizeof(words));
	return err_set(err, EINVAL,
		       "the filter is no extended regular expression: %s",
		       words);
}

int filter_init(struct filter *filter, const struct stats_query *query,
		struct err *err)
{
	filter->used_only = query->used_only;
	filter->matches = query->filter && *query->filter;
	return filter->matches ? compile(query->filter, &filter->regex, err)
			       : 0;
}

void filter_fini(struct filter *filter)
{
	if (filter->matches)
		regfree(&filter->regex);
}

bool filter_passes(const struct filter *filter,
		   const struct snapshot_stat *stat)
{
	char name[STAT_NAME_MAX];

	if (filter->used_only && !stat->used)
		return false;
	return !filter->matches ||
	       regexec(&filter->regex, stat_name(stat, name), 0, NULL, 0) == 0;
}
