/* placement.h - the media nodes that are there, and which one takes a participant.
 *
 * The room's node stays until it is lost; a new room goes to the least loaded fresh node that is
 * not draining. Not fresh is not lost: keys also run out while Redis is away. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_CORE_PLACEMENT_H
#define SIGNALD_CORE_PLACEMENT_H

#include "../limits.h"
#include "common/base.h"

#include <jansson.h>

struct node {
    char id[INSTANCE_ID_MAX + 1];
    char epoch[64];
    double load; /* 0..1 */
    unsigned participants;
    bool is_draining;
    bool is_fresh; /* its key was there at the last look */
    usec seen_at;  /* when it was last there */
};

struct placement {
    struct node nodes[NODES_MAX];
    size_t count;
    usec watching_since; /* Redis has been answering since then; USEC_NEVER = it does not */
};

void placement_init(struct placement *p);
/* One look at the registry: an array of the nodes' JSON. Malformed entries are skipped. */
void placement_on_nodes(struct placement *p, const json_t *nodes, usec now);
/* Redis went away: what is not seen now is not gone. */
void placement_on_blind(struct placement *p);

const struct node *placement_find(const struct placement *p, const char *id);
/* NULL: there is none. Equal loads: fewer participants, then the smaller id. */
const struct node *placement_choose(const struct placement *p);
/* Whether the process that had this epoch has lost its participants: another epoch is there, or its
 * key was away for NODE_LOST (NODE_LOST_UNSEEN) while we could see. */
bool placement_is_lost(const struct placement *p, const char *id, const char *epoch, usec now);

#endif
