/* SPDX-License-Identifier: Apache-2.0 */
#include "io/reply_memory.h"

#include <stdlib.h>

struct remembered {
    struct map_node by_id;
    char *id;
    char *reply; /* NULL: not answered yet */
    usec until;
    struct remembered *next; /* by time */
};

void reply_memory_init(struct reply_memory *m, const uint8_t hash_key[16])
{
    *m = (struct reply_memory){ 0 };
    map_init(&m->by_id, hash_key);
}

static void forget_oldest(struct reply_memory *m)
{
    struct remembered *r = m->oldest;
    m->oldest = r->next;
    if (m->oldest == NULL)
        m->newest = NULL;
    (void)map_remove(&m->by_id, r->id);
    free(r->id);
    free(r->reply);
    free(r);
}

void reply_memory_done(struct reply_memory *m)
{
    while (m->oldest != NULL)
        forget_oldest(m);
    map_done(&m->by_id);
}

static void enter(struct reply_memory *m, const char *id, usec now)
{
    struct remembered *r = calloc(1, sizeof *r);
    char *copy = strdup(id);
    if (r == NULL || copy == NULL || map_insert(&m->by_id, &r->by_id, copy) != OK) {
        free(r);
        free(copy);
        return; /* then a repeat would be executed again: better than no answer */
    }
    r->id = copy;
    r->until = now + REPLY_MEMORY_TIME;
    if (m->newest == NULL)
        m->oldest = r;
    else
        m->newest->next = r;
    m->newest = r;
}

enum reply_seen reply_memory_see(struct reply_memory *m, const char *id, usec now,
                                 const char **ret_reply)
{
    while (m->oldest != NULL && (m->oldest->until <= now || m->by_id.len > REPLY_MEMORY_MAX))
        forget_oldest(m);
    struct map_node *n = map_find(&m->by_id, id);
    if (n == NULL) {
        enter(m, id, now);
        return REPLY_NEW;
    }
    *ret_reply = container_of(n, struct remembered, by_id)->reply;
    return *ret_reply == NULL ? REPLY_PENDING : REPLY_ANSWERED;
}

void reply_memory_answer(struct reply_memory *m, const char *id, const char *reply)
{
    struct map_node *n = map_find(&m->by_id, id);
    if (n == NULL)
        return;
    struct remembered *r = container_of(n, struct remembered, by_id);
    free(r->reply);
    r->reply = strdup(reply);
}
