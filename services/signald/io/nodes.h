/* nodes.h - requests to media nodes: an id, a deadline of 2 s, one repeat, then ERR_EXPIRED.
 *
 * The repeat has the same id; the node answers it from memory. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_NODES_H
#define SIGNALD_IO_NODES_H

#include "common/base.h"

#include <jansson.h>

struct nodes;
struct runtime;
struct call;

struct nodes *nodes_new(struct runtime *r);
/* Before cluster_free(). Forgets what is pending. */
void nodes_free(struct nodes *n);
/* request: an object with op and its fields; borrowed. call NULL = nobody waits. */
void nodes_request(struct nodes *n, struct call *call, const char *node, json_t *request);

#endif
