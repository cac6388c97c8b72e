/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_state: what the parts of an import (import_appmesh.h) share while it
 * runs.
 */
#ifndef MILLRACE_CONFIG_IMPORT_STATE_H
#define MILLRACE_CONFIG_IMPORT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config/import_mesh.h"
#include "config/import_write.h"

#define IMPORT_PLACE_MAX 128
#define IMPORT_EGRESS_PORT 15101 /* one for each backend, from here on */
#define IMPORT_IDLE_MS 300000	 /* App Mesh's default */

struct import {
	const struct mesh *mesh;
	const struct mesh_resource *own;
	struct tree *tree; /* of own */
	struct notes notes;
	FILE *listeners, *clusters;
	char *listener_text, *cluster_text;
	size_t listener_size, cluster_size;
	size_t live_listeners, live_clusters;
	bool elsewhere; /* files need not be on this machine */
	char access_log[2 * IMPORT_TEXT_MAX];
	char (*names)[64];
	size_t name_count;
	bool defaults_used;
};

/* Without case; text may be NULL. */
bool import_is(const char *text, const char *word);

/* 0 for what is no number. */
unsigned long long import_number(const yaml_node_t *node);

/* The port of a listener's mapping; 0: none. */
unsigned int import_port(struct tree *tree, const yaml_node_t *listener);

/* A name of ours that nothing else here has. Returns ret. */
char *import_claim(struct import *import, const char *prefix, const char *text,
		   char ret[static 64]);

#endif
