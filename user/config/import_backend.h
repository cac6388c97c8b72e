/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_backend: App Mesh's backends as clusters: where they stand, and by
 * whose policy they are spoken to.
 *
 * A client policy that is enforced, for this port, wins; a backend's own goes
 * before the defaults. Without one the backend's listener decides, as it did.
 */
#ifndef MILLRACE_CONFIG_IMPORT_BACKEND_H
#define MILLRACE_CONFIG_IMPORT_BACKEND_H

#include "config/import_state.h"

/* The i-th item of spec.backends: a cluster, and a listener that leads
 * there. */
void import_egress(struct import *import, size_t i, yaml_node_t *item);

/* Where a gateway's routes lead; false when it cannot be served. */
bool import_gateway_cluster(struct import *import, char name[static 64]);

#endif
