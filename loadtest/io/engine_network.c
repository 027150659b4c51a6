/* The emulated network of a bot: datagrams wait in it on their way out and in.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/engine_private.h"

bool engine_network_init(struct engine_bot *b, uint64_t seed)
{
    const struct scenario *s = b->thread->engine->config.world->scenario;
    struct bot_place place = scenario_place(s, bot_index(b->bot));
    int index = s->groups[place.group].network;
    if (index < 0)
        return true;
    const struct network *n = &s->networks[index];
    if (netem_is_needed(&n->up))
        b->up = netem_new(&n->up, seed);
    if (netem_is_needed(&n->down))
        b->down = netem_new(&n->down, seed ^ 1);
    return (b->up != NULL || !netem_is_needed(&n->up)) &&
           (b->down != NULL || !netem_is_needed(&n->down));
}

void engine_network_done(struct engine_bot *b)
{
    netem_free(b->up);
    netem_free(b->down);
    b->up = b->down = NULL;
}

void engine_network_send(struct engine_bot *b, const struct outbound *out, usec now)
{
    for (size_t i = 0; i < out->datagram_count; i++) {
        const struct outbound_datagram *d = &out->datagrams[i];
        struct netem_tag tag = { .leg = d->leg, .addr = d->to };
        if (netem_push(b->up, bytes_of(out->arena + d->offset, d->len), &tag, now) ==
            NETEM_NO_MEMORY)
            b->thread->stats.send_full++;
    }
}

void engine_network_receive(struct engine_bot *b, const struct media_arrival *a, usec now)
{
    struct netem_tag tag = { .leg = a->leg, .addr = a->from };
    if (netem_push(b->down, bytes_of(a->data, a->len), &tag, now) == NETEM_NO_MEMORY)
        b->thread->stats.socket_drops++;
}

usec engine_network_deadline(const struct engine_bot *b)
{
    usec up = b->up == NULL ? USEC_NEVER : netem_next_deadline(b->up);
    usec down = b->down == NULL ? USEC_NEVER : netem_next_deadline(b->down);
    return MIN(up, down);
}

void engine_network_run(struct engine_bot *b, usec now)
{
    struct netem_datagram d;
    while (b->up != NULL && netem_pop(b->up, now, &d)) {
        struct media_send send = { .data = d.data, .len = d.len, .to = d.tag.addr };
        if (b->legs[d.tag.leg] != NULL)
            media_socket_send(b->legs[d.tag.leg], &send, 1);
    }
    while (b->down != NULL && netem_pop(b->down, now, &d)) {
        b->now = MAX(b->now, d.due); /* when it should have come, however late this thread is */
        bot_on_datagram(b->bot, d.tag.leg, &d.tag.addr, d.data, d.len, b->now, &b->thread->out);
        engine_bot_settle(b);
    }
}
