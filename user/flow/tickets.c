/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/tickets.h"

#include <errno.h>
#include <stdlib.h>

#include "flow/worker.h"
#include "tls/engine_user.h"

struct awaited {
	struct side *side;
	struct tls_handshake *handshake;
	struct timer over;
	bool came;	      /* a ticket did */
	unsigned int to_tell; /* kept, by tickets_kept() not yet told */
};

static void over(struct timer *timer)
{
	struct awaited *awaited = list_entry(timer, struct awaited, over);
	struct side *side = awaited->side;
	struct conn *conn = side_conn(side);

	tickets_end(conn, side);
	/* The receive is begun anew, by the engine that it now may have. */
	if (side->tls->rx_to_kernel)
		ring_cancel(&conn->worker->ring,
			    &conn->lanes[LANE_UP_DOWN].recv);
}

int tickets_begin(struct conn *conn, struct side *side)
{
	struct tls_handshake *handshake = side->handshake;
	struct worker *worker = conn->worker;
	struct awaited *awaited;

	if (!tls_handshake_awaits_tickets(handshake)) {
		tls_handshake_free(handshake);
		side->handshake = NULL;
		return 0;
	}
	awaited = calloc(1, sizeof(*awaited));
	if (!awaited)
		return -ENOMEM;
	awaited->side = side;
	awaited->handshake = handshake;
	timer_init(&awaited->over, over);
	timer_arm(&worker->wheel, &awaited->over,
		  worker->now_ms + conn->cluster->config->ticket_wait_ms);
	side->awaited = awaited;
	side->handshake = NULL;
	return 0;
}

void tickets_record(struct conn *conn, struct side *side, uint8_t type,
		    const void *record, size_t size)
{
	struct awaited *awaited = side->awaited;
	unsigned int kept = 0;

	if (!awaited)
		return;
	if (type != TLS_RECORD_HANDSHAKE ||
	    tls_handshake_ticket(awaited->handshake, record, size, &kept)) {
		tickets_end(conn, side);
		return;
	}
	awaited->to_tell += kept;
}

bool tickets_kept(struct side *side)
{
	struct awaited *awaited = side->awaited;

	if (!awaited)
		return false;
	awaited->came = true;
	if (!awaited->to_tell)
		return false;
	awaited->to_tell--;
	return true;
}

void tickets_settle(struct conn *conn, struct side *side)
{
	if (side->awaited && side->awaited->came)
		tickets_end(conn, side);
}

void tickets_end(struct conn *conn, struct side *side)
{
	if (!side->awaited)
		return;
	timer_cancel(&conn->worker->wheel, &side->awaited->over);
	tls_handshake_free(side->awaited->handshake);
	free(side->awaited);
	side->awaited = NULL;
}
