/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resume: the sessions that a client may resume, by the demands they were made
 * under and the endpoint that gave them.
 *
 * Belongs to one thread. Holds RESUME_MAX sessions, of RESUME_MAX_EACH for one
 * endpoint: the oldest goes first, and wiped.
 */
#ifndef MILLRACE_TLS_RESUME_H
#define MILLRACE_TLS_RESUME_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <time.h>

#include "base/addr.h"
#include "base/list.h"
#include "tls/session.h"

#define RESUME_MAX 1024
#define RESUME_MAX_EACH 8
#define RESUME_SLOTS 256
/* Of one ticket; what is larger is not kept. */
#define RESUME_TICKET_MAX 16384

struct resume {
	struct list slots[RESUME_SLOTS];
	struct list recent; /* the oldest first */
	size_t count;
};

void resume_init(struct resume *resume);

/* Frees them all. */
void resume_fini(struct resume *resume);

/*
 * Takes a reference of its own. until: as session_until() said of the full
 * handshake that it goes back to. 0, or -ENOMEM, -EMSGSIZE, -ETIME: it is not
 * kept.
 */
int resume_put(struct resume *resume, const struct session_demands *demands,
	       const struct addr *endpoint, SSL_SESSION *session, time_t until)
	__attribute__((warn_unused_result));

/*
 * The newest that is still good; the reference is the caller's. NULL: none.
 * One of TLS 1.3 is given once (RFC 8446 appendix C.4); one of TLS 1.2 stays,
 * until resume_drop().
 */
SSL_SESSION *resume_take(struct resume *resume,
			 const struct session_demands *demands,
			 const struct addr *endpoint, time_t *ret_until);

/* It led to no handshake: whoever gave it may not want it any more. */
void resume_drop(struct resume *resume, const struct session_demands *demands,
		 const struct addr *endpoint, const SSL_SESSION *session);

#endif
