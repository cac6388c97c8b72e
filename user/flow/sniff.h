/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sniff: on a permissive port, whether the client speaks TLS. The
 * application has been dialled already, so that it may speak first; nobody's
 * bytes leave their socket while we look.
 */
#ifndef MILLRACE_FLOW_SNIFF_H
#define MILLRACE_FLOW_SNIFF_H

#include <stddef.h>

#include "flow/conn.h"

enum sniff {
	SNIFF_MORE, /* could still be either */
	SNIFF_TLS,
	SNIFF_PLAIN,
};

/* Whether these are the first bytes of a ClientHello (RFC 8446 section 5.1,
 * 4.1.2; any version that TLS ever put there). */
enum sniff sniff_bytes(const uint8_t *bytes, size_t size);

void sniff_enter(struct conn *conn);
void sniff_deadline(struct conn *conn);

#endif
