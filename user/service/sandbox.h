/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox: what the daemon gives up once it has begun: every capability that
 * it does not need later, new privileges (PR_SET_NO_NEW_PRIVS), and every
 * system call that a forwarder does not make (seccomp(2)): it starts no
 * program and no process, traces and signals nobody, mounts nothing, and its
 * sockets are of the UNIX, INET, INET6 and NETLINK families.
 *
 * A call that is barred fails with EPERM and is told to the kernel's audit
 * log. The service manager's own limits (scripts/systemd/millrace.service)
 * stand beside these.
 */
#ifndef MILLRACE_SERVICE_SANDBOX_H
#define MILLRACE_SERVICE_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/*
 * For the calling thread and those that it starts from now on: call it while
 * it is the only one. There is no way back. CAP_SYS_ADMIN is kept
 * where needs_admin says so. 0, or -errno with the words when this kernel
 * cannot; what could be given up by then is given up.
 */
int sandbox_enter(bool needs_admin, struct err *err)
	__attribute__((warn_unused_result));

#endif
