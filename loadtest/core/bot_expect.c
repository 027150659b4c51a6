/* bot_expect.c - what a bot wants to see, and whether it sees and hears what it should.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/bot_media.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FRESH_US = 1200000,  /* a stream is flowing if something came so recently */
    STEADY_US = 2000000, /* who has talked this long must be heard */
    SHOWN_US = 3000000,  /* who was asked for so long ago must be seen */
    KNOWN_US = 3000000,
    STEADY_AHEAD_US = 1300000, /* a voice must go on for longer than until the next look */
};

/* --- sets over the bots of the room --- */

static size_t set_size(const struct bot *b)
{
    return (b->room_bots + 7) / 8;
}

static bool set_has(const struct room_set *s, unsigned i)
{
    return (s->bits[i / 8] >> (i % 8)) & 1;
}

static void set_put(struct room_set *s, unsigned i)
{
    s->bits[i / 8] |= (uint8_t)(1u << (i % 8));
}

static struct room_set *const *sets_of(struct bot *b, struct room_set *(*ret)[5])
{
    (*ret)[0] = &b->voice_expected;
    (*ret)[1] = &b->voice_heard;
    (*ret)[2] = &b->voice_toned;
    (*ret)[3] = &b->camera_expected;
    (*ret)[4] = &b->camera_shown;
    return *ret;
}

bool bot_expect_init(struct bot *b)
{
    const struct scenario *s = b->config.world->scenario;
    b->room_bots = scenario_bot_count(s) / MAX(s->rooms, 1u);
    b->room_first = b->place.room * b->room_bots;
    struct room_set *sets[5];
    struct room_set *const *all = sets_of(b, &sets);
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        if ((all[i]->bits = calloc(1, set_size(b) + 1)) == NULL)
            return false;
    }
    return true;
}

void bot_expect_done(struct bot *b)
{
    struct room_set *sets[5];
    struct room_set *const *all = sets_of(b, &sets);
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        free(all[i]->bits);
}

void bot_expect_clear(struct bot *b)
{
    struct room_set *sets[5];
    struct room_set *const *all = sets_of(b, &sets);
    for (size_t i = 0; i < ARRAY_LEN(sets); i++)
        memset(all[i]->bits, 0, set_size(b));
    b->unexpected_voice = b->unexpected_camera = 0;
    b->voice_presence = b->camera_presence = (struct bot_presence){ 0 };
    b->others = (struct bot_others){ 0 };
    b->mistoned = -1;
}

/* --- what to look at --- */

struct candidate {
    const struct publisher *publisher;
    usec spoke_at;
    unsigned rank;
};

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->spoke_at != y->spoke_at)
        return x->spoke_at > y->spoke_at ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Everybody looks at those who come after themselves, so that all are looked at equally. Those who
 * are not bots come first: they are being tested with. With watch-speakers, who spoke last comes
 * before all others. */
static size_t rank_cameras(struct bot *b, struct candidate *all)
{
    size_t count = 0;
    const char *echoed = bot_media_echo_id(b);
    bool is_bot = b->config.world->scenario->participant[0] == '\0';
    for (size_t i = 0; i < b->publisher_count; i++) {
        const struct publisher *p = &b->publishers[i].publisher;
        if (!p->has_camera || (is_bot && p->bot == (int)b->config.index))
            continue;
        unsigned member = p->bot < 0 ? 0 : (unsigned)p->bot - b->room_first;
        unsigned me = b->config.index - b->room_first;
        unsigned rank = p->bot < 0 ? 0 : 1 + (member + b->room_bots - me) % b->room_bots;
        rank = strcmp(p->id, echoed) == 0 ? 0 : rank + 1;
        all[count++] = (struct candidate){ .publisher = p,
                                           .spoke_at = b->publishers[i].spoke_at,
                                           .rank = rank };
    }
    qsort(all, count, sizeof *all, by_rank);
    return count;
}

static usec asked_since(const struct bot *b, const char *id, usec now)
{
    for (size_t i = 0; i < b->asked_count; i++) {
        if (strcmp(b->asked[i].id, id) == 0)
            return b->asked[i].at;
    }
    return now;
}

/* Streams that flow already are asked for in another size from now on. */
static void refresh_asked(struct bot *b)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        const struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++) {
            struct sink *s = l->sinks[k];
            s->asked_height = 0;
            for (size_t a = 0; s->mapped && s->publisher >= 0 && a < b->asked_count; a++) {
                if (b->asked[a].bot == s->publisher)
                    s->asked_height = b->asked[a].height;
            }
        }
    }
}

void bot_choose_view(struct bot *b, usec now, struct outbound *out)
{
    const struct group *g = b->group;
    struct wanted wanted[SCENARIO_SLOTS_MAX];
    struct asked asked[SCENARIO_SLOTS_MAX];
    struct candidate *all = calloc(MAX(b->publisher_count, 1), sizeof *all);
    if (all == NULL)
        return;
    size_t cameras = rank_cameras(b, all);
    size_t watch = MIN(MIN(g->watch, g->video_slots), SCENARIO_SLOTS_MAX);
    size_t count = MIN(watch, cameras);
    size_t first = cameras > watch ? (b->page * watch) % cameras : 0;
    for (size_t i = 0; i < count; i++) {
        const struct publisher *p = all[(first + i) % cameras].publisher;
        bool large = g->watch_large == 0 || i < g->watch_large;
        wanted[i] = (struct wanted){ .publisher = p,
                                     .width = large ? g->watch_width : g->thumb_width,
                                     .height = large ? g->watch_height : g->thumb_height };
        asked[i] = (struct asked){ .bot = p->bot,
                                   .width = wanted[i].width,
                                   .height = wanted[i].height,
                                   .at = asked_since(b, p->id, now) };
        memcpy(asked[i].id, p->id, sizeof asked[i].id);
    }
    memcpy(b->asked, asked, count * sizeof asked[0]);
    b->asked_count = count;
    refresh_asked(b);
    b->config.world->driver->view(b, wanted, count, now, out);
    free(all);
}

const struct group *bot_group_of(const struct bot *b, int index)
{
    const struct scenario *s = b->config.world->scenario;
    if (index < 0 || (unsigned)index >= scenario_bot_count(s))
        return NULL;
    return &s->groups[scenario_place(s, (unsigned)index).group];
}

static void label(struct sink *s, const char *publisher_id, const char *source)
{
    const char *usual = s->kind == MEDIA_VIDEO ? "camera" : "microphone";
    snprintf(s->publisher_id, sizeof s->publisher_id, "%s",
             publisher_id == NULL ? "" : publisher_id);
    snprintf(s->source, sizeof s->source, "%s", source == NULL ? usual : source);
}

void bot_remap_sinks(struct bot *b, const struct publisher *p, usec now)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        const struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++) {
            struct sink *s = l->sinks[k];
            char source[sizeof s->source];
            memcpy(source, s->source, sizeof source);
            if (s->mapped && s->publisher < 0 && p->bot >= 0 && strcmp(s->publisher_id, p->id) == 0)
                bot_map_sink(b, s, p->id, source, now);
        }
    }
}

void bot_map_sink(struct bot *b, struct sink *s, const char *publisher_id, const char *source,
                  usec now)
{
    label(s, publisher_id, source);
    if (publisher_id == NULL) {
        bot_remember_if_interrupted(b, s);
        sink_map(s, -2, false, now);
        s->asked_height = 0;
        return;
    }
    const struct publisher *p = bot_publisher_find(b, publisher_id);
    int publisher = p == NULL ? bot_index_of_name(publisher_id) : p->bot;
    const struct group *g = bot_group_of(b, publisher);
    bool was = s->mapped && s->publisher == publisher;
    if (!was)
        bot_remember_if_interrupted(b, s);
    sink_map(s, publisher, g != NULL && g->talk == TALK_ALWAYS && g->stay_us == 0, now);
    if (!was)
        bot_take_up_streams(b, now);
    s->asked_height = 0;
    for (size_t i = 0; s->kind == MEDIA_VIDEO && i < b->asked_count; i++) {
        if (strcmp(b->asked[i].id, publisher_id) != 0)
            continue;
        s->asked_height = b->asked[i].height;
        if (!was)
            s->wanted_at = b->asked[i].at;
    }
}

/* --- what is heard and seen --- */

static bool is_from(const struct sink *s, unsigned index)
{
    if (!s->has_sender)
        return false;
    unsigned tag = index & ((1u << STAMP_SENDER_BITS) - 1);
    return s->last_sender == tag && (s->publisher < 0 || (unsigned)s->publisher == index);
}

/* The sink of that kind in which something of bot `index` has just come; NULL: none. */
static struct sink *flowing(struct bot *b, enum media_kind kind, unsigned index, usec now)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        const struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++) {
            struct sink *s = l->sinks[k];
            usec last = kind == MEDIA_VIDEO ? s->last_frame_at : s->last_packet_at;
            if (s->kind == kind && s->started && last != USEC_NEVER && now - last < FRESH_US &&
                is_from(s, index))
                return s;
        }
    }
    return NULL;
}

static bool is_known(const struct bot *b, unsigned index, usec now)
{
    const struct group *g = bot_group_of(b, (int)index);
    if (g != NULL && g->stay_us == 0 && b->group->stay_us == 0)
        return true;
    for (size_t i = 0; i < b->publisher_count; i++) {
        if (b->publishers[i].publisher.bot == (int)index)
            return now - b->publishers[i].since > KNOWN_US;
    }
    return false;
}

static bool talks_steadily(const struct bot *b, unsigned index, usec now)
{
    const struct scenario *s = b->config.world->scenario;
    struct bot_place place = scenario_place(s, index);
    const struct group *g = &s->groups[place.group];
    if (g->talk == TALK_ALWAYS)
        return true;
    if (g->talk != TALK_TURNS)
        return false;
    usec since = bot_since_start(b, now), turn = MAX(g->turn_us, 1);
    usec before = since - MIN(STEADY_US, turn * 3 / 5);
    return scenario_talks(s, place, since) && scenario_talks(s, place, before) &&
           since / turn == before / turn;
}

static void count_presence(struct bot_presence *p, bool flows)
{
    p->expected_s++;
    p->present_s += flows;
    p->stalled += !flows;
}

static void look_at_voices(struct bot *b, usec now)
{
    unsigned expected = 0;
    for (unsigned i = 0; i < b->room_bots; i++)
        expected +=
            b->room_first + i != b->config.index && talks_steadily(b, b->room_first + i, now);
    /* more than fit: which of them is the server's choice, but there must be as many as fit */
    bool must = expected <= b->group->audio_slots;
    unsigned heard = 0;
    for (unsigned i = 0; i < b->room_bots; i++) {
        unsigned index = b->room_first + i;
        if (index == b->config.index || !talks_steadily(b, index, now) || !is_known(b, index, now))
            continue;
        bool flows = flowing(b, MEDIA_AUDIO, index, now) != NULL;
        if (must)
            set_put(&b->voice_expected, i);
        if (must)
            count_presence(&b->voice_presence, flows);
        if (flows)
            set_put(&b->voice_heard, i);
        heard += flows;
    }
    for (unsigned slot = 0; !must && slot < b->group->audio_slots; slot++)
        count_presence(&b->voice_presence, slot < heard);
}

/* Who has talked for a while must be seen by those who follow the speakers. */
static void look_at_speakers(struct bot *b, usec now)
{
    struct measure *m = b->config.measure;
    for (unsigned i = 0; i < b->room_bots && b->group->watch_speakers; i++) {
        unsigned index = b->room_first + i;
        const struct group *g = bot_group_of(b, (int)index);
        if (index == b->config.index || g == NULL || g->video == VIDEO_OFF ||
            !talks_steadily(b, index, now) || !is_known(b, index, now))
            continue;
        m->speaker_s_expected++;
        m->speaker_s_shown += flowing(b, MEDIA_VIDEO, index, now) != NULL;
    }
}

static void look_at_cameras(struct bot *b, usec now)
{
    for (size_t i = 0; i < b->asked_count; i++) {
        const struct asked *a = &b->asked[i];
        if (a->bot < 0 || now - a->at < SHOWN_US || !is_known(b, (unsigned)a->bot, now))
            continue;
        unsigned member = (unsigned)a->bot - b->room_first;
        if (member >= b->room_bots)
            continue;
        bool flows = flowing(b, MEDIA_VIDEO, (unsigned)a->bot, now) != NULL;
        set_put(&b->camera_expected, member);
        count_presence(&b->camera_presence, flows);
        if (flows)
            set_put(&b->camera_shown, member);
    }
}

/* Index of the smallest layer that is at least this high. */
static unsigned layer_for(const struct group *g, uint16_t height)
{
    unsigned i = 0;
    while (i + 1 < g->layer_count && g->layers[i] < height)
        i++;
    return i;
}

static void look_at_sink(struct bot *b, struct sink *s, usec now)
{
    bool video = s->kind == MEDIA_VIDEO;
    if (s->toned >= 0) {
        unsigned member = (unsigned)s->toned - b->room_first;
        if (member < b->room_bots)
            set_put(&b->voice_toned, member);
        s->toned = -1;
    }
    if (s->mistoned >= 0) {
        b->mistoned = s->mistoned;
        b->mistoned_hz = s->mistoned_hz;
        s->mistoned = -1;
    }
    const struct group *g = s->mapped ? bot_group_of(b, s->publisher) : NULL;
    if (!video && g != NULL && g->talk == TALK_TURNS && g->stay_us == 0)
        sink_set_steady(s, talks_steadily(b, (unsigned)s->publisher, now + STEADY_AHEAD_US), now,
                        b->config.measure);
    if (!s->mapped || now - s->mapped_at < KNOWN_US || s->publisher < 0)
        return;
    bool fresh = s->started && now - s->last_packet_at < FRESH_US && s->has_sender;
    if (!fresh && video && s->asked_height > 0 && g != NULL)
        b->config.measure->layer_us[layer_for(g, s->asked_height)][MEASURE_LAYER_NONE] +=
            BOT_SECOND_US;
    if (!fresh)
        return;
    bool in_room = (unsigned)s->publisher - b->room_first < b->room_bots;
    bool sends = g != NULL && (video ? g->video != VIDEO_OFF : g->talk >= TALK_TURNS);
    bool wrong = !in_room || !sends || !is_from(s, (unsigned)s->publisher);
    bool still = wrong && s->was_wrong; /* media may change a moment before signaling says so */
    s->was_wrong = wrong;
    if (still)
        *(video ? &b->unexpected_camera : &b->unexpected_voice) += 1;
    if (wrong)
        return;
    if (video && s->asked_height > 0)
        b->config.measure->layer_us[layer_for(g, s->asked_height)][s->last_layer] += BOT_SECOND_US;
}

/* Nobody says what they should send, so nothing is expected of them: it is only counted. */
static void look_at_others(struct bot *b, usec now)
{
    struct bot_others n = { 0 };
    for (size_t i = 0; i < b->publisher_count; i++)
        n.publishers += b->publishers[i].publisher.bot < 0;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        for (unsigned k = 0; b->legs[i] != NULL && k < b->legs[i]->sink_count; k++) {
            const struct sink *s = b->legs[i]->sinks[k];
            bool flows = s->mapped && s->publisher == -1 && s->last_frame_at != USEC_NEVER &&
                         now - s->last_frame_at < FRESH_US;
            *(s->kind == MEDIA_VIDEO ? &n.cameras : &n.voices) += flows;
        }
    }
    b->others.publishers = MAX(b->others.publishers, n.publishers);
    b->others.voices = MAX(b->others.voices, n.voices);
    b->others.cameras = MAX(b->others.cameras, n.cameras);
}

void bot_expect_look(struct bot *b, usec now)
{
    if (!b->plateau || b->connected_at == USEC_NEVER || now - b->connected_at < KNOWN_US)
        return;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        for (unsigned k = 0; b->legs[i] != NULL && k < b->legs[i]->sink_count; k++)
            look_at_sink(b, b->legs[i]->sinks[k], now);
    }
    b->voice_presence.stalled = b->camera_presence.stalled = 0;
    if (b->group->audio_slots > 0)
        look_at_voices(b, now);
    look_at_cameras(b, now);
    look_at_speakers(b, now);
    look_at_others(b, now);
}

/* --- for the report --- */

unsigned bot_pair_count(const struct bot *b)
{
    return b->room_bots;
}

struct bot_pair bot_pair_at(const struct bot *b, enum media_kind kind, unsigned index)
{
    bool video = kind == MEDIA_VIDEO;
    return (struct bot_pair){
        .other = b->room_first + index,
        .expected = set_has(video ? &b->camera_expected : &b->voice_expected, index),
        .seen = set_has(video ? &b->camera_shown : &b->voice_heard, index),
        .verified = set_has(video ? &b->camera_shown : &b->voice_toned, index),
    };
}

struct bot_presence bot_presence(const struct bot *b, enum media_kind kind)
{
    return kind == MEDIA_VIDEO ? b->camera_presence : b->voice_presence;
}

uint64_t bot_unexpected(const struct bot *b, enum media_kind kind)
{
    return kind == MEDIA_VIDEO ? b->unexpected_camera : b->unexpected_voice;
}

bool bot_mistoned(const struct bot *b, unsigned *ret_speaker, unsigned *ret_heard_hz)
{
    *ret_speaker = (unsigned)b->mistoned;
    *ret_heard_hz = b->mistoned_hz;
    return b->mistoned >= 0;
}

unsigned bot_stream_count(const struct bot *b, enum media_kind kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        for (unsigned k = 0; b->legs[i] != NULL && k < b->legs[i]->sink_count; k++) {
            const struct sink *s = b->legs[i]->sinks[k];
            count += s->kind == kind && s->mapped && s->started;
        }
    }
    return count;
}

const struct bot_others *bot_others(const struct bot *b)
{
    return &b->others;
}
