/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * actions: what a POST asks the daemon to do.
 */
#ifndef MILLRACE_ADMIN_ACTIONS_H
#define MILLRACE_ADMIN_ACTIONS_H

#include "admin/answer.h"

void actions_logging(const struct request *request, struct answer *ret);
void actions_health_fail(const struct request *request, struct answer *ret);
void actions_health_ok(const struct request *request, struct answer *ret);
void actions_drain(const struct request *request, struct answer *ret);
void actions_quit(const struct request *request, struct answer *ret);
void actions_reload(const struct request *request, struct answer *ret);
void actions_reset_counters(const struct request *request, struct answer *ret);
void actions_reopen_logs(const struct request *request, struct answer *ret);

#endif
