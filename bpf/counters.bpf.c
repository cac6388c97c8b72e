/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * counters: the maps of include/counters.h. No program: workers write their
 * rows through a mapping, and BTF gives bpftool the fields' names.
 */
#include <linux/bpf.h>
/* bpf_helpers.h needs the types above */
#include <bpf/bpf_helpers.h>

#include "counters.h"

/* The sizes are set when the maps are made. */
#define ROWS(map, row)                             \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, unsigned int);         \
		__type(value, struct row);         \
	} map SEC(".maps")

ROWS(listeners, listener_row);
ROWS(clusters, cluster_row);
ROWS(listener_tls, negotiated_row);
ROWS(cluster_tls, negotiated_row);
ROWS(listener_times, listener_times_row);
ROWS(cluster_times, cluster_times_row);

char LICENSE[] SEC("license") = "Dual BSD/GPL";
