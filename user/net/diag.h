/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diag: what the kernel says of TCP sockets: their addresses, and whether
 * kTLS is on them (sock_diag(7), linux/inet_diag.h).
 */
#ifndef MILLRACE_NET_DIAG_H
#define MILLRACE_NET_DIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/* linux/tls.h: TLS_CONF_* */
enum diag_conf {
	DIAG_CONF_NONE,
	DIAG_CONF_BASE, /* the ULP is there, this direction is not in it */
	DIAG_CONF_SOFTWARE,
	DIAG_CONF_NIC,
};

struct diag_socket {
	struct addr local;
	struct addr remote;
	uint32_t inode;
	uint64_t cookie;  /* SO_COOKIE: no other socket ever has it */
	bool tls;	  /* the ULP is there, and its state was told */
	bool told;	  /* the ULP would have been told, were it there */
	uint16_t version; /* 0x0303, 0x0304; 0: not told */
	uint16_t cipher;  /* linux/tls.h: TLS_CIPHER_*; 0: not told */
	enum diag_conf tx;
	enum diag_conf rx;
};

/*
 * Calls each for every TCP socket of the network namespace that a process may
 * have and that has a peer (half-closed ones too; listening and TIME_WAIT ones
 * not), both families. The ULP is told to CAP_NET_ADMIN alone on kernels
 * before 7. A socket that moves in the kernel's tables meanwhile may be missed.
 * 0 or -errno with the words.
 */
int diag_each(void (*each)(const struct diag_socket *socket, void *data),
	      void *data, struct err *err) __attribute__((warn_unused_result));

#endif
