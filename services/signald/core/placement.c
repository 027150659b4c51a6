/* placement.c - see placement.h. SPDX-License-Identifier: Apache-2.0 */
#include "placement.h"

#include <stdio.h>
#include <string.h>

void placement_init(struct placement *p)
{
    p->count = 0;
    p->watching_since = USEC_NEVER;
}

static struct node *find(struct placement *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->nodes[i].id, id) == 0)
            return &p->nodes[i];
    return NULL;
}

const struct node *placement_find(const struct placement *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->nodes[i].id, id) == 0)
            return &p->nodes[i];
    return NULL;
}

/* A place for a node: its old one, a new one, or that of one long gone. */
static struct node *obtain(struct placement *p, const char *id, usec now)
{
    struct node *n = find(p, id);
    if (n != NULL)
        return n;
    if (p->count < NODES_MAX)
        return &p->nodes[p->count++];
    for (size_t i = 0; i < p->count; i++)
        if (!p->nodes[i].is_fresh && now - p->nodes[i].seen_at > NODE_LOST * 2)
            return &p->nodes[i];
    return NULL;
}

static void on_node(struct placement *p, const json_t *j, usec now)
{
    const char *id = json_string_value(json_object_get(j, "id"));
    const char *epoch = json_string_value(json_object_get(j, "epoch"));
    if (id == NULL || epoch == NULL || strlen(id) > INSTANCE_ID_MAX || strlen(epoch) > 63 ||
        id[0] == 0)
        return;
    struct node *n = obtain(p, id, now);
    if (n == NULL)
        return;
    *n = (struct node){
        .load = json_number_value(json_object_get(j, "load")),
        .participants = (unsigned)json_integer_value(json_object_get(j, "participants")),
        .is_draining = json_is_true(json_object_get(j, "draining")),
        .is_fresh = true,
        .seen_at = now,
    };
    snprintf(n->id, sizeof(n->id), "%s", id);
    snprintf(n->epoch, sizeof(n->epoch), "%s", epoch);
}

void placement_on_nodes(struct placement *p, const json_t *nodes, usec now)
{
    if (p->watching_since == USEC_NEVER)
        p->watching_since = now;
    for (size_t i = 0; i < p->count; i++)
        p->nodes[i].is_fresh = false;
    size_t i;
    json_t *j;
    json_array_foreach((json_t *)(uintptr_t)nodes, i, j) on_node(p, j, now);
}

void placement_on_blind(struct placement *p)
{
    p->watching_since = USEC_NEVER;
}

static bool is_better(const struct node *a, const struct node *b)
{
    if (a->load < b->load || b->load < a->load)
        return a->load < b->load;
    if (a->participants != b->participants)
        return a->participants < b->participants;
    return strcmp(a->id, b->id) < 0;
}

const struct node *placement_choose(const struct placement *p)
{
    const struct node *best = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct node *n = &p->nodes[i];
        if (n->is_fresh && !n->is_draining && (best == NULL || is_better(n, best)))
            best = n;
    }
    return best;
}

bool placement_is_lost(const struct placement *p, const char *id, const char *epoch, usec now)
{
    if (p->watching_since == USEC_NEVER)
        return false;
    const struct node *n = placement_find(p, id);
    if (n != NULL && n->is_fresh)
        return strcmp(n->epoch, epoch) != 0;
    if (n != NULL && n->seen_at >= p->watching_since)
        return now - n->seen_at >= NODE_LOST;
    return now - p->watching_since >= NODE_LOST_UNSEEN;
}
