/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes: what the admin endpoint answers to which method and path. Knows
 * nothing of sockets: an asked value comes through a function.
 */
#ifndef MILLRACE_ADMIN_ROUTES_H
#define MILLRACE_ADMIN_ROUTES_H

#include "admin/answer.h"

void routes_answer(const struct request *request, struct answer *ret);

#endif
