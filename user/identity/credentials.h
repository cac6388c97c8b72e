/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * credentials: every certificate, key and trust that a configuration names,
 * read from its files at one moment.
 *
 * Immutable and counted. What has not changed since an earlier reading is
 * the earlier object, and what two names hold alike is one object.
 */
#ifndef MILLRACE_IDENTITY_CREDENTIALS_H
#define MILLRACE_IDENTITY_CREDENTIALS_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"
#include "config/config.h"
#include "tls/credential.h"

struct credentials {
	atomic_uint refs;
	struct credential_set *listeners; /* as in the configuration */
	struct credential_set *clusters;
	size_t listener_count;
	size_t cluster_count;
};

/*
 * Looks at the ticket keys too. previous (or NULL) is what unchanged parts are
 * taken from. 0, or -errno with the words of the first file that cannot be
 * used.
 */
int credentials_read(const struct config *config,
		     const struct credentials *previous,
		     struct credentials **ret, struct err *err)
	__attribute__((warn_unused_result));

/* What became of a fresh look at the files. */
struct credentials_change {
	size_t changed; /* certificates and trusts that are other ones now */
	/* called for each that cannot be used; the old one then stays */
	void (*kept)(void *data, const char *words);
	/* called for each certificate of ours that is another one now */
	void (*renewed)(void *data, const struct config_identity *identity,
			const struct credential *credential);
	void *data;
};

/*
 * Reads again, for the configuration that previous was read for. A file that
 * cannot be used keeps what it gave before. 0 or -ENOMEM.
 */
int credentials_refresh(const struct config *config,
			const struct credentials *previous,
			struct credentials_change *change,
			struct credentials **ret, struct err *err)
	__attribute__((warn_unused_result));

struct credentials *credentials_ref(struct credentials *credentials);
/* Any thread. NULL is allowed. */
void credentials_unref(struct credentials *credentials);

#endif
