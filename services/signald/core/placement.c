/* placement.c - see placement.h. SPDX-License-Identifier: Apache-2.0 */
#include "placement.h"

#include <stdio.h>
#include <string.h>

void placement_init(struct placement *p)
{
    memset(p, 0, sizeof(*p));
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

/* What speaks for its life besides the key, which stays for seconds whatever happens. */
static void note_signs(struct node *n, const json_t *j)
{
    const json_t *listening = json_object_get(j, "listening");
    const json_t *updated = json_object_get(j, "updated");
    if (json_is_true(listening))
        n->has_listened = true;
    if (json_is_false(listening) && n->has_listened)
        n->deaf_looks++;
    else
        n->deaf_looks = 0;
    if (!json_is_integer(updated) || json_integer_value(updated) != n->beat)
        n->silent_looks = 0;
    n->beat = json_integer_value(updated);
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
    if (strcmp(n->id, id) != 0 || strcmp(n->epoch, epoch) != 0)
        *n = (struct node){ .beat = -1 };
    snprintf(n->id, sizeof(n->id), "%s", id);
    snprintf(n->epoch, sizeof(n->epoch), "%s", epoch);
    n->load = json_number_value(json_object_get(j, "load"));
    n->participants = (unsigned)json_integer_value(json_object_get(j, "participants"));
    n->is_draining = json_is_true(json_object_get(j, "draining"));
    n->is_fresh = true;
    n->seen_at = now;
    note_signs(n, j);
}

void placement_on_nodes(struct placement *p, const json_t *nodes, usec now)
{
    if (p->watching_since == USEC_NEVER)
        p->watching_since = now;
    for (size_t i = 0; i < p->count; i++) {
        p->nodes[i].is_fresh = false;
        p->nodes[i].silent_looks++; /* unless it is found, with a new one */
    }
    size_t i;
    json_t *j;
    json_array_foreach((json_t *)(uintptr_t)nodes, i, j) on_node(p, j, now);
}

void placement_on_blind(struct placement *p)
{
    p->watching_since = USEC_NEVER;
    for (size_t i = 0; i < p->count; i++) {
        struct node *n = &p->nodes[i];
        n->has_listened = n->is_doubted = false;
        n->deaf_looks = n->silent_looks = 0;
    }
}

static struct node *find_process(struct placement *p, const char *id, const char *epoch)
{
    struct node *n = find(p, id);
    return n == NULL || strcmp(n->epoch, epoch) != 0 ? NULL : n;
}

void placement_on_doubt(struct placement *p, const char *id, const char *epoch, usec now)
{
    struct node *n = find_process(p, id, epoch);
    if (n == NULL)
        return;
    n->is_doubted = true;
    n->doubted_at = now;
}

void placement_on_leaving(struct placement *p, const char *id, const char *epoch)
{
    struct node *n = find_process(p, id, epoch);
    if (n != NULL)
        n->is_leaving = true;
}

/* Its process has gone, or cannot be reached by us. */
static bool is_out_of_reach(const struct node *n)
{
    return n->deaf_looks >= NODE_DEAF_LOOKS_MIN || n->silent_looks >= NODE_SILENT_LOOKS_MIN;
}

/* Why it is left although its key may still be there, or NULL. */
static const char *given_up(const struct node *n, usec now)
{
    if (n->is_leaving)
        return "leaving";
    if (!n->is_doubted || now - n->doubted_at >= NODE_DOUBT || !is_out_of_reach(n))
        return NULL;
    return n->deaf_looks >= NODE_DEAF_LOOKS_MIN ? "deaf" : "silent";
}

static bool is_better(const struct node *a, const struct node *b)
{
    if (is_out_of_reach(a) != is_out_of_reach(b))
        return is_out_of_reach(b);
    if ((a->deaf_looks > 0) != (b->deaf_looks > 0))
        return b->deaf_looks > 0;
    if (a->load < b->load || b->load < a->load)
        return a->load < b->load;
    if (a->participants != b->participants)
        return a->participants < b->participants;
    return strcmp(a->id, b->id) < 0;
}

const struct node *placement_choose(const struct placement *p, usec now)
{
    const struct node *best = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct node *n = &p->nodes[i];
        if (n->is_fresh && !n->is_draining && given_up(n, now) == NULL &&
            (best == NULL || is_better(n, best)))
            best = n;
    }
    return best;
}

const char *placement_loss(const struct placement *p, const char *id, const char *epoch, usec now)
{
    if (p->watching_since == USEC_NEVER)
        return NULL;
    const struct node *n = placement_find(p, id);
    bool is_same = n != NULL && strcmp(n->epoch, epoch) == 0;
    const char *why = is_same ? given_up(n, now) : NULL;
    if (why != NULL)
        return why;
    if (n != NULL && n->is_fresh)
        return is_same ? NULL : "restarted";
    bool is_seen = n != NULL && n->seen_at >= p->watching_since;
    usec away = now - (is_seen ? n->seen_at : p->watching_since);
    return away >= (is_seen ? NODE_LOST : NODE_LOST_UNSEEN) ? "away" : NULL;
}

bool placement_is_lost(const struct placement *p, const char *id, const char *epoch, usec now)
{
    return placement_loss(p, id, epoch, now) != NULL;
}
