/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * load: what the command line asks for, and the questions that a load can
 * answer.
 */
#ifndef MILLRACE_BENCH_LOAD_H
#define MILLRACE_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "load/histogram.h"
#include "load/link.h"

struct load {
	struct target target;
	const char *host; /* as the command line has it */
	const char *path; /* NULL: "/SIZE" */
	uint64_t size;	  /* of a response; UINT64_MAX: the question's own */
	uint64_t body;	  /* of a request */
	unsigned int connections; /* 0: the question's own */
	double seconds;
	uint64_t count; /* of exchanges or handshakes; 0: for seconds */
	double rate;	/* requests per second; 0: as fast as they go */
	bool resume;
	bool wait; /* for a line before, and for one after */
	bool json;
};

struct result {
	uint64_t bytes;
	uint64_t count;
	uint64_t failed;
	int error; /* of the first that failed */
	double seconds;
	struct histogram latency_ns;
};

/* Each prints what it found. The number of failures. */
uint64_t load_bulk(const struct load *load);
uint64_t load_requests(const struct load *load);
uint64_t load_handshakes(struct load *load);

/* Opens all connections, each with one exchange; says "ready" and keeps them
 * until standard input ends. */
uint64_t load_idle(const struct load *load);

/* Serves what the questions ask ("/N" answers N bytes) until it is killed.
 * ctx NULL: plain. */
void origin_run(const struct addr *listen, SSL_CTX *ctx)
	__attribute__((noreturn));

/* A plain TCP forwarder without anything else: what every proxy costs. */
void relay_run(const struct addr *listen, const struct addr *target)
	__attribute__((noreturn));

/* Seals count records of 16 KiB with AES-128-GCM; bytes per CPU second. */
double crypto_rate(uint64_t count);

void result_print(const struct load *load, const char *question,
		  const struct result *result);

#endif
