/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/document.h"

#include "config/config.h"
#include "config/table.h"

/* RFC 8446 section 5.5 lets AES-GCM go to 2^24.5 records. */
#define RECORDS_MAX (1ULL << 24)
#define BLOCKS_MAX (1ULL << 34)

static const struct schema_word engine_words[] = {
	{"auto", CONFIG_ENGINE_AUTO},
	{"kernel", CONFIG_ENGINE_KERNEL},
	{"user", CONFIG_ENGINE_USER},
	{NULL, 0},
};

static const struct schema_word rekey_words[] = {
	{"optional", 0},
	{"required", 1},
	{NULL, 0},
};

static const struct schema_word route_words[] = {
	{"terminate", 0},
	{"passthrough", 1},
	{NULL, 0},
};

static const struct schema_word cluster_type_words[] = {
	{"static", CONFIG_CLUSTER_STATIC},
	{"original-destination", CONFIG_CLUSTER_ORIGINAL},
	{NULL, 0},
};

static const struct schema_word access_words[] = {
	{"local", DOCUMENT_ACCESS_LOCAL},
	{"open-read-only", DOCUMENT_ACCESS_OPEN_READ_ONLY},
	{"client-certificate", DOCUMENT_ACCESS_CLIENT_CERTIFICATE},
	{NULL, 0},
};

static const struct schema_word level_words[] = {
	{"error", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
	{NULL, 0},
};

static const struct schema_word format_words[] = {
	{"pairs", LINE_TEXT},
	{"json", LINE_JSON},
	{NULL, 0},
};

static const struct schema_field rekey_limit_fields[] = {
	{.name = "records",
	 AT(document_rekey_limit, records),
	 NUMBER(16, RECORDS_MAX, RECORDS_MAX)},
	{.name = "blocks",
	 AT(document_rekey_limit, blocks),
	 NUMBER(16384, BLOCKS_MAX, BLOCKS_MAX)},
	{.name = NULL},
};
SCHEMA(rekey_limit, document_rekey_limit);

static const struct schema_field limits_fields[] = {
	{.name = "connections",
	 AT(document_limits, connections),
	 NUMBER(1, 10000000, 100000)},
	{.name = "handshakes",
	 AT(document_limits, handshakes),
	 NUMBER(1, 10000000, 10000)},
	{.name = "dialled_ahead",
	 AT(document_limits, dialled_ahead),
	 NUMBER(1, 65535, 64)},
	{.name = NULL},
};
SCHEMA(limits, document_limits);

static const struct schema_field listener_timeouts_fields[] = {
	{.name = "handshake",
	 AT(document_timeouts, handshake),
	 DURATION(10, HOUR, 10 * SECOND)},
	{.name = "idle",
	 AT(document_timeouts, idle),
	 DURATION(0, 30 * DAY, HOUR)},
	{.name = NULL},
};
SCHEMA(listener_timeouts, document_timeouts);

static const struct schema_field cluster_timeouts_fields[] = {
	{.name = "connect",
	 AT(document_timeouts, connect),
	 DURATION(10, HOUR, 5 * SECOND)},
	{.name = "handshake",
	 AT(document_timeouts, handshake),
	 DURATION(10, HOUR, 10 * SECOND)},
	{.name = NULL},
};
SCHEMA(cluster_timeouts, document_timeouts);

static const struct schema_field route_fields[] = {
	{.name = "server_names",
	 AT(document_route, names),
	 TEXTS,
	 REQUIRED,
	 .missing = "the names that clients ask for (SNI)"},
	{.name = "cluster",
	 AT(document_route, cluster),
	 TEXT,
	 REQUIRED,
	 .missing = "the name of the cluster to forward to"},
	{.name = "tls", AT(document_route, passthrough), WORD(route_words, 0)},
	{.name = NULL},
};
SCHEMA(route, document_route);

static const struct schema_field destination_fields[] = {
	{.name = "cidr", AT(document_destination, cidr), TEXT},
	{.name = "ports", AT(document_destination, ports), TEXTS},
	{.name = "cluster",
	 AT(document_destination, cluster),
	 TEXT,
	 REQUIRED,
	 .missing = "the name of the cluster to forward to"},
	{.name = NULL},
};
SCHEMA(destination, document_destination);

static const struct schema_field listener_fields[] = {
	{.name = "name",
	 AT(document_listener, name),
	 TEXT,
	 REQUIRED,
	 .missing = "logs and counters go by it"},
	{.name = "listen",
	 AT(document_listener, listen),
	 .kind = SCHEMA_ADDR,
	 REQUIRED,
	 .missing = "an address such as 0.0.0.0:15000"},
	{.name = "cluster", AT(document_listener, cluster), TEXT},
	{.name = "routes", AT(document_listener, routes), MAPS(route)},
	{.name = "destinations",
	 AT(document_listener, destinations),
	 MAPS(destination)},
	{.name = "engine",
	 AT(document_listener, engine),
	 WORD(engine_words, CONFIG_ENGINE_AUTO)},
	{.name = "rekey",
	 AT(document_listener, rekey_required),
	 WORD(rekey_words, 0)},
	{.name = "rekey_limit",
	 AT(document_listener, rekey_limit),
	 MAP(rekey_limit)},
	{.name = "tls",
	 AT(document_listener, tls),
	 MAP(document_listener_tls_schema),
	 REQUIRED,
	 .missing = "if plaintext is meant, write tls: { mode: disabled }"},
	{.name = "limits", AT(document_listener, limits), MAP(limits)},
	{.name = "timeouts",
	 AT(document_listener, timeouts),
	 MAP(listener_timeouts)},
	{.name = NULL},
};
SCHEMA(listener, document_listener);

static const struct schema_word discovery_words[] = {
	{"loadbalancer", 0},
	{"endpoints", 1},
	{NULL, 0},
};

static const struct schema_word family_words[] = {
	{"any", CONFIG_FAMILY_ANY},
	{"ipv4", CONFIG_FAMILY_IPV4},
	{"ipv6", CONFIG_FAMILY_IPV6},
	{"ipv4-preferred", CONFIG_FAMILY_IPV4_PREFERRED},
	{"ipv6-preferred", CONFIG_FAMILY_IPV6_PREFERRED},
	{NULL, 0},
};

static const struct schema_field discovery_dns_fields[] = {
	{.name = "hostname",
	 AT(document_discovery_dns, hostname),
	 TEXT,
	 REQUIRED,
	 .missing = "the DNS name to ask for"},
	{.name = "port",
	 AT(document_discovery_dns, port),
	 NUMBER(1, 65535, 0),
	 REQUIRED,
	 .missing = "DNS gives addresses only"},
	{.name = "type",
	 AT(document_discovery_dns, in_turn),
	 WORD(discovery_words, 1)},
	{.name = "family",
	 AT(document_discovery_dns, family),
	 WORD(family_words, CONFIG_FAMILY_ANY)},
	{.name = NULL},
};
SCHEMA(discovery_dns, document_discovery_dns);

static const struct schema_field discovery_fields[] = {
	{.name = "dns",
	 AT(document_discovery, dns),
	 MAP(discovery_dns),
	 REQUIRED,
	 .missing = "write dns: { hostname: NAME, port: PORT }"},
	{.name = NULL},
};
SCHEMA(discovery, document_discovery);

static const struct schema_field cluster_fields[] = {
	{.name = "name",
	 AT(document_cluster, name),
	 TEXT,
	 REQUIRED,
	 .missing = "listeners name it"},
	{.name = "type",
	 AT(document_cluster, type),
	 WORD(cluster_type_words, CONFIG_CLUSTER_STATIC)},
	{.name = "endpoints",
	 AT(document_cluster, endpoints),
	 .kind = SCHEMA_ADDRS},
	{.name = "discovery", AT(document_cluster, discovery), MAP(discovery)},
	{.name = "engine",
	 AT(document_cluster, engine),
	 WORD(engine_words, CONFIG_ENGINE_AUTO)},
	{.name = "rekey",
	 AT(document_cluster, rekey_required),
	 WORD(rekey_words, 0)},
	{.name = "rekey_limit",
	 AT(document_cluster, rekey_limit),
	 MAP(rekey_limit)},
	{.name = "tls",
	 AT(document_cluster, tls),
	 MAP(document_cluster_tls_schema)},
	{.name = "timeouts",
	 AT(document_cluster, timeouts),
	 MAP(cluster_timeouts)},
	{.name = NULL},
};
SCHEMA(cluster, document_cluster);

static const struct schema_field admin_fields[] = {
	{.name = "listen",
	 AT(document_admin, listen),
	 TEXT,
	 REQUIRED,
	 .missing = "a loopback address such as 127.0.0.1:9901, or unix:PATH"},
	{.name = "access",
	 AT(document_admin, access),
	 WORD(access_words, DOCUMENT_ACCESS_LOCAL)},
	{.name = NULL},
};
SCHEMA(admin, document_admin);

static const struct schema_field counters_fields[] = {
	{.name = "pin", AT(document_counters, pin), TEXT},
	{.name = NULL},
};
SCHEMA(counters, document_counters);

static const struct schema_field tickets_fields[] = {
	{.name = "file", AT(document_tickets, file), TEXT},
	{.name = "rotate",
	 AT(document_tickets, rotate),
	 DURATION(SECOND, 7 * DAY, 8 * HOUR)},
	{.name = NULL},
};
SCHEMA(tickets, document_tickets);

static const struct schema_field logging_fields[] = {
	{.name = "level",
	 AT(document_log, level),
	 WORD(level_words, LOG_LEVEL_INFO)},
	{.name = "format",
	 AT(document_log, format),
	 WORD(format_words, LINE_TEXT)},
	{.name = "rate",
	 AT(document_log, rate),
	 NUMBER(1, 1000000, LOG_RATE_DEFAULT)},
	{.name = NULL},
};
SCHEMA(logging, document_log);

static const struct schema_word access_format_words[] = {
	{"text", 0},
	{"json", 1},
	{NULL, 0},
};

static const struct schema_word access_journal_words[] = {
	{"false", 0},
	{"true", 1},
	{NULL, 0},
};

static const struct schema_field access_log_fields[] = {
	{.name = "file", AT(document_access_log, file), TEXT},
	{.name = "journal",
	 AT(document_access_log, journal),
	 WORD(access_journal_words, 0)},
	{.name = "format",
	 AT(document_access_log, json),
	 WORD(access_format_words, 0)},
	{.name = NULL},
};
SCHEMA(access_log, document_access_log);

static const struct schema_field dns_fields[] = {
	{.name = "servers", AT(document_dns, servers), .kind = SCHEMA_ADDRS},
	{.name = "timeout",
	 AT(document_dns, timeout),
	 DURATION(10, 60 * SECOND, 2 * SECOND)},
	{.name = NULL},
};
SCHEMA(dns, document_dns);

static const struct schema_field document_fields[] = {
	{.name = "workers", AT(document, workers), TEXT},
	{.name = "admin", AT(document, admin), MAP(admin)},
	{.name = "counters", AT(document, counters), MAP(counters)},
	{.name = "log", AT(document, log), MAP(logging)},
	{.name = "dns", AT(document, dns), MAP(dns)},
	{.name = "access_log", AT(document, access_log), MAP(access_log)},
	{.name = "drain_timeout",
	 AT(document, drain_timeout),
	 DURATION(0, DAY, 30 * SECOND)},
	{.name = "node", AT(document, node), TEXT},
	{.name = "session_tickets", AT(document, tickets), MAP(tickets)},
	{.name = "listeners",
	 AT(document, listeners),
	 MAPS(listener),
	 REQUIRED,
	 .may_be_empty = true,
	 .missing = "there is nothing to do without one"},
	{.name = "clusters",
	 AT(document, clusters),
	 MAPS(cluster),
	 REQUIRED,
	 .may_be_empty = true,
	 .missing = "listeners forward to them"},
	{.name = "intercept",
	 AT(document, intercept),
	 MAP(document_intercept_schema)},
	{.name = NULL},
};

const struct schema document_schema = {document_fields,
				       sizeof(struct document)};
