/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prometheus: a snapshot in Prometheus' text format, by the names and labels
 * that Envoy gives: envoy_listener_ssl_handshake{envoy_listener_address=...}.
 */
#ifndef MILLRACE_ADMIN_PROMETHEUS_H
#define MILLRACE_ADMIN_PROMETHEUS_H

#include "admin/filter.h"
#include "admin/snapshot.h"
#include "base/text.h"

void prometheus_print(const struct snapshot *snapshot,
		      const struct filter *filter, struct text *text);

#endif
