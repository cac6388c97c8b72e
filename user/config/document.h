/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * document: what the configuration file may hold, as it is written there.
 * load.c makes struct config of it.
 */
#ifndef MILLRACE_CONFIG_DOCUMENT_H
#define MILLRACE_CONFIG_DOCUMENT_H

#include "config/document_intercept.h"
#include "config/document_tls.h"
#include "config/schema.h"

struct document_rekey_limit {
	int line;
	uint64_t records;
	uint64_t blocks;
};

struct document_limits {
	int line;
	uint64_t connections;
	uint64_t handshakes;
	uint64_t dialled_ahead;
};

struct document_timeouts {
	int line;
	uint64_t handshake;
	uint64_t idle;	  /* listener */
	uint64_t connect; /* cluster */
};

struct document_route {
	int line;
	struct schema_texts names;
	struct schema_text cluster;
	int passthrough;
};

/* Connections that were meant to go there have a cluster of their own. */
struct document_destination {
	int line;
	struct schema_text cidr;
	struct schema_texts ports;
	struct schema_text cluster;
};

struct document_listener {
	int line;
	struct schema_text name;
	struct schema_addr listen;
	struct schema_text cluster;
	struct schema_maps routes;	 /* of struct document_route */
	struct schema_maps destinations; /* of struct document_destination */
	int engine;			 /* enum config_engine */
	int rekey_required;
	struct document_rekey_limit rekey_limit;
	struct document_listener_tls tls;
	struct document_limits limits;
	struct document_timeouts timeouts;
};

struct document_discovery_dns {
	int line;
	struct schema_text hostname;
	uint64_t port;
	int in_turn;
	int family; /* enum config_family */
};

struct document_discovery {
	int line;
	struct document_discovery_dns dns;
};

struct document_cluster {
	int line;
	struct schema_text name;
	int type; /* enum config_cluster_type */
	struct schema_addrs endpoints;
	struct document_discovery discovery;
	int engine;
	int rekey_required;
	struct document_rekey_limit rekey_limit;
	struct document_cluster_tls tls;
	struct document_timeouts timeouts;
};

enum document_access {
	DOCUMENT_ACCESS_LOCAL,
	DOCUMENT_ACCESS_OPEN_READ_ONLY,
	DOCUMENT_ACCESS_CLIENT_CERTIFICATE,
};

struct document_admin {
	int line;
	struct schema_text listen;
	int access; /* enum document_access */
};

struct document_counters {
	int line;
	struct schema_text pin;
};

struct document_tickets {
	int line;
	struct schema_text file;
	uint64_t rotate;
};

struct document_log {
	int line;
	int level;  /* enum log_level */
	int format; /* enum line_format */
	uint64_t rate;
};

struct document_access_log {
	int line;
	int journal;
	struct schema_text file;
	int json;
};

struct document_dns {
	int line;
	struct schema_addrs servers;
	uint64_t timeout;
};

struct document {
	int line;
	struct schema_text workers;
	struct document_admin admin;
	struct document_counters counters;
	struct document_log log;
	struct document_access_log access_log;
	struct document_dns dns;
	uint64_t drain_timeout;
	struct schema_text node;
	struct document_tickets tickets;
	struct schema_maps listeners; /* of struct document_listener */
	struct schema_maps clusters;  /* of struct document_cluster */
	struct document_intercept intercept;
};

extern const struct schema document_schema;

#endif
