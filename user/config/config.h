/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config: what the operator asked for, checked and complete.
 *
 * config_load() makes it, nobody changes it afterwards, config_free() ends
 * it; every pointer in it lives as long as it does. Every field holds a
 * value: defaults are filled in. Paths are absolute.
 */
#ifndef MILLRACE_CONFIG_CONFIG_H
#define MILLRACE_CONFIG_CONFIG_H

#include <regex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/line.h"
#include "base/log.h"
#include "config/intercept.h"

enum config_engine {
	CONFIG_ENGINE_AUTO,   /* kernel where it can, else user */
	CONFIG_ENGINE_KERNEL, /* kernel, or the connection is refused */
	CONFIG_ENGINE_USER,
};

enum config_tls_mode {
	CONFIG_TLS_STRICT,
	CONFIG_TLS_PERMISSIVE, /* TLS and plaintext on one port */
	CONFIG_TLS_DISABLED,
	CONFIG_TLS_PASSTHROUGH, /* routed by SNI, never ended here */
};

/* When a key has done its work (RFC 8446 section 5.5). 0: never. */
struct config_rekey {
	bool required;	      /* auto takes user where kernel cannot rekey */
	uint64_t records_max; /* records under one key */
	uint64_t blocks_max;  /* 16-byte blocks under one key */
};

struct config_strings {
	char **items;
	size_t count;
};

/* What may be negotiated, on either side. */
struct config_protocol {
	int version_min; /* TLS1_2_VERSION or TLS1_3_VERSION */
	int version_max;
	char *ciphers;	    /* for SSL_CTX_set_cipher_list, or NULL: defaults */
	char *ciphersuites; /* for SSL_CTX_set_ciphersuites, or NULL */
	uint8_t *alpn;	    /* in wire format (RFC 7301 section 3.1), or NULL */
	size_t alpn_size;
};

/* A certificate of our own; chain_path is NULL when there is none. */
struct config_identity {
	char *chain_path;
	char *key_path;
	char *ocsp_path; /* a response to staple, or NULL */
};

enum config_match {
	CONFIG_MATCH_PREFIX,
	CONFIG_MATCH_SUFFIX,
	CONFIG_MATCH_REGEX, /* POSIX extended, of the whole name */
};

struct config_matcher {
	enum config_match kind;
	char *text;
	regex_t regex; /* compiled, for CONFIG_MATCH_REGEX */
};

/* Whose certificate a peer must show. */
struct config_validation {
	bool required;
	char *trust_path;	     /* PEM bundle, NULL unless required */
	char *crl_path;		     /* PEM CRLs, or NULL */
	bool cn_or_san;		     /* the common name counts too */
	bool close_at_expiry;	     /* of the peer's certificate */
	struct config_strings names; /* none, and no matcher: any name */
	struct config_matcher *matchers;
	size_t matcher_count;
	struct config_strings hashes; /* SHA-256 of the certificate, in lower
					 case hex; none: any */
};

/* Where clients go that ask for one of these names (SNI). */
struct config_route {
	struct config_strings names; /* "a.local", "*.apps.local" */
	size_t cluster;
	bool passthrough; /* their TLS is not ended here */
};

/* Of connections that came by interception: those that were meant to go there
 * are another cluster's. */
struct config_destination {
	bool any_network;
	struct intercept_network network;
	struct intercept_numbers ports; /* none: all */
	size_t cluster;
};

struct config_listener {
	char *name;
	struct addr listen;
	enum config_tls_mode tls_mode;
	struct config_identity *identities; /* none when tls_mode is disabled */
	size_t identity_count;
	struct config_validation validation; /* of clients */
	struct config_protocol protocol;
	enum config_engine engine;
	struct config_rekey rekey;
	size_t cluster;	  /* index into clusters */
	bool has_cluster; /* false: what has no route is refused */
	struct config_route *routes;
	size_t route_count;
	struct config_destination *destinations; /* the first that fits */
	size_t destination_count;
	uint32_t connections_max;
	uint32_t handshakes_max;
	uint32_t ahead_max; /* permissive: dialled ahead, per source, worker */
	uint32_t handshake_timeout_ms;
	uint32_t idle_timeout_ms;      /* 0: never */
	uint32_t server_first_wait_ms; /* permissive; 0: by round trip */
};

enum config_family {
	CONFIG_FAMILY_ANY,
	CONFIG_FAMILY_IPV4,
	CONFIG_FAMILY_IPV6,
	CONFIG_FAMILY_IPV4_PREFERRED, /* the other only where there is none */
	CONFIG_FAMILY_IPV6_PREFERRED,
};

/* Endpoints that go by a name. */
struct config_discovery {
	char *hostname; /* NULL: endpoints are given */
	uint16_t port;
	bool in_turn; /* all of them; else the first, the next if it fails */
	enum config_family family;
};

/* Whom to ask for names. */
struct config_dns {
	struct addr *servers; /* none: those of /etc/resolv.conf */
	size_t server_count;
	uint32_t timeout_ms; /* of the first try */
};

enum config_cluster_type {
	CONFIG_CLUSTER_STATIC,
	CONFIG_CLUSTER_ORIGINAL, /* where the connection was meant to go */
};

struct config_cluster {
	char *name;
	enum config_cluster_type type;
	struct addr *endpoints; /* none for CONFIG_CLUSTER_ORIGINAL */
	size_t endpoint_count;
	struct config_discovery discovery;
	bool tls;
	char *server_name;		     /* SNI, or NULL */
	struct config_validation validation; /* not required: mode none */
	struct config_identity identity;
	struct config_protocol protocol;
	bool resumption;	 /* sessions are kept, and resumed */
	uint32_t ticket_wait_ms; /* after handoff, for the first of them */
	enum config_engine engine;
	struct config_rekey rekey;
	uint32_t connect_timeout_ms;
	uint32_t handshake_timeout_ms;
};

/* Where a line goes for each connection that ended. */
#define CONFIG_JOURNAL "journal" /* as a path; others are absolute */
struct config_access_log {
	char *path; /* NULL: to the log */
	enum line_format format;
};

struct config {
	atomic_uint refs;
	char *path;
	char *dump; /* the file as JSON, presets filled in, keys left out */
	unsigned int workers; /* 0: one per CPU */
	bool admin;	      /* whether there is an admin endpoint */
	struct addr admin_listen;
	char *admin_path;     /* of a unix socket instead, or NULL */
	bool admin_read_only; /* no POST: anybody may be there */
	char *pin_path;	      /* directory in a bpffs; NULL: plain memory */
	uint32_t drain_timeout_ms;
	char *node;	    /* what our own certificates must carry, or NULL */
	char *tickets_path; /* keys of session tickets, or NULL: our own */
	uint32_t tickets_rotate_ms;
	enum log_level log_level;
	enum line_format log_format;
	uint32_t log_rate; /* lines a second about connections */
	struct config_access_log access_log;
	struct config_dns dns;
	struct config_listener *listeners;
	size_t listener_count;
	struct config_cluster *clusters;
	size_t cluster_count;
	struct intercept_spec *intercept; /* NULL: nothing is */
};

/*
 * Every error and warning that was found, in the order of their lines, each
 * complete: "FILE:LINE: listeners[0].tls.mode: ...". Caller-owned.
 */
struct config_errors {
	char **lines;
	size_t count;
};

/*
 * Reads and checks FILE, whatever it names included (certificates, keys,
 * trust). 0 and *ret_config, or -errno (-EINVAL where the content is at
 * fault) with at least one line in errors; *ret_config is then untouched.
 */
int config_load(const char *path, struct config **ret_config,
		struct config_errors *errors)
	__attribute__((warn_unused_result));

struct config *config_ref(struct config *config);

/* Gives back one reference; the last one frees. NULL is allowed. Any
 * thread. */
void config_free(struct config *config);

void config_errors_free(struct config_errors *errors);

#endif
