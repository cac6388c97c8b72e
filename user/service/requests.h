/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * requests: what a running daemon is asked for, by signals, by the admin
 * endpoint, and by files that change: to read its configuration again, to
 * drain, to end, to open its access log anew.
 *
 * All of it runs in the control thread.
 */
#ifndef MILLRACE_SERVICE_REQUESTS_H
#define MILLRACE_SERVICE_REQUESTS_H

#include "service/daemon.h"

/* Blocks the signals, so that threads which begin later inherit that, and
 * answers them in the loop. 0 or -errno. */
int requests_by_signal(struct control *control)
	__attribute__((warn_unused_result));

/* What a POST may bring about. */
struct admin_actions requests_actions(struct control *control);

/* For rotate_hooks: a file of a certificate has changed. */
int requests_files_changed(void *data);

/* For discovery_hooks: a cluster has other endpoints. */
void requests_members_changed(void *data);

/* Names are resolved for the plan that is served now. */
int requests_follow_discovery(struct control *control, struct err *err)
	__attribute__((warn_unused_result));

#endif
