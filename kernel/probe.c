/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe.h"

#include <string.h>

static const struct {
	const char *group;
	const char *feature;
	const char *without;
} words[] = {
#define PROBE_WORDS(id, group, feature, without) \
	[PROBE_##id] = {group, feature, without},
	PROBES(PROBE_WORDS)
#undef PROBE_WORDS
};

const char *probe_group(enum probe_id id)
{
	return words[id].group;
}

const char *probe_feature(enum probe_id id)
{
	return words[id].feature;
}

const char *probe_without(enum probe_id id)
{
	return words[id].without;
}

void probe_note(struct probe *probe, enum probe_id id, int error)
{
	probe->results[id].state = error ? PROBE_NO : PROBE_YES;
	probe->results[id].error = error < 0 ? -error : error;
}

void probe_run(struct probe *ret)
{
	memset(ret, 0, sizeof(*ret));
	probe_tls(ret);
	probe_ring(ret);
	probe_bpf(ret);
}
