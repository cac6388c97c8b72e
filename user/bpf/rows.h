/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rows: an array of counter rows, in memory that a BPF map shares
 * (BPF_F_MMAPABLE) or in plain memory.
 *
 * Each row begins with struct counters_head. Rows that were pinned by an
 * earlier daemon, of this version or another, are found again.
 */
#ifndef MILLRACE_BPF_ROWS_H
#define MILLRACE_BPF_ROWS_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include <counters.h>

struct rows {
	unsigned char *at;
	size_t row_size;
	size_t count;
	bool mapped;
	unsigned int layout; /* for counters_head's schema; 0: plain memory */
};

/* Plain memory, zeroed. -ENOMEM. */
int rows_plain(struct rows *ret, size_t row_size, size_t count)
	__attribute__((warn_unused_result));

/*
 * The rows of map, a loaded array that btf describes, pinned as its name in
 * the folder pin_path. Where an earlier one stands there: it is taken over
 * when it has the same layout and enough rows, else its rows' fields are
 * copied by name and map takes its place; without CAP_SYS_ADMIN, to which
 * alone the kernel describes the earlier one, they begin at 0 then. Readers
 * never find the name missing. 0 or -errno.
 */
int rows_pinned(struct rows *ret, const struct bpf_map *map,
		const struct btf *btf, size_t row_size, const char *pin_path,
		struct err *err) __attribute__((warn_unused_result));

/*
 * How many rows stand pinned under name in pin_path: no map that is to take
 * their place may be smaller, or some would be lost. 0 when there are none.
 */
size_t rows_pinned_count(const char *pin_path, const char *name);

/* Harmless for one that is all zero. */
void rows_free(struct rows *rows);

/*
 * The rows in use, in the order that rows_search() needs; the array is the
 * caller's to free. NULL when memory is short.
 */
struct counters_head **rows_sorted(const struct rows *rows, size_t *ret_count);

/* The one of name and worker, or NULL. */
struct counters_head *rows_search(struct counters_head **sorted, size_t count,
				  const char *name, unsigned int worker);

static inline void *rows_row(const struct rows *rows, size_t i)
{
	return rows->at + i * rows->row_size;
}

#endif
