/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload: the configuration file, or what it names, is read again, and what
 * it says now is served from now on. Connections go on as they began. An error
 * keeps everything as it is.
 */
#ifndef MILLRACE_SERVICE_RELOAD_H
#define MILLRACE_SERVICE_RELOAD_H

#include "bpf/counters.h"
#include "config/config.h"
#include "flow/plan.h"
#include "flow/worker.h"
#include "service/interception.h"

/*
 * Replaces *plan, which the workers serve, by what its file says now. 0; or
 * -EAGAIN: a worker has not taken up the last one yet, ask again; or -errno,
 * and then nothing has changed and errors tells why.
 */
int reload_plan(struct plan **plan, struct interception *interception,
		struct worker *const *workers, unsigned int worker_count,
		struct config_errors *errors)
	__attribute__((warn_unused_result));

/* What came of looking at the certificates' files again. */
struct rotation {
	size_t changed; /* certificates and trusts that are other ones now */
	size_t renewed; /* certificates of ours among them */
	size_t kept;	/* that cannot be used: the old ones stay */
	char words[ERR_TEXT_MAX]; /* about the first of those */
};

/*
 * The same configuration with its certificates, keys, trust and revocation
 * lists as their files hold them now; what cannot be used stays as it was.
 * 0, or -EAGAIN as above, or -errno: nothing has changed. Logs.
 */
int reload_credentials(struct plan **plan, struct interception *interception,
		       struct worker *const *workers, unsigned int worker_count,
		       struct rotation *rotation)
	__attribute__((warn_unused_result));

#endif
