/* SPDX-License-Identifier: BSD-2-Clause */
#include "admin/sites.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct counter {
	const char *name;
	const char *help;
	unsigned int direction;
	size_t offset;
};

#define COUNTER(field, directions, direction, prefix, name, help)           \
	{(directions)&1 << (direction) ? prefix name : "", help, direction, \
	 offsetof(struct intercept_row, field)},
#define EGRESS(field, directions, name, help) \
	COUNTER(field, directions, ABI_EGRESS, "egress.", name, help)
#define INGRESS(field, directions, name, help) \
	COUNTER(field, directions, ABI_INGRESS, "ingress.", name, help)
#define GUARD(field, directions, name, help) \
	COUNTER(field, directions, ABI_GUARD, "guard.", name, help)

/* Those without a name, first once sorted, are no direction's. */
static struct counter counters[] = {INTERCEPT_COUNTERS(
	EGRESS) INTERCEPT_COUNTERS(INGRESS) INTERCEPT_COUNTERS(GUARD)};

#define COUNT (sizeof(counters) / sizeof(counters[0]))

static int by_name(const void *a, const void *b)
{
	const struct counter *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The first that has a name. */
static size_t first(void)
{
	static size_t found;
	static bool sorted;

	if (sorted)
		return found;
	qsort(counters, COUNT, sizeof(counters[0]), by_name);
	while (!counters[found].name[0])
		found++;
	sorted = true;
	return found;
}

size_t sites_count(void)
{
	return COUNT - first();
}

const char *sites_name(size_t i)
{
	return counters[first() + i].name;
}

const char *sites_help(size_t i)
{
	return counters[first() + i].help;
}

void sites_read(const struct intercept *intercept, size_t site,
		unsigned long long *ret_values)
{
	struct intercept_row rows[ABI_DIRECTIONS] = {0};

	for (unsigned int d = 0; d < ABI_DIRECTIONS; d++)
		if (intercept_row(intercept, site, (enum abi_direction)d,
				  &rows[d]))
			memset(&rows[d], 0, sizeof(rows[d]));
	for (size_t i = first(); i < COUNT; i++) {
		const char *row = (const char *)&rows[counters[i].direction];
		__u64 value;

		memcpy(&value, row + counters[i].offset, sizeof(value));
		ret_values[i - first()] = value;
	}
}
