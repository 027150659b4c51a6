/* slot_policy.c - see slot_policy.h. SPDX-License-Identifier: Apache-2.0 */
#include "slot_policy.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_shown(const struct member *m, enum source s)
{
    return m->tracks[s].is_published && !m->tracks[s].is_muted;
}

static void add(struct slot_candidate *list, size_t *count, const struct room *r, enum source s)
{
    for (size_t i = 0; i < r->member_count; i++)
        if (is_shown(r->members[i], s))
            list[(*count)++] = (struct slot_candidate){ r->members[i], s };
}

void slot_plan_init(struct slot_plan *p, const struct room *r)
{
    *p = (struct slot_plan){ 0 };
    p->video = calloc(r->member_count * 2 + 1, sizeof(*p->video));
    p->audio = calloc(r->member_count * 2 + 1, sizeof(*p->audio));
    check(p->video != NULL && p->audio != NULL);
    add(p->video, &p->video_count, r, SOURCE_SCREEN);
    add(p->video, &p->video_count, r, SOURCE_CAMERA);
    add(p->audio, &p->audio_count, r, SOURCE_SCREEN_AUDIO);
    add(p->audio, &p->audio_count, r, SOURCE_MICROPHONE);
}

void slot_plan_done(struct slot_plan *p)
{
    free(p->video);
    free(p->audio);
    *p = (struct slot_plan){ 0 };
}

/* Lines of a camera from which it has so many layers (docs/protocol.md). */
enum { CAMERA_TWO_LAYERS = 270, CAMERA_THREE_LAYERS = 540 };

unsigned slot_policy_spatial(unsigned wanted_height, unsigned published_height)
{
    if (wanted_height == 0 || published_height == 0)
        return 2;
    /* An eighth of upscaling is not seen and saves half of the pixels. */
    uint64_t wanted = (uint64_t)wanted_height * 8;
    unsigned layers = published_height >= CAMERA_THREE_LAYERS ? 3
                      : published_height >= CAMERA_TWO_LAYERS ? 2
                                                              : 1;
    unsigned spatial = 0;
    while (spatial + 1 < layers && wanted > (published_height >> (layers - 1 - spatial)) * 9ull)
        spatial++;
    return spatial;
}

/* One track that a viewer is to get. */
struct wish {
    const char *participant;
    enum source source;
    unsigned spatial_max;
    usec rank; /* audio: higher is more important */
    bool is_placed;
};

static bool is_wish_in(const struct wish *w, const struct slot *s)
{
    return w->source == s->source && strcmp(w->participant, s->participant) == 0;
}

static bool is_wished(const struct wish *wishes, size_t count, const char *id, enum source s)
{
    for (size_t i = 0; i < count; i++)
        if (wishes[i].source == s && strcmp(wishes[i].participant, id) == 0)
            return true;
    return false;
}

static size_t wish_viewed(struct wish *ret, size_t max, const struct slot_viewer *v,
                          const struct room *room)
{
    size_t count = 0;
    for (size_t i = 0; i < v->view_count && count < max; i++) {
        const struct view_entry *e = &v->view[i];
        const struct member *m = room_find(room, e->participant);
        if (m == NULL || !is_shown(m, e->source) || strcmp(m->id, v->participant) == 0 ||
            is_wished(ret, count, m->id, e->source))
            continue;
        unsigned spatial = e->source == SOURCE_CAMERA
                               ? slot_policy_spatial(e->height, m->tracks[e->source].height)
                               : 2;
        ret[count++] = (struct wish){ m->id, e->source, spatial, 0, false };
    }
    return count;
}

static size_t wish_default(struct wish *ret, size_t max, const struct slot_viewer *v,
                           const struct slot_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->video_count && count < max; i++) {
        const struct slot_candidate *c = &plan->video[i];
        if (strcmp(c->member->id, v->participant) != 0)
            ret[count++] = (struct wish){ c->member->id, c->source, 2, 0, false };
    }
    return count;
}

static bool holds(const struct slot *slots, size_t slot_count, const struct slot_candidate *c)
{
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].is_audio && slots[i].participant[0] != 0 && slots[i].source == c->source &&
            strcmp(slots[i].participant, c->member->id) == 0)
            return true;
    return false;
}

static usec rank_of(const struct slot *slots, size_t slot_count, const struct slot_candidate *c)
{
    if (c->source == SOURCE_SCREEN_AUDIO)
        return USEC_NEVER;
    usec rank = c->member->spoke_at;
    if (c->member->speaks) /* whoever has stopped gives way at once */
        rank += SLOT_AUDIO_HOLD;
    return holds(slots, slot_count, c) ? rank + SLOT_AUDIO_HOLD : rank;
}

/* The max best by rank; equals stay in joining order. An insertion into a short sorted list. */
static size_t wish_audio(struct wish *ret, size_t max, const struct slot *slots, size_t slot_count,
                         const struct slot_viewer *v, const struct slot_plan *plan)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->audio_count && max > 0; i++) {
        const struct slot_candidate *c = &plan->audio[i];
        if (strcmp(c->member->id, v->participant) == 0)
            continue;
        struct wish w = { c->member->id, c->source, 2, rank_of(slots, slot_count, c), false };
        if (count == max && ret[count - 1].rank >= w.rank)
            continue;
        size_t at = count < max ? count++ : count - 1;
        for (; at > 0 && ret[at - 1].rank < w.rank; at--)
            ret[at] = ret[at - 1];
        ret[at] = w;
    }
    return count;
}

/* Wishes that hold a slot stay there; slots of others are emptied; the rest fill free slots. */
static enum slot_change place(struct slot *slots, size_t slot_count, bool is_audio,
                              struct wish *wishes, size_t wish_count)
{
    enum slot_change change = SLOT_CHANGE_NONE;
    bool is_kept[SLOTS_MAX] = { false };
    for (size_t i = 0; i < slot_count; i++) {
        struct slot *s = &slots[i];
        for (size_t w = 0; s->is_audio == is_audio && s->participant[0] != 0 && w < wish_count;
             w++) {
            if (wishes[w].is_placed || !is_wish_in(&wishes[w], s))
                continue;
            wishes[w].is_placed = is_kept[i] = true;
            unsigned priority = is_audio ? 0 : (unsigned)w;
            if (s->spatial_max != wishes[w].spatial_max || s->priority != priority)
                change = SLOT_CHANGE_SIZE;
            s->spatial_max = wishes[w].spatial_max;
            s->priority = priority;
            break;
        }
    }
    size_t next = 0;
    for (size_t i = 0; i < slot_count; i++) {
        struct slot *s = &slots[i];
        if (s->is_audio != is_audio || is_kept[i])
            continue;
        while (next < wish_count && wishes[next].is_placed)
            next++;
        bool was_empty = s->participant[0] == 0;
        if (next == wish_count) {
            s->participant[0] = 0;
            s->spatial_max = 2;
            s->priority = 0;
            change = was_empty ? change : SLOT_CHANGE_TRACK;
            continue;
        }
        snprintf(s->participant, sizeof(s->participant), "%s", wishes[next].participant);
        s->source = wishes[next].source;
        s->spatial_max = wishes[next].spatial_max;
        s->priority = is_audio ? 0 : (unsigned)next;
        wishes[next].is_placed = true;
        change = SLOT_CHANGE_TRACK;
    }
    return change;
}

enum slot_change slot_policy_assign(struct slot *slots, size_t slot_count,
                                    const struct slot_viewer *viewer, const struct slot_plan *plan,
                                    const struct room *room)
{
    check(slot_count <= SLOTS_MAX);
    size_t audio = 0, video = 0;
    for (size_t i = 0; i < slot_count; i++)
        (*(slots[i].is_audio ? &audio : &video))++;
    struct wish wishes[SLOTS_MAX];
    size_t count = 0;
    if (viewer->may_subscribe)
        count = viewer->has_view ? wish_viewed(wishes, video, viewer, room)
                                 : wish_default(wishes, video, viewer, plan);
    enum slot_change of_video = place(slots, slot_count, false, wishes, count);
    count = viewer->may_subscribe ? wish_audio(wishes, audio, slots, slot_count, viewer, plan) : 0;
    enum slot_change of_audio = place(slots, slot_count, true, wishes, count);
    return MAX(of_video, of_audio);
}
