/* reaper.c - see reaper.h. SPDX-License-Identifier: Apache-2.0 */
#include "reaper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct absence {
    struct map_node node;
    char key[INSTANCE_ID_MAX + 80];
    usec since;
};

void reaper_init(struct reaper *r)
{
    *r = (struct reaper){ .since = USEC_NEVER };
    map_init(&r->gone, NULL);
}

static void clear(struct reaper *r)
{
    for (struct map_node *n = map_first(&r->gone), *next; n != NULL; n = next) {
        next = map_next(&r->gone, n);
        struct absence *a = container_of(n, struct absence, node);
        map_remove(&r->gone, a->key);
        free(a);
    }
}

void reaper_done(struct reaper *r)
{
    clear(r);
    map_done(&r->gone);
}

void reaper_on_redis(struct reaper *r, bool is_connected, usec now, wall_usec wall)
{
    clear(r);
    r->since = is_connected ? now : USEC_NEVER;
    r->since_wall = wall;
}

/* How long the owner has been away; 0 if it is there. */
static usec away_for(struct reaper *r, const char *signald, const char *epoch, const json_t *live,
                     usec now)
{
    char key[INSTANCE_ID_MAX + 80];
    int len = snprintf(key, sizeof(key), "%s/%s", signald, epoch);
    if (len < 0 || (size_t)len >= sizeof(key))
        return 0;
    const char *current = json_string_value(json_object_get(live, signald));
    struct map_node *n = map_find(&r->gone, key);
    if (current != NULL && strcmp(current, epoch) == 0) {
        if (n != NULL) {
            map_remove(&r->gone, key);
            free(container_of(n, struct absence, node));
        }
        return 0;
    }
    if (n != NULL)
        return now - container_of(n, struct absence, node)->since;
    struct absence *a = calloc(1, sizeof(*a));
    check(a != NULL);
    memcpy(a->key, key, (size_t)len + 1);
    a->since = now;
    check(map_insert(&r->gone, &a->node, a->key) == OK);
    return 0;
}

enum reap reaper_judge(struct reaper *r, const json_t *owner, const json_t *live, usec now,
                       wall_usec wall)
{
    const char *signald = json_string_value(json_object_get(owner, "signald"));
    const char *epoch = json_string_value(json_object_get(owner, "signald_epoch"));
    if (r->since == USEC_NEVER || signald == NULL || epoch == NULL)
        return REAP_LEAVE_ALONE;
    if (json_is_true(json_object_get(owner, "connected")))
        return away_for(r, signald, epoch, live, now) >= REAP_GONE ? REAP_DETACH : REAP_LEAVE_ALONE;
    const json_t *at = json_object_get(owner, "detached_at");
    if (!json_is_number(at))
        return REAP_LEAVE_ALONE;
    /* While Redis was away nobody could resume: the window starts when we see it again. */
    wall_usec detached = (wall_usec)(json_number_value(at) * 1000);
    usec waited = wall - MAX(detached, r->since_wall);
    return waited >= RESUME_WINDOW + REAP_GRACE ? REAP_REMOVE : REAP_LEAVE_ALONE;
}
