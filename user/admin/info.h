/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * info: what a GET tells of the daemon itself.
 */
#ifndef MILLRACE_ADMIN_INFO_H
#define MILLRACE_ADMIN_INFO_H

#include "admin/answer.h"

void info_ready(const struct request *request, struct answer *ret);
void info_server(const struct request *request, struct answer *ret);
void info_memory(const struct request *request, struct answer *ret);
void info_listeners(const struct request *request, struct answer *ret);
void info_clusters(const struct request *request, struct answer *ret);
void info_config(const struct request *request, struct answer *ret);
void info_certs(const struct request *request, struct answer *ret);

#endif
