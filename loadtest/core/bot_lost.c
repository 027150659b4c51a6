/* bot_lost.c - streams that flowed when their connection was given up, or stood still when their
 * slot was given to another: what is missed until it is back.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/bot_private.h"

static void remember(struct bot *b, const struct sink *s, usec from)
{
    if (b->lost_count == ARRAY_LEN(b->lost))
        return;
    struct lost_stream *lost = &b->lost[b->lost_count++];
    *lost = (struct lost_stream){ .publisher = s->publisher, .kind = s->kind, .from = from };
    bot_note(b, &(struct interruption){
                    .from = from, .to = USEC_NEVER, .publisher = s->publisher, .kind = s->kind });
}

void bot_remember_streams(struct bot *b)
{
    for (unsigned i = 0; b->plateau && i < BOT_LEGS_MAX; i++) {
        const struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++) {
            usec from;
            if (sink_waits_since(l->sinks[k], &from))
                remember(b, l->sinks[k], from);
        }
    }
}

/* A stream that stands still may be taken from its slot before it moves again. */
void bot_remember_if_interrupted(struct bot *b, const struct sink *s)
{
    usec from;
    if (!b->plateau || !s->interrupted || !sink_waits_since(s, &from))
        return;
    const struct group *g = bot_group_of(b, s->publisher);
    if (g != NULL && g->stay_us == 0)
        remember(b, s, from);
}

static struct sink *sink_for(const struct bot *b, const struct lost_stream *lost)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        const struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++) {
            struct sink *s = l->sinks[k];
            if (s->mapped && s->publisher == lost->publisher && s->kind == lost->kind)
                return s;
        }
    }
    return NULL;
}

/* Lost streams that have a place again go on waiting there. Slots change places among each other,
 * one by one: what is lost now may have its new place already. */
void bot_take_up_streams(struct bot *b, usec now)
{
    for (size_t i = b->lost_count; i-- > 0;) {
        struct lost_stream lost = b->lost[i];
        struct sink *s = sink_for(b, &lost);
        if (s == NULL)
            continue;
        b->lost[i] = b->lost[--b->lost_count];
        if (s->gap_from == USEC_NEVER || s->gap_from > lost.from) {
            bool flows = s->gap_from != USEC_NEVER && !s->interrupted;
            if (!flows) {
                sink_expect_since(s, lost.from);
                continue;
            }
            sink_count_lost(lost.kind, now - lost.from, b->config.measure);
            bot_note(b, &(struct interruption){ .from = lost.from,
                                                .to = now,
                                                .publisher = lost.publisher,
                                                .kind = lost.kind });
        }
    }
}

void bot_count_lost_streams(struct bot *b, usec now)
{
    for (size_t i = 0; i < b->lost_count; i++)
        sink_count_lost(b->lost[i].kind, now - b->lost[i].from, b->config.measure);
    b->lost_count = 0;
}
