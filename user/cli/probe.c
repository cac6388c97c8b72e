/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/probe.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/err.h"
#include "tls/gcm.h"
#include <probe.h>

static const char *const state_words[] = {
	[PROBE_UNTRIED] = "untried",
	[PROBE_NO] = "no",
	[PROBE_YES] = "yes",
};

static const char *error_of(const struct probe_result *result)
{
	return result->error ? err_name(result->error) : "-";
}

static const char *aes_gcm(void)
{
	const char *instructions = gcm_instructions();

	return instructions ? instructions : "OpenSSL";
}

static void print_table(const struct probe *probe, const char *release)
{
	printf("kernel %s; the user engine's AES-GCM by %s\n\n", release,
	       aes_gcm());
	printf("%-9s %-47s %-8s %-12s %s\n", "group", "feature", "here",
	       "errno", "without it millrace");
	for (int i = 0; i < PROBE_COUNT; i++) {
		const struct probe_result *result = &probe->results[i];

		printf("%-9s %-47s %-8s %-12s %s\n",
		       probe_group((enum probe_id)i),
		       probe_feature((enum probe_id)i),
		       state_words[result->state], error_of(result),
		       result->state == PROBE_YES
			       ? ""
			       : probe_without((enum probe_id)i));
	}
}

/* No text here holds anything that JSON would want escaped. */
static void print_json(const struct probe *probe, const char *release)
{
	static const char *const ids[] = {
#define PROBE_NAME(id, group, feature, without) #id,
		PROBES(PROBE_NAME)
#undef PROBE_NAME
	};

	printf("{\"kernel\":\"%s\",\"aes_gcm\":\"%s\",\"features\":[", release,
	       aes_gcm());
	for (int i = 0; i < PROBE_COUNT; i++) {
		const struct probe_result *result = &probe->results[i];

		printf("%s\n{\"id\":\"%s\",\"group\":\"%s\",\"feature\":\"%s\","
		       "\"here\":\"%s\",\"errno\":%s%s%s,\"without\":\"%s\"}",
		       i ? "," : "", ids[i], probe_group((enum probe_id)i),
		       probe_feature((enum probe_id)i),
		       state_words[result->state], result->error ? "\"" : "",
		       result->error ? err_name(result->error) : "null",
		       result->error ? "\"" : "",
		       probe_without((enum probe_id)i));
	}
	printf("]}\n");
}

int cli_probe(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct utsname kernel;
	struct probe probe;

	if (argc != 1 && !json) {
		fprintf(stderr, "usage: millrace probe [--json]\n");
		return 2;
	}
	if (uname(&kernel) != 0)
		strcpy(kernel.release, "unknown");
	probe_run(&probe);
	if (json)
		print_json(&probe, kernel.release);
	else
		print_table(&probe, kernel.release);
	return 0;
}
