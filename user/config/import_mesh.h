/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_mesh: App Mesh resources among documents, and how they refer to each
 * other: as the AWS CLI prints them or takes them, and as Kubernetes has them.
 */
#ifndef MILLRACE_CONFIG_IMPORT_MESH_H
#define MILLRACE_CONFIG_IMPORT_MESH_H

#include "config/import_tree.h"

enum mesh_kind {
	MESH_NODE,
	MESH_GATEWAY,
	MESH_SERVICE,
	MESH_ROUTER,
	MESH_ROUTE,
	MESH_GATEWAY_ROUTE,
	MESH_OTHER, /* nothing of App Mesh's that could be used */
};

struct mesh_resource {
	enum mesh_kind kind;
	struct tree *tree;
	yaml_node_t *whole;
	yaml_node_t *spec;
	const char *name;     /* "?" where it has none */
	const char *aws_name; /* Kubernetes: of the object in AWS, or NULL */
	const char *word;     /* its kind, as written */
};

struct mesh {
	struct mesh_resource *items;
	size_t count;
};

/* The trees must outlive it. 0 or -ENOMEM; mesh_fini() in any case. */
int mesh_find(struct tree *trees, struct mesh *ret_mesh)
	__attribute__((warn_unused_result));
void mesh_fini(struct mesh *mesh);

/* The name in a reference: fields NAME (AWS) or REF.name (Kubernetes). */
const char *mesh_reference(struct tree *tree, const yaml_node_t *node,
			   const char *name, const char *ref);

/* The node that a virtual service of this name leads to, or NULL; *ret_more
 * is set when it leads to others as well. */
const struct mesh_resource *mesh_node_behind(const struct mesh *mesh,
					     const char *service,
					     bool *ret_more);

/* The virtual service that a gateway's routes lead to, or NULL. */
const char *mesh_gateway_target(const struct mesh *mesh, bool *ret_more);

#endif
