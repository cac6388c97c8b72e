/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * document_intercept: the "intercept:" part of document.h, as it is written
 * in the file, and the table that reads it.
 */
#ifndef MILLRACE_CONFIG_DOCUMENT_INTERCEPT_H
#define MILLRACE_CONFIG_DOCUMENT_INTERCEPT_H

#include "config/schema.h"

struct document_ignore {
	int line;
	struct schema_texts uids;
	struct schema_texts gids;
	struct schema_texts cidrs;
	struct schema_texts ports;
};

struct document_egress {
	int line;
	struct schema_text listener;
	struct schema_text cgroup;
	struct document_ignore ignore;
	int fail_open;
};

struct document_ingress {
	int line;
	struct schema_text listener;
	struct schema_texts ports;
	struct schema_text netns;
	int transparent;
	int fail_open;
};

struct document_protected {
	int line;
	struct schema_text cidr;
	struct schema_texts ports;
};

struct document_guard {
	int line;
	struct schema_text cgroup;
	struct schema_maps protect; /* of struct document_protected */
	int mode;		    /* enum abi_guard_mode */
};

struct document_site {
	int line;
	struct schema_text name;
	struct schema_text netns;
	struct document_egress egress;
	struct document_ingress ingress;
	struct document_guard guard;
};

/* The one site, or a list of them. */
struct document_intercept {
	int line;
	struct schema_text pin;
	struct schema_text cgroup;
	struct schema_text netns;
	struct document_egress egress;
	struct document_ingress ingress;
	struct document_guard guard;
	struct schema_maps sites; /* of struct document_site */
};

extern const struct schema document_intercept_schema;

#endif
