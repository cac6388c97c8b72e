/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interception: what the control thread does for the configuration's
 * `intercept:`: it opens or adopts what is pinned, hands the workers' doors
 * over, and follows reloads and the hosts' addresses.
 *
 * NULL stands for a configuration without; every call takes it.
 */
#ifndef MILLRACE_SERVICE_INTERCEPTION_H
#define MILLRACE_SERVICE_INTERCEPTION_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "bpf/intercept.h"
#include "config/config.h"
#include "flow/generation.h"

struct interception;

/* Opens, and claims config's sites; nothing is attached yet. *ret is NULL
 * where config intercepts nothing. */
int interception_new(sd_event *loop, struct config *config,
		     struct interception **ret, struct err *err)
	__attribute__((warn_unused_result));

/* What plans and the admin endpoint take; or NULL. */
struct intercept *interception_intercept(const struct interception *self);

/* Whether CAP_SYS_ADMIN is still of use once it has begun: to enter other
 * network namespaces, and for a guard that asks the kernel after a reload. */
bool interception_needs_admin(const struct interception *self);

/* The doors of a first plan's generations get connections from the moment of
 * interception_attach() on. */
int interception_hand_over(struct interception *self,
			   struct generation *const *generations,
			   unsigned int count, struct err *err)
	__attribute__((warn_unused_result));

/* On failure where nothing was pinned before, nothing is pinned after. */
int interception_attach(struct interception *self, struct err *err)
	__attribute__((warn_unused_result));

/* Whether config can be followed at all; claims its sites. */
int interception_claim(struct interception *self, const struct config *config,
		       struct err *err) __attribute__((warn_unused_result));

/*
 * From now on it is config's, whose generations are made but not yet served.
 * On failure what was before is put up again; connections to doors that had
 * been handed over by then are refused.
 */
int interception_follow(struct interception *self, struct config *config,
			struct generation *const *generations,
			unsigned int count, struct err *err)
	__attribute__((warn_unused_result));

/*
 * It leaves, while its workers go on at their doors for a while: the doors'
 * sockets are given to the service manager, for the next daemon to accept what
 * comes in between, and another daemon may adopt what is pinned. Nothing is
 * followed any more.
 */
void interception_leave(struct interception *self);

/* What is pinned stays. */
void interception_free(struct interception *self);

#endif
