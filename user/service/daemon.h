/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon: all that the control thread holds, from its beginning (control.c)
 * through what it is asked for while it runs (requests.c) to its end.
 */
#ifndef MILLRACE_SERVICE_DAEMON_H
#define MILLRACE_SERVICE_DAEMON_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "admin/context.h"
#include "admin/server.h"
#include "bpf/counters.h"
#include "flow/worker.h"
#include "mesh/discovery.h"
#include "service/drain.h"
#include "service/interception.h"
#include "service/notify.h"
#include "service/rotate.h"

#define WORKERS_MAX 256

struct control {
	struct plan *plan; /* what is served */
	struct counters *counters;
	struct access_log *access_log;
	sd_event *loop;
	int ended_fd; /* an eventfd: each worker that ends adds 1 */
	bool kernel_rekey;
	struct worker *workers[WORKERS_MAX];
	unsigned int worker_count;
	struct drain drain;
	struct admin_context admin_context;
	struct admin_server *admin;
	struct rotate *rotate;
	struct discovery *discovery;
	struct notify notify;
	struct interception *interception; /* NULL: none */
};

#endif
