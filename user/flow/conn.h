/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn: one forwarded connection: two sides, two lanes, where it is on its
 * way, and how it ends.
 *
 * Belongs to one worker and is touched by its thread alone. From
 * conn_new() to conn_free() it stands in the worker's list; close.c frees it
 * once no operation is in flight.
 */
#ifndef MILLRACE_FLOW_CONN_H
#define MILLRACE_FLOW_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/list.h"
#include "io/ring.h"
#include "tls/handshake.h"
#include "tls/keys.h"
#include <counters.h>

struct worker;
struct worker_listener;
struct worker_cluster;

/* Why a connection ended: the words of the log line. */
#define CONN_REASONS(R)                                     \
	R(DONE, "done")                                     \
	R(TRUNCATED, "truncated")                           \
	R(RESET_BY_DOWN, "reset_by_down")                   \
	R(RESET_BY_UP, "reset_by_up")                       \
	R(HANDSHAKE_FAILED, "handshake_failed")             \
	R(HANDSHAKE_TIMEOUT, "handshake_timeout")           \
	R(IDLE_TIMEOUT, "idle_timeout")                     \
	R(FLUSH_TIMEOUT, "flush_timeout")                   \
	R(BAD_RECORD, "bad_record")                         \
	R(RECORD_OVERFLOW, "record_overflow")               \
	R(RECORD_FLOOD, "record_flood")                     \
	R(PEER_ALERT, "peer_alert")                         \
	R(REFUSED_MESSAGE, "renegotiation_refused")         \
	R(KEY_UPDATE_UNSUPPORTED, "key_update_unsupported") \
	R(AEAD_LIMIT, "aead_limit")                         \
	R(NO_UPSTREAM, "no_upstream")                       \
	R(NO_ORIGIN, "no_original_destination")             \
	R(UPSTREAM_TLS, "upstream_tls_failed")              \
	R(ENGINE_UNAVAILABLE, "engine_unavailable")         \
	R(NO_MEMORY, "no_memory")                           \
	R(INTERNAL, "internal_error")                       \
	R(AHEAD, "dialled_ahead_limit")                     \
	R(NO_ROUTE, "no_route")                             \
	R(UNTRUSTED, "peer_untrusted")                      \
	R(EXPIRED, "peer_expired")                          \
	R(DRAIN, "drain")

enum conn_reason {
#define CONN_REASON_ENUM(name, words) CONN_##name,
	CONN_REASONS(CONN_REASON_ENUM)
#undef CONN_REASON_ENUM
};

enum way_stage {
	WAY_ACCEPT,
	WAY_SNIFF,
	WAY_ROUTE,
	WAY_SHAKE,
	WAY_DIAL,
	WAY_HANDOFF,
	WAY_FORWARD,
	WAY_CLOSE,
};

/* TLS_COUNTERS stand in a row in both kinds of row: one view of them. */
struct tls_counters {
	TLS_COUNTERS(COUNTERS_FIELD)
};

enum engine {
	ENGINE_USER,
	ENGINE_KERNEL,
};

/* Walks through handshake messages without keeping them (RFC 8446 4). */
struct post_parser {
	uint8_t header[4];
	uint8_t header_size;
	uint8_t first; /* the body's first byte, once it was seen */
	uint32_t body_left;
};

/* What a TLS side is after its handshake. */
struct side_tls {
	struct tls_direction tx;
	struct tls_direction rx;
	uint8_t tx_engine; /* enum engine */
	uint8_t rx_engine;
	bool tx_to_kernel; /* moves there at the next record boundary */
	bool rx_to_kernel;
	bool key_update_due;   /* the peer asked for ours */
	uint16_t idle_records; /* in a row, without data */
	uint16_t fragment_max; /* content bytes per record we send */
	struct post_parser post;
	const char *version; /* OpenSSL's static strings */
	const char *cipher;
};

/* Why both directions of a side stay in the user engine. */
enum fallback {
	FALLBACK_NONE,
	FALLBACK_NO_ULP,
	FALLBACK_GONE, /* the peer ended before its handshake had begun */
	FALLBACK_CIPHER,
	FALLBACK_KEY,
	FALLBACK_REKEY,
	FALLBACK_FRAGMENT,
	FALLBACK_CONFIGURED,
};

struct side {
	int fd; /* -1: none */
	bool is_up;
	uint8_t fallback; /* enum fallback */
	bool shake_done;
	bool shake_asked;	/* it was the last to speak */
	uint32_t shake_sent;	/* of the handshake's output */
	uint32_t lingered;	/* bytes read after our end */
	uint32_t linger_unsent; /* what was not acknowledged at the last look */
	bool deaf; /* nothing more can be read, its end cannot be either */
	bool fin_seen;
	bool fin_sent;
	bool shaking; /* counted as a handshake in flight */
	bool counted; /* up: counted as an open upstream connection */
	struct addr peer;
	struct op op;			 /* connect, handshake, lingering */
	struct tls_handshake *handshake; /* until handoff */
	struct awaited *awaited;	 /* tickets, from then on; or NULL */
	struct side_tls *tls;		 /* from handoff; NULL: plaintext */
	struct tls_counters *counters;	 /* NULL: plaintext */
	struct peer *shown;		 /* its certificate, if checked */
	struct timer expiry;		 /* of that */
	char *sni;	/* that the client asked for, or NULL */
	char *identity; /* of the peer's certificate, or NULL */
};

enum lane_phase {
	LANE_OPEN,
	LANE_EOF,	/* the source has ended; what is held goes out */
	LANE_NOTIFYING, /* close_notify is being sent */
	LANE_ENDED,	/* FIN was sent */
};

/*
 * One direction. in: what was received and is not yet turned into output;
 * out: what is ready to be sent, as it goes to the socket.
 */
struct lane {
	struct op recv;
	struct op send;
	uint8_t *in;
	uint32_t in_at;
	uint32_t in_end;
	uint32_t in_seen; /* up to here it was tried, and more is needed */
	uint8_t *out;
	uint32_t out_at;
	uint32_t out_end;
	uint32_t run;	 /* received since the other lane did, up to a bound */
	uint8_t index;	 /* LANE_DOWN_UP or LANE_UP_DOWN */
	uint8_t phase;	 /* enum lane_phase */
	bool truncated;	 /* no close_notify came: none is passed on */
	bool unanswered; /* ... but the source had ours */
	uint8_t reason;	 /* not 0: when it has ended, the connection does */
	bool eager;	 /* the last receive was large: more may be there */
	bool trying;	 /* recv is one that does not wait */
	uint16_t paces;	 /* waits since the last progress */
	struct timer pace;
	uint64_t bytes; /* of the application */
};

enum {
	LANE_DOWN_UP,
	LANE_UP_DOWN,
};

/* What a side is told when the connection ends before its time. */
enum goodbye {
	GOODBYE_RESET,
	GOODBYE_NOTIFY, /* close_notify, FIN */
	GOODBYE_ALERT,	/* a fatal alert, FIN */
};

struct conn {
	struct list node;
	struct list waiting; /* in the worker's, for a name's addresses */
	struct worker *worker;
	struct worker_listener *listener;
	struct worker_cluster *cluster;
	uint8_t stage; /* enum way_stage */
	uint8_t step;  /* how many stages were begun */
	bool plain;    /* sniffed: the client speaks no TLS */
	bool is_ahead; /* counted in the worker's struct ahead */
	bool is_pre;  /* counted among those whose first bytes are waited for */
	bool up_left; /* the upstream has ended before we did */
	bool has_cluster; /* without a route; false: who has none is refused */
	uint16_t ahead_slot;
	int door;	      /* it came by, or DOORS_NONE (doors.h) */
	struct addr origin;   /* it was meant to go there; size 0: unknown */
	uint8_t reason;	      /* enum conn_reason, from the close stage on */
	uint8_t down_goodbye; /* enum goodbye */
	uint8_t up_goodbye;
	uint8_t alert;	/* RFC 8446 section 6 description, for GOODBYE_ALERT */
	bool lingering; /* goodbyes are said */
	bool linger_over; /* nobody is waited for any more */
	uint16_t endpoints_tried;
	uint32_t endpoint;
	uint64_t begun_ms;
	uint64_t active_ms; /* when bytes last moved */
	uint64_t up_ms;	    /* when an upstream was dialled, then connected */
	uint64_t linger_ms; /* until when its peers are waited for */
	uint64_t linger_ms_max;
	struct timer timer; /* the stage's deadline */
	struct side down;
	struct side up;
	struct lane lanes[2];
	struct err *words; /* for the log line, or NULL (conn_words) */
};

/* Takes over fd. NULL when memory is short (fd is then still the caller's). */
struct conn *conn_new(struct worker *worker, struct worker_listener *listener,
		      int door, int fd);

/* No operation may be in flight. Wipes keys, gives back buffers. */
void conn_free(struct conn *conn);

const char *conn_reason_words(enum conn_reason reason);

/* "rx:kernel/tx:user", or "plain". */
#define CONN_ENGINE_MAX 32
const char *conn_engine_words(const struct side *side,
			      char text[static CONN_ENGINE_MAX]);

/*
 * Where the words for the log line go: made when it is first asked for, since
 * most connections have none to say. NULL when memory is short. conn_unsay()
 * forgets them; conn_said() is NULL where there are none.
 */
struct err *conn_words(struct conn *conn);
void conn_unsay(struct conn *conn);
const char *conn_said(const struct conn *conn);

/* The one log line. */
void conn_log(const struct conn *conn);

/*
 * Ends the connection before its time: both sides are reset, unless a
 * goodbye is asked for (conn_end_with). Does nothing when it is ending
 * already. The caller must not touch the connection afterwards.
 */
void conn_end(struct conn *conn, enum conn_reason reason);

/* The listener's handshake is no longer in flight. */
void conn_handshake_over(struct conn *conn);

/* Where it goes by its name, before it is dialled: that goes before where it
 * was meant to go, and before the listener's own. */
void conn_choose_cluster(struct conn *conn, size_t index);

/* It is dialled ahead no longer: the client has spoken, or it ends. */
void conn_ahead_over(struct conn *conn);

/* Its first bytes are waited for, before any handshake; or no longer. */
void conn_pre_begin(struct conn *conn);
void conn_pre_over(struct conn *conn);

/* The side is told by alert (0: close_notify) and FIN; the other is reset. */
void conn_end_with(struct conn *conn, enum conn_reason reason,
		   const struct side *told, uint8_t alert);

/* Each side that speaks TLS is told by close_notify and FIN. A plaintext side
 * is reset: it has no other way to learn that its stream is not whole. */
void conn_end_notified(struct conn *conn, enum conn_reason reason);

/* The connection that a side belongs to. */
static inline struct conn *side_conn(struct side *side)
{
	return side->is_up ? list_entry(side, struct conn, up)
			   : list_entry(side, struct conn, down);
}

static inline struct side *conn_other(struct conn *conn,
				      const struct side *side)
{
	return side == &conn->down ? &conn->up : &conn->down;
}

/* The lane that sends to side. */
static inline struct lane *conn_lane_to(struct conn *conn,
					const struct side *side)
{
	return &conn->lanes[side == &conn->up ? LANE_DOWN_UP : LANE_UP_DOWN];
}

static inline struct side *lane_from(struct conn *conn, const struct lane *lane)
{
	return lane == &conn->lanes[LANE_DOWN_UP] ? &conn->down : &conn->up;
}

static inline struct side *lane_to(struct conn *conn, const struct lane *lane)
{
	return lane == &conn->lanes[LANE_DOWN_UP] ? &conn->up : &conn->down;
}

#endif
