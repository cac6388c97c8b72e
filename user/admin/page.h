/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page: what a person sees at /: page.html with page.css and page.js in it,
 * which the build puts into the program. It draws itself from /stats, /certs
 * and the like.
 */
#ifndef MILLRACE_ADMIN_PAGE_H
#define MILLRACE_ADMIN_PAGE_H

#include "admin/answer.h"

void page_get(const struct request *request, struct answer *ret);

#endif
