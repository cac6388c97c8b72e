/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "load/load.h"

static const double shares[] = {0.5, 0.9, 0.99, 0.999};
static const char *const names[] = {"p50", "p90", "p99", "p999"};
#define SHARES (sizeof(shares) / sizeof(shares[0]))

static double quantile_us(const struct result *result, size_t i)
{
	return (double)histogram_quantile(&result->latency_ns, shares[i]) / 1e3;
}

static void print_json(const struct load *load, const char *question,
		       const struct result *result)
{
	printf("{\"question\": \"%s\", \"seconds\": %.6f, \"bytes\": %llu, "
	       "\"count\": %llu, \"failed\": %llu, \"rate_wanted\": %.1f",
	       question, result->seconds, (unsigned long long)result->bytes,
	       (unsigned long long)result->count,
	       (unsigned long long)result->failed, load->rate);
	for (size_t i = 0; i < SHARES; i++)
		printf(", \"%s_us\": %.1f", names[i], quantile_us(result, i));
	printf(", \"max_us\": %.1f}\n", (double)result->latency_ns.max / 1e3);
}

static const char *words(int error)
{
	if (error == -EBADMSG)
		return "the answer's status was not 200";
	if (error == -EPROTO)
		return "what came is not TLS or HTTP as it was asked for";
	if (error == -EKEYREJECTED)
		return "the peer did not resume the session";
	return strerror(-error);
}

void result_print(const struct load *load, const char *question,
		  const struct result *result)
{
	bool bulk = strcmp(question, "bulk") == 0;

	if (load->json) {
		print_json(load, question, result);
	} else if (bulk) {
		printf("%-12s %.3f GB in %.2f s, %.3f GB/s\n", question,
		       (double)result->bytes / 1e9, result->seconds,
		       (double)result->bytes / 1e9 / result->seconds);
	} else {
		printf("%-12s %llu in %.2f s, %.0f per second;", question,
		       (unsigned long long)result->count, result->seconds,
		       (double)result->count / result->seconds);
		for (size_t i = 0; i < SHARES; i++)
			printf(" %s %.0f", names[i], quantile_us(result, i));
		printf(" max %.0f us%s\n", (double)result->latency_ns.max / 1e3,
		       load->rate > 0 ? ", from when each was due" : "");
	}
	fflush(stdout);
	if (result->failed)
		fprintf(stderr, "millrace-bench: %s: %llu failed: %s\n",
			question, (unsigned long long)result->failed,
			words(result->error));
}
