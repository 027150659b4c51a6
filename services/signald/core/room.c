/* room.c - see room.h. SPDX-License-Identifier: Apache-2.0 */
#include "room.h"

#include <stdio.h>
#include <stdlib.h>

static void member_free(struct member *m)
{
    if (m == NULL)
        return;
    json_decref(m->public_json);
    free(m);
}

void room_init(struct room *r)
{
    *r = (struct room){ .waiting = json_array() };
    check(r->waiting != NULL);
}

static void clear_members(struct room *r)
{
    for (size_t i = 0; i < r->member_count; i++)
        member_free(r->members[i]);
    r->member_count = 0;
}

void room_done(struct room *r)
{
    clear_members(r);
    free(r->members);
    json_decref(r->waiting);
    *r = (struct room){ 0 };
}

struct member *room_find(const struct room *r, const char *participant)
{
    for (size_t i = 0; participant != NULL && i < r->member_count; i++)
        if (strcmp(r->members[i]->id, participant) == 0)
            return r->members[i];
    return NULL;
}

static bool copy_text(char *ret, size_t capacity, const json_t *v)
{
    const char *text = json_string_value(v);
    if (text == NULL || json_string_length(v) >= capacity)
        return false;
    memcpy(ret, text, json_string_length(v) + 1);
    return true;
}

static unsigned dimension(const json_t *v)
{
    json_int_t n = json_integer_value(v);
    return n > 0 && n <= DIMENSION_MAX ? (unsigned)n : 0;
}

static void read_tracks(struct member *m, const json_t *tracks)
{
    memset(m->tracks, 0, sizeof(m->tracks));
    size_t i;
    json_t *t;
    json_array_foreach((json_t *)(uintptr_t)tracks, i, t)
    {
        enum source s = source_parse(json_string_value(json_object_get(t, "source")));
        if (s == SOURCE_COUNT)
            continue;
        const char *by = json_string_value(json_object_get(t, "muted_by"));
        m->tracks[s] = (struct track){
            .is_published = true,
            .is_muted = json_is_true(json_object_get(t, "muted")),
            .muted_by = by == NULL                ? MUTED_BY_NOBODY
                        : strcmp(by, "self") == 0 ? MUTED_BY_SELF
                                                  : MUTED_BY_MODERATOR,
            .width = dimension(json_object_get(t, "width")),
            .height = dimension(json_object_get(t, "height")),
        };
    }
}

static const char *const public_fields[] = { "id",   "name",      "kind",  "role",
                                             "hand", "connected", "tracks" };

static json_t *public_of(const json_t *participant)
{
    json_t *ret = json_object();
    for (size_t i = 0; i < ARRAY_LEN(public_fields); i++) {
        json_t *v = json_object_get(participant, public_fields[i]);
        if (v != NULL)
            json_object_set(ret, public_fields[i], v);
    }
    return ret;
}

/* participant: public fields. private: where the private ones are (may be the same object). */
static bool member_read(struct member *m, const json_t *participant, const json_t *private)
{
    const char *role = json_string_value(json_object_get(participant, "role"));
    if (!copy_text(m->id, sizeof(m->id), json_object_get(participant, "id")) ||
        !copy_text(m->name, sizeof(m->name), json_object_get(participant, "name")) || role == NULL)
        return false;
    m->is_moderator = strcmp(role, "moderator") == 0;
    m->is_connected = json_is_true(json_object_get(participant, "connected"));
    read_tracks(m, json_object_get(participant, "tracks"));
    copy_text(m->signald, sizeof(m->signald), json_object_get(private, "signald"));
    copy_text(m->signald_epoch, sizeof(m->signald_epoch),
              json_object_get(private, "signald_epoch"));
    copy_text(m->node, sizeof(m->node), json_object_get(private, "node"));
    copy_text(m->node_epoch, sizeof(m->node_epoch), json_object_get(private, "epoch"));
    json_t *joined = json_object_get(private, "joined_at");
    if (json_is_number(joined))
        m->joined_at_ms = (int64_t)json_number_value(joined);
    json_decref(m->public_json);
    m->public_json = public_of(participant);
    return true;
}

/* Joining order; who came in the same millisecond is ordered by id, the same for everybody. */
static int compare_members(const struct member *a, const struct member *b)
{
    if (a->joined_at_ms != b->joined_at_ms)
        return a->joined_at_ms < b->joined_at_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

static void insert_member(struct room *r, struct member *m)
{
    if (r->member_count == r->member_capacity) {
        r->member_capacity = MAX((size_t)8, r->member_capacity * 2);
        r->members = realloc(r->members, r->member_capacity * sizeof(*r->members));
        check(r->members != NULL);
    }
    size_t at = r->member_count++;
    for (; at > 0 && compare_members(m, r->members[at - 1]) < 0; at--)
        r->members[at] = r->members[at - 1];
    r->members[at] = m;
}

static bool put_member(struct room *r, const json_t *participant, const json_t *private)
{
    const char *id = json_string_value(json_object_get(participant, "id"));
    struct member *m = room_find(r, id);
    if (m != NULL)
        return member_read(m, participant, private);
    m = calloc(1, sizeof(*m));
    check(m != NULL);
    m->score = SCORE_UNKNOWN;
    if (!member_read(m, participant, private)) {
        member_free(m);
        return false;
    }
    insert_member(r, m);
    return true;
}

static bool remove_member(struct room *r, const char *id)
{
    for (size_t i = 0; id != NULL && i < r->member_count; i++) {
        if (strcmp(r->members[i]->id, id) != 0)
            continue;
        member_free(r->members[i]);
        memmove(&r->members[i], &r->members[i + 1],
                (r->member_count - i - 1) * sizeof(*r->members));
        r->member_count--;
        return true;
    }
    return false;
}

static bool change(struct room *r, const json_t *event, const char *op)
{
    json_t *participant = json_object_get(event, "participant");
    if (strcmp(op, "participant-joined") == 0 || strcmp(op, "participant-updated") == 0)
        return json_is_object(participant) &&
               put_member(r, participant, json_object_get(event, "private"));
    if (strcmp(op, "participant-left") == 0)
        return json_is_string(participant) &&
               (remove_member(r, json_string_value(participant)), true);
    return false;
}

enum room_result room_apply(struct room *r, json_t *event)
{
    json_t *seq_json = json_object_get(event, "seq");
    const char *op = json_string_value(json_object_get(event, "op"));
    if (!json_is_integer(seq_json) || op == NULL)
        return ROOM_BAD;
    int64_t seq = json_integer_value(seq_json);
    if (!r->is_loaded) {
        if (json_array_size(r->waiting) < ROOM_WAITING_MAX)
            json_array_append(r->waiting, event);
        else
            r->has_overflown = true;
        return ROOM_WAITING;
    }
    if (seq <= r->seq)
        return ROOM_STALE;
    if (seq != r->seq + 1)
        return ROOM_GAP;
    if (!change(r, event, op))
        return ROOM_BAD;
    r->seq = seq;
    return ROOM_APPLIED;
}

void room_unload(struct room *r)
{
    r->is_loaded = false;
}

/* Keeps what media nodes have told across a reload. */
static void carry_told(struct room *r, struct member *const *old, size_t old_count)
{
    for (size_t i = 0; i < old_count; i++) {
        bool is_news = old[i]->spoke_at != 0 || old[i]->score != SCORE_UNKNOWN;
        struct member *m = is_news ? room_find(r, old[i]->id) : NULL;
        if (m == NULL)
            continue;
        m->spoke_at = old[i]->spoke_at;
        m->speaks = old[i]->speaks;
        m->score = old[i]->score;
    }
}

static bool load_members(struct room *r, const json_t *snapshot)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(snapshot, "participants"), i,
                       p) if (!put_member(r, p, p)) return false;
    return true;
}

enum room_result room_load(struct room *r, const json_t *snapshot)
{
    json_t *seq = json_object_get(snapshot, "seq");
    if (!json_is_integer(seq))
        return ROOM_BAD;
    struct member **old = r->members;
    size_t old_count = r->member_count;
    r->members = NULL;
    r->member_count = r->member_capacity = 0;
    bool is_good = load_members(r, snapshot);
    carry_told(r, old, old_count);
    for (size_t i = 0; i < old_count; i++)
        member_free(old[i]);
    free(old);
    r->seq = json_integer_value(seq);
    r->is_loaded = true;
    json_t *waiting = r->waiting;
    r->waiting = json_array();
    enum room_result result = is_good ? ROOM_APPLIED : ROOM_BAD;
    size_t i;
    json_t *event;
    json_array_foreach(waiting, i, event) if (result == ROOM_APPLIED &&
                                              room_apply(r, event) == ROOM_GAP) result = ROOM_GAP;
    json_decref(waiting);
    if (r->has_overflown && result == ROOM_APPLIED)
        result = ROOM_GAP;
    r->has_overflown = false;
    return result;
}

json_t *room_participants(const struct room *r)
{
    json_t *ret = json_array();
    for (size_t i = 0; i < r->member_count; i++)
        json_array_append(ret, r->members[i]->public_json);
    return ret;
}

bool room_on_speakers(struct room *r, const json_t *speakers, usec now)
{
    bool is_known = false;
    size_t i;
    json_t *s;
    for (i = 0; i < r->member_count; i++)
        r->members[i]->speaks = false;
    json_array_foreach((json_t *)(uintptr_t)speakers, i, s)
    {
        struct member *m = room_find(r, json_string_value(json_object_get(s, "participant")));
        if (m == NULL)
            continue;
        m->spoke_at = now;
        m->speaks = true;
        is_known = true;
    }
    return is_known;
}

bool room_on_score(struct room *r, const json_t *score)
{
    struct member *m = room_find(r, json_string_value(json_object_get(score, "participant")));
    const json_t *value = json_object_get(score, "score");
    json_int_t v = json_integer_value(value);
    if (m == NULL || !json_is_integer(value) || v < 0 || v > SCORE_MAX || v == m->score)
        return false;
    m->score = (int8_t)v;
    return true;
}

json_t *room_scores(const struct room *r)
{
    json_t *ret = json_array();
    for (size_t i = 0; i < r->member_count; i++)
        if (r->members[i]->score != SCORE_UNKNOWN)
            json_array_append_new(ret, json_pack("{s:s,s:i}", "participant", r->members[i]->id,
                                                 "score", (int)r->members[i]->score));
    return ret;
}

void room_on_dominant(struct room *r, const char *participant)
{
    const struct member *m = room_find(r, participant);
    snprintf(r->dominant, sizeof(r->dominant), "%s", m == NULL ? "" : m->id);
}

const char *room_dominant(const struct room *r)
{
    const struct member *m = room_find(r, r->dominant);
    return m == NULL ? NULL : m->id;
}
