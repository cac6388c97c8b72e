/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server: the admin endpoint: HTTP in the control thread's loop
 * (libmicrohttpd behind sd-event). Nothing here touches a worker.
 */
#ifndef MILLRACE_ADMIN_SERVER_H
#define MILLRACE_ADMIN_SERVER_H

#include <systemd/sd-event.h>

#include "admin/context.h"
#include "base/err.h"

struct admin_server;

/*
 * Listens where context's configuration says, which has made sure that nobody
 * gets in who should not. context must outlive the server. 0 or -errno with
 * the words.
 */
int admin_server_new(sd_event *loop, struct admin_context *context,
		     struct admin_server **ret, struct err *err)
	__attribute__((warn_unused_result));

/* NULL is allowed. */
void admin_server_free(struct admin_server *server);

#endif
