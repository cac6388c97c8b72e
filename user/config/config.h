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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum config_engine {
	CONFIG_ENGINE_AUTO,   /* kernel where it can, else user */
	CONFIG_ENGINE_KERNEL, /* kernel, or the connection is refused */
	CONFIG_ENGINE_USER,
};

enum config_tls_mode {
	CONFIG_TLS_STRICT,
	CONFIG_TLS_DISABLED,
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
};

struct config_listener {
	char *name;
	struct addr listen;
	enum config_tls_mode tls_mode;
	char *chain_path; /* NULL unless tls_mode is strict */
	char *key_path;
	struct config_protocol protocol;
	enum config_engine engine;
	struct config_rekey rekey;
	size_t cluster; /* index into clusters */
	uint32_t connections_max;
	uint32_t handshakes_max;
	uint32_t handshake_timeout_ms;
	uint32_t idle_timeout_ms; /* 0: never */
};

struct config_cluster {
	char *name;
	struct addr *endpoints;
	size_t endpoint_count;
	bool tls;
	char *server_name;	     /* SNI, or NULL */
	bool validate;		     /* false only by validation.mode: none */
	char *trust_path;	     /* PEM bundle, NULL unless validate */
	struct config_strings names; /* at least one where validate */
	struct config_protocol protocol;
	enum config_engine engine;
	struct config_rekey rekey;
	uint32_t connect_timeout_ms;
	uint32_t handshake_timeout_ms;
};

struct config {
	char *path;
	unsigned int workers; /* 0: one per CPU */
	bool admin;	      /* whether there is an admin endpoint */
	struct addr admin_listen;
	char *pin_path; /* directory in a bpffs; NULL: plain memory */
	uint32_t drain_timeout_ms;
	struct config_listener *listeners;
	size_t listener_count;
	struct config_cluster *clusters;
	size_t cluster_count;
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

/* NULL is allowed. */
void config_free(struct config *config);

void config_errors_free(struct config_errors *errors);

#endif
