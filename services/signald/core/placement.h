/* placement.h - the media nodes that are there, and which one takes a participant.
 *
 * The room's node stays until it is lost; a new room goes to the least loaded fresh node that is
 * not draining. Not fresh is not lost: keys also run out while Redis is away. Nor is what does not
 * listen or write any more, unless somebody misses its media: its link to Redis may be all that is
 * broken. Pure.
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
    bool is_fresh;   /* its key was there at the last look */
    bool is_leaving; /* it said that it takes nobody any more */
    bool has_listened;
    bool is_doubted;       /* somebody gets nothing from it */
    unsigned deaf_looks;   /* in a row, after it has listened */
    unsigned silent_looks; /* in a row with the heartbeat of the one before, or none */
    int64_t beat;          /* `updated`, as it wrote it */
    usec doubted_at;
    usec seen_at; /* when it was last there */
};

struct placement {
    struct node nodes[NODES_MAX];
    size_t count;
    usec watching_since; /* Redis has been answering since then; USEC_NEVER = it does not */
};

void placement_init(struct placement *p);
/* One look at the registry, each second: an array of the nodes' JSON, with "listening": whether
 * anybody gets its requests; absent: unknown. Malformed entries are skipped. */
void placement_on_nodes(struct placement *p, const json_t *nodes, usec now);
/* Redis went away: what is not seen now is not gone. */
void placement_on_blind(struct placement *p);
/* A participant of that process gets nothing from it. */
void placement_on_doubt(struct placement *p, const char *id, const char *epoch, usec now);
/* It said so itself: whoever is there has been told, and rooms may move at once. */
void placement_on_leaving(struct placement *p, const char *id, const char *epoch);

const struct node *placement_find(const struct placement *p, const char *id);
/* NULL: there is none. One that listens and writes comes first. Equal loads: fewer participants,
 * then the smaller id. */
const struct node *placement_choose(const struct placement *p, usec now);
/* Whether the process that had this epoch has lost its participants: another epoch is there, it is
 * leaving, it is doubted and does not listen or write, or its key was away for NODE_LOST
 * (NODE_LOST_UNSEEN) while we could see. */
bool placement_is_lost(const struct placement *p, const char *id, const char *epoch, usec now);
/* Why, in one stable word for the log: "restarted", "leaving", "deaf", "silent", "away"; NULL: it
 * is not lost. */
const char *placement_loss(const struct placement *p, const char *id, const char *epoch, usec now);

#endif
