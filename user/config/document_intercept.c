/* SPDX-License-Identifier: BSD-2-Clause */
#include "config/document_intercept.h"

#include "config/table.h"
#include <abi.h>

static const struct schema_word bool_words[] = {
	{"false", 0},
	{"true", 1},
	{NULL, 0},
};

static const struct schema_word guard_words[] = {
	{"enforce", ABI_GUARD_ENFORCE},
	{"observe", ABI_GUARD_OBSERVE},
	{NULL, 0},
};

static const struct schema_field ignore_fields[] = {
	{.name = "uids",
	 AT(document_ignore, uids),
	 TEXTS,
	 .may_be_empty = true},
	{.name = "gids",
	 AT(document_ignore, gids),
	 TEXTS,
	 .may_be_empty = true},
	{.name = "cidrs",
	 AT(document_ignore, cidrs),
	 TEXTS,
	 .may_be_empty = true},
	{.name = "ports",
	 AT(document_ignore, ports),
	 TEXTS,
	 .may_be_empty = true},
	{.name = NULL},
};
SCHEMA(ignore, document_ignore);

static const struct schema_field egress_fields[] = {
	{.name = "listener",
	 AT(document_egress, listener),
	 TEXT,
	 REQUIRED,
	 .missing = "the name of the listener that gets the connections"},
	{.name = "cgroup",
	 AT(document_egress, cgroup),
	 TEXT,
	 REQUIRED,
	 .missing = "the folder of the applications' cgroup, such as "
		    "/sys/fs/cgroup/app.slice"},
	{.name = "ignore", AT(document_egress, ignore), MAP(ignore)},
	{.name = "fail_open",
	 AT(document_egress, fail_open),
	 WORD(bool_words, 0)},
	{.name = NULL},
};
SCHEMA(egress, document_egress);

static const struct schema_field ingress_fields[] = {
	{.name = "listener",
	 AT(document_ingress, listener),
	 TEXT,
	 REQUIRED,
	 .missing = "the name of the listener that gets the connections"},
	{.name = "ports",
	 AT(document_ingress, ports),
	 TEXTS,
	 REQUIRED,
	 .missing = "the ports that the application listens on"},
	{.name = "netns", AT(document_ingress, netns), TEXT},
	{.name = "transparent",
	 AT(document_ingress, transparent),
	 WORD(bool_words, 0)},
	{.name = "fail_open",
	 AT(document_ingress, fail_open),
	 WORD(bool_words, 0)},
	{.name = NULL},
};
SCHEMA(ingress, document_ingress);

static const struct schema_field protected_fields[] = {
	{.name = "cidr",
	 AT(document_protected, cidr),
	 TEXT,
	 REQUIRED,
	 .missing = "a network such as 10.0.0.0/8; 0.0.0.0/0 and ::/0 are all"},
	{.name = "ports",
	 AT(document_protected, ports),
	 TEXTS,
	 .may_be_empty = true},
	{.name = NULL},
};
SCHEMA(protected, document_protected);

static const struct schema_field guard_fields[] = {
	{.name = "cgroup",
	 AT(document_guard, cgroup),
	 TEXT,
	 REQUIRED,
	 .missing = "the folder of the cgroup to guard"},
	{.name = "protect",
	 AT(document_guard, protect),
	 MAPS(protected),
	 REQUIRED,
	 .missing = "what nothing in the clear may leave for: a list of "
		    "{ cidr: NETWORK, ports: [PORT] }"},
	{.name = "mode",
	 AT(document_guard, mode),
	 WORD(guard_words, ABI_GUARD_ENFORCE)},
	{.name = NULL},
};
SCHEMA(guard, document_guard);

#define SITE_FIELDS(type)                                             \
	{.name = "netns", AT(type, netns), TEXT},                     \
		{.name = "egress", AT(type, egress), MAP(egress)},    \
		{.name = "ingress", AT(type, ingress), MAP(ingress)}, \
	{                                                             \
		.name = "guard", AT(type, guard), MAP(guard)          \
	}

static const struct schema_field site_fields[] = {
	{.name = "name",
	 AT(document_site, name),
	 TEXT,
	 REQUIRED,
	 .missing = "counters go by it"},
	SITE_FIELDS(document_site),
	{.name = NULL},
};
SCHEMA(site, document_site);

static const struct schema_field intercept_fields[] = {
	{.name = "pin", AT(document_intercept, pin), TEXT},
	{.name = "cgroup", AT(document_intercept, cgroup), TEXT},
	SITE_FIELDS(document_intercept),
	{.name = "sites", AT(document_intercept, sites), MAPS(site)},
	{.name = NULL},
};

const struct schema document_intercept_schema = {
	intercept_fields, sizeof(struct document_intercept)};
