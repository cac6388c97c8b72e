/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * certs: what there is to tell of the certificates in force: those that we
 * show, and those that peers are checked by.
 */
#ifndef MILLRACE_ADMIN_CERTS_H
#define MILLRACE_ADMIN_CERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/text.h"
#include "config/config.h"
#include "identity/credentials.h"

/* Between "ssl.ca" and "ssl.ci". */
#define CERTS_STAT "ssl.certificate."

struct cert {
	char *stat; /* "ssl.certificate.<file>.expiration_..." */
	time_t expires;
};

struct certs;

/* The certificates that we show. NULL when memory is short. */
struct certs *certs_new(const struct config *config,
			const struct credentials *credentials);

/* NULL is allowed. */
void certs_free(struct certs *certs);

/* One that a listener (or else a cluster) shows, the i-th by the statistic's
 * name; NULL: there is none. */
const struct cert *certs_own(const struct certs *certs, bool listener,
			     size_t index, size_t i);

/* Whole days until the first one expires, below 0 when one has. -1 without
 * any. */
long long certs_days_min(const struct certs *certs);

/* /certs: {"certificates": [...]}, one entry for each combination of a chain
 * and a trust that is in use. */
void certs_print(const struct config *config,
		 const struct credentials *credentials, struct text *text);

#endif
