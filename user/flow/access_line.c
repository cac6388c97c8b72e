/* SPDX-License-Identifier: BSD-2-Clause */
#include "flow/access_line.h"

#include "base/line.h"
#include "flow/access_log.h"
#include "flow/worker.h"

/* The keys of a side: its peer's address, then what TLS made of it. */
struct keys {
	const char *addr, *sni, *version, *cipher, *engine, *identity;
};

static const struct keys down_keys = {
	"down", "sni", "tls", "cipher", "engine", "peer",
};
static const struct keys up_keys = {
	"up", "up_sni", "up_tls", "up_cipher", "up_engine", "up_peer",
};

static void put_side(struct line *line, const struct side *side,
		     const struct keys *keys)
{
	char addr[ADDR_TEXT_MAX], engine[CONN_ENGINE_MAX];
	const struct side_tls *tls = side->tls;

	line_text(line, keys->addr,
		  side->peer.size ? addr_format(&side->peer, addr) : NULL);
	line_text(line, keys->sni, side->sni);
	line_text(line, keys->version, tls ? tls->version : NULL);
	line_text(line, keys->cipher, tls ? tls->cipher : NULL);
	line_text(line, keys->engine,
		  tls ? conn_engine_words(side, engine) : NULL);
	line_text(line, keys->identity, side->identity);
}

bool access_line_put(const struct conn *conn)
{
	struct worker *worker = conn->worker;
	/* Where lines go now, whatever it was when the connection began. */
	const struct config *config = worker->generation->plan->config;
	char text[ACCESS_LINE_MAX];
	struct line line;

	if (!config->access_log.path)
		return false;
	line_begin(&line, text, sizeof(text), config->access_log.format);
	line_message(&line, "connection ended");
	line_time(&line, "time");
	line_text(&line, "listener", conn->listener->config->name);
	line_text(&line, "cluster", conn->cluster->config->name);
	line_text(&line, "reason",
		  conn_reason_words((enum conn_reason)conn->reason));
	line_number(&line, "duration_ms", worker->now_ms - conn->begun_ms);
	line_number(&line, "rx_bytes", conn->lanes[LANE_DOWN_UP].bytes);
	line_number(&line, "tx_bytes", conn->lanes[LANE_UP_DOWN].bytes);
	put_side(&line, &conn->down, &down_keys);
	put_side(&line, &conn->up, &up_keys);
	line_text(&line, "error", conn_said(conn));
	if (!access_lane_put(worker->access, text, line_end(&line)))
		conn->listener->row->access_log_dropped++;
	return true;
}
