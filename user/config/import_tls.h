/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_tls: App Mesh's certificates, trust and names, as millrace's `tls:`.
 * The lines go into a block at an indent; what cannot be had switches the
 * block off, with a note.
 */
#ifndef MILLRACE_CONFIG_IMPORT_TLS_H
#define MILLRACE_CONFIG_IMPORT_TLS_H

#include "config/import_tree.h"
#include "config/import_write.h"

struct import_tls {
	struct tree *tree;
	struct notes *notes;
	struct block *block;
	int indent;
	bool elsewhere; /* files need not be on this machine */
};

/* A `certificate` (file, acm, sds); path is where it stands. */
void import_certificate(const struct import_tls *tls, const yaml_node_t *node,
			const char *path);

/* A `validation` (trust, subjectAlternativeNames). */
void import_validation(const struct import_tls *tls, const yaml_node_t *node,
		       const char *path);

#endif
