/* SPDX-License-Identifier: Apache-2.0 */
#include "core/room.h"

#include "core/worker_state.h"

static uint64_t hash_key(const struct worker *w, const char *key)
{
    return worker_hash(w, bytes_of_str(key), bytes_of(NULL, 0));
}

struct room *room_find(const struct worker *w, const char *key)
{
    uint64_t hash = hash_key(w, key);
    size_t at = HASH_INDEX_START;
    for (handle h; (h = hash_index_find(&w->by_room, hash, &at)) != 0;) {
        struct room *room = pool_at(&w->rooms, h);
        if (room != NULL && strcmp(room->key, key) == 0)
            return room;
    }
    return NULL;
}

struct room *room_find_or_new(struct worker *w, const char *key)
{
    struct room *room = room_find(w, key);
    if (room != NULL)
        return room;
    handle h;
    room = pool_take(&w->rooms, &h);
    if (room == NULL)
        return NULL;
    *room = (struct room){
        .self = h, .hash = hash_key(w, key), .speakers_at = USEC_NEVER, .scores_at = USEC_NEVER
    };
    size_t len = strnlen(key, ROOM_KEY_MAX);
    memcpy(room->key, key, len);
    list_init(&room->participants);
    check(hash_index_insert(&w->by_room, room->hash, h));
    stats_set(&w->stats, STAT_ROOMS, w->rooms.live);
    return room;
}

void room_add(struct worker *w, struct room *room, struct transport *t)
{
    t->room = room->self;
    list_push_back(&room->participants, &t->in_room);
    room->participant_count++;
}

void room_remove(struct worker *w, struct room *room, struct transport *t)
{
    list_remove(&t->in_room);
    room->participant_count--;
    if (room->participant_count > 0)
        return;
    hash_index_remove(&w->by_room, room->hash, room->self);
    pool_give(&w->rooms, room->self);
    stats_set(&w->stats, STAT_ROOMS, w->rooms.live);
}

static struct track *find_track(const struct worker *w, const struct transport *t,
                                enum source source)
{
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct media_params *m = transport_media(t, i);
        if (m->role == MEDIA_PUBLISH && m->source == source)
            return pool_at(&w->tracks, t->media[i]);
    }
    return NULL;
}

struct track *room_find_track(const struct worker *w, const char *room_key, const char *participant,
                              enum source source)
{
    const struct transport *t = transport_find(w, room_key, participant);
    return t == NULL ? NULL : find_track(w, t, source);
}

void room_on_track(struct worker *w, struct room *room, struct track *track, usec now)
{
    const struct transport *publisher = pool_at(&w->transports, track->transport);
    uint64_t hash = worker_hash(w, bytes_of_str(publisher->participant), bytes_of(NULL, 0));
    list_for_each(link, &room->participants)
    {
        struct transport *t = list_entry(link, struct transport, in_room);
        for (size_t i = 0; i < t->params.media_count; i++) {
            if (transport_media(t, i)->role != MEDIA_SLOT)
                continue;
            struct slot *slot = pool_at(&w->slots, t->media[i]);
            if (slot != NULL && slot->has_wish && slot->track == 0 && slot->wish_hash == hash &&
                slot->wish_source == track->source &&
                strcmp(slot->wish_participant, publisher->participant) == 0)
                slot_link(w, slot, track, now);
        }
    }
}

void room_on_level(struct worker *w, struct room *room, bool begins, usec now)
{
    if (room->speakers_at != USEC_NEVER && !begins)
        return;
    room->speakers_at = MIN(room->speakers_at, begins ? now : now + SPEAKER_TICK);
    w->next_deadline = MIN(w->next_deadline, room->speakers_at);
}

void room_tell_again(struct worker *w, struct room *room, usec now)
{
    if (room->dominant == 0 && room->told.count == 0)
        return;
    room->dominant_changed = true;
    room->speakers_at = MIN(room->speakers_at, now + SPEAKER_TICK);
    w->next_deadline = MIN(w->next_deadline, room->speakers_at);
}

static struct track *microphone_of(const struct worker *w, handle transport)
{
    const struct transport *t = pool_at(&w->transports, transport);
    return t == NULL ? NULL : find_track(w, t, SOURCE_MICROPHONE);
}

/* Those who speak now. Returns whether anybody is heard at all. */
static bool collect(struct worker *w, struct room *room, usec now, struct speaker_list *ret,
                    struct dominant_race *race)
{
    bool heard = false;
    list_for_each(link, &room->participants)
    {
        const struct transport *t = list_entry(link, struct transport, in_room);
        struct track *track = find_track(w, t, SOURCE_MICROPHONE);
        if (track == NULL || !track->meter.started)
            continue;
        speaker_meter_tick(&track->meter, now);
        dominant_meter_tick(&track->dominance, now);
        heard = heard || track->meter.started;
        if (track->muted)
            continue;
        if (track->meter.speaks)
            speaker_list_add(ret, t->self, speaker_meter_level(&track->meter));
        if (t->self != room->dominant)
            dominant_race_enter(race, t->self, &track->dominance);
    }
    return heard;
}

static struct dominant_race race_of(const struct worker *w, const struct room *room, usec now)
{
    struct track *track = microphone_of(w, room->dominant);
    if (track == NULL || track->muted)
        return (struct dominant_race){ .incumbent = DOMINANT_NOBODY };
    dominant_meter_tick(&track->dominance, now);
    return (struct dominant_race){ .incumbent = dominant_meter_score(&track->dominance) };
}

static void follow(const struct worker *w, struct room *room, const struct dominant_race *race)
{
    handle next = pool_at(&w->transports, room->dominant) == NULL ? 0 : room->dominant;
    next = race->winner != 0 ? race->winner : next;
    room->dominant_changed = room->dominant_changed || next != room->dominant;
    room->dominant = next;
}

static void tell(struct worker *w, struct room *room)
{
    struct event e = { .kind = EVENT_SPEAKERS };
    memcpy(e.room, room->key, sizeof e.room);
    for (size_t i = 0; i < room->told.count; i++) {
        const struct speaker *s = &room->told.speakers[i];
        const struct transport *t = pool_at(&w->transports, s->who);
        if (t == NULL)
            continue;
        struct event_speaker *to = &e.speakers[e.speaker_count++];
        memcpy(to->participant, t->participant, sizeof to->participant);
        to->level = s->level;
    }
    const struct transport *dominant = pool_at(&w->transports, room->dominant);
    if (dominant != NULL)
        memcpy(e.dominant, dominant->participant, sizeof e.dominant);
    worker_push_event(w, &e);
}

void room_tick(struct worker *w, struct room *room, usec now)
{
    struct speaker_list next = { .count = 0 };
    struct dominant_race race = race_of(w, room, now);
    bool heard = collect(w, room, now, &next, &race);
    follow(w, room, &race);
    room->speakers_at = heard || next.count > 0 ? now + SPEAKER_TICK : USEC_NEVER;
    usec interval =
        speaker_list_has_new(&room->told, &next) ? SPEAKERS_INTERVAL_NEW : SPEAKERS_INTERVAL_MIN;
    if (room->was_told && now - room->told_at < interval) {
        room->speakers_at = MIN(room->speakers_at, room->told_at + interval);
        return;
    }
    if (!speaker_list_update(&room->told, &next) && !room->dominant_changed)
        return;
    room->was_told = true;
    room->dominant_changed = false;
    room->told_at = now;
    tell(w, room);
}
