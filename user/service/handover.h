/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handover: listening sockets of doors between two daemons. The service
 * manager keeps them (FileDescriptorStoreMax= of systemd.service(5)) from the
 * end of one to the start of the next, so that connections wait instead of
 * being refused. Without a manager that does, they end with the daemon.
 *
 * Only a daemon that ends in order gives them away: after a crash nobody is
 * to wait for a successor that may never come.
 */
#ifndef MILLRACE_SERVICE_HANDOVER_H
#define MILLRACE_SERVICE_HANDOVER_H

#include "config/config.h"
#include "flow/doors.h"

/* The sockets of one door, which stay the caller's too. */
void handover_give(const struct config *config, size_t door, const int *fds,
		   unsigned int count);

/*
 * What an earlier daemon gave goes to the doors that it was for; what fits
 * nowhere is closed. Before the first generation is made.
 */
void handover_take(struct doors *doors, const struct config *config);

#endif
