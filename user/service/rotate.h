/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rotate: notices that certificates, keys, trust, revocation lists or ticket
 * keys were written anew, and renews ticket keys of our own in time.
 *
 * Of the control thread. What a change means is the caller's to decide.
 */
#ifndef MILLRACE_SERVICE_ROTATE_H
#define MILLRACE_SERVICE_ROTATE_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "flow/plan.h"

struct rotate;

struct rotate_hooks {
	/* A file that the plan names may be another one. -EAGAIN: ask again
	 * soon; all else is over with. */
	int (*changed)(void *data);
	void *data;
};

/* 0 or -errno with the words. */
int rotate_new(sd_event *loop, const struct rotate_hooks *hooks,
	       struct rotate **ret, struct err *err)
	__attribute__((warn_unused_result));

/* NULL is allowed. */
void rotate_free(struct rotate *rotate);

/* The files of this plan are watched from now on, and looked at once. */
void rotate_follow(struct rotate *rotate, const struct plan *plan);

#endif
