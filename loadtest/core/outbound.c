/* SPDX-License-Identifier: Apache-2.0 */
#include "core/outbound.h"

#include <stdlib.h>

void outbound_init(struct outbound *o, uint8_t *arena)
{
    memset(o, 0, sizeof *o);
    o->arena = arena;
}

void outbound_clear(struct outbound *o)
{
    for (size_t i = 0; i < o->action_count; i++) {
        free(o->actions[i].url);
        free(o->actions[i].text);
        free(o->actions[i].token);
    }
    o->action_count = 0;
    o->datagram_count = 0;
    o->arena_used = 0;
}

uint8_t *outbound_reserve(struct outbound *o, size_t capacity)
{
    if (o->datagram_count == OUTBOUND_DATAGRAMS_MAX ||
        OUTBOUND_ARENA_SIZE - o->arena_used < capacity) {
        o->dropped++;
        return NULL;
    }
    return o->arena + o->arena_used;
}

void outbound_commit(struct outbound *o, unsigned leg, const struct net_addr *to, size_t len)
{
    check(o->datagram_count < OUTBOUND_DATAGRAMS_MAX && o->arena_used + len <= OUTBOUND_ARENA_SIZE);
    o->datagrams[o->datagram_count++] = (struct outbound_datagram){
        .leg = leg, .to = *to, .offset = (uint32_t)o->arena_used, .len = (uint32_t)len
    };
    o->arena_used += len;
}

struct action *outbound_action(struct outbound *o, enum action_kind kind)
{
    check(o->action_count < OUTBOUND_ACTIONS_MAX);
    struct action *a = &o->actions[o->action_count++];
    memset(a, 0, sizeof *a);
    a->kind = kind;
    return a;
}
