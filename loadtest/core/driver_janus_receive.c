/* driver_janus_receive.c - the subscriber handle: wishes become updates, Janus' offers answers.
 *
 * One update is on its way at a time; wishes that come meanwhile wait for its end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/driver_janus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is wanted --- */

/* Janus' substream that suits a height: the smallest that is at least as high. Of publishers that
 * are no bots the usual three layers are assumed. */
static int substream_for(const struct bot *b, const struct janus_feed *f, unsigned height)
{
    static const uint16_t usual[SCENARIO_LAYERS_MAX] = { 180, 360, 720 };
    const struct scenario *s = bot_world(b)->scenario;
    const uint16_t *layers = usual;
    unsigned count = SCENARIO_LAYERS_MAX;
    if (!f->simulcast)
        return JANUS_SUBSTREAM_NONE;
    if (f->bot >= 0 && (unsigned)f->bot < scenario_bot_count(s)) {
        const struct group *g = &s->groups[scenario_place(s, (unsigned)f->bot).group];
        layers = g->layers;
        count = g->layer_count;
    }
    unsigned i = 0;
    while (i + 1 < count && layers[i] < height)
        i++;
    return (int)i;
}

void janus_view(struct bot *b, const struct wanted *wanted, size_t count, usec now,
                struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    j->camera_count = 0;
    for (size_t i = 0; i < MIN(count, SCENARIO_SLOTS_MAX); i++) {
        const struct janus_feed *f = janus_find_feed(j, strtoll(wanted[i].publisher->id, NULL, 10));
        if (f == NULL || f->camera_mid[0] == 0)
            continue;
        j->cameras[j->camera_count++] =
            (struct janus_wish){ .feed = f->id,
                                 .substream = substream_for(b, f, wanted[i].height) };
    }
    for (size_t i = 0; i < j->stream_count; i++) { /* the bot wants to know them by the new wish */
        const struct janus_stream *s = &j->streams[i];
        if (s->feed != 0)
            bot_stream_set(b, 1, s->mid, janus_feed_name(s->feed).text, NULL, now);
    }
    janus_plan(b, now, out);
}

/* The camera that the bot will want first, before it has said so. Janus 1.1 settles with the first
 * description of a peer connection whether there is RTX in it, so a camera must be in that one. */
static void guess_wish(struct bot *b)
{
    struct janus *j = bot_driver_state(b);
    const struct group *g = bot_group(b);
    const struct janus_feed *next = NULL;
    unsigned next_rank = 0;
    if (j->attached || j->camera_count > 0 || MIN(g->watch, g->video_slots) == 0)
        return;
    for (size_t i = 0; i < j->feed_count; i++) {
        const struct janus_feed *f = &j->feeds[i];
        unsigned rank = f->bot < 0 ? 0 : (unsigned)f->bot - bot_index(b); /* wraps: after oneself */
        if (f->camera_mid[0] != 0 && (next == NULL || rank < next_rank)) {
            next = f;
            next_rank = rank;
        }
    }
    if (next != NULL)
        j->cameras[j->camera_count++] =
            (struct janus_wish){ .feed = next->id,
                                 .substream = substream_for(b, next, g->watch_height) };
}

static const struct janus_wish *wish_for(const struct janus *j, json_int_t feed)
{
    for (size_t i = 0; i < j->camera_count; i++) {
        if (j->cameras[i].feed == feed)
            return &j->cameras[i];
    }
    return NULL;
}

static const struct janus_stream *stream_of(const struct janus *j, json_int_t feed, bool camera)
{
    for (size_t i = 0; i < j->stream_count; i++) {
        if (j->streams[i].feed == feed && j->streams[i].camera == camera)
            return &j->streams[i];
    }
    return NULL;
}

/* --- from wishes to requests --- */

/* Janus does not choose who is heard: its clients take every voice that there is, however few they
 * would hear elsewhere. */
static size_t voices_to_hear(const struct group *g)
{
    return g->audio_slots == 0 ? 0 : JANUS_STREAMS_MAX - MIN(g->video_slots, SCENARIO_SLOTS_MAX);
}

static json_t *drop_unwanted(const struct janus *j, size_t voices_max, size_t *ret_voices)
{
    json_t *drop = json_array();
    size_t voices = 0;
    for (size_t i = 0; i < j->stream_count; i++) {
        const struct janus_stream *s = &j->streams[i];
        if (s->feed == 0)
            continue;
        bool keep = s->camera ? wish_for(j, s->feed) != NULL : voices < voices_max;
        voices += !s->camera && keep;
        if (!keep)
            json_array_append_new(drop, json_pack("{ss}", "sub_mid", s->mid));
    }
    *ret_voices = voices;
    return drop;
}

/* Janus does not say who is muted, applications tell each other. Bots know it from the scenario. */
static bool is_muted(const struct bot *b, const struct janus_feed *f)
{
    const struct scenario *s = bot_world(b)->scenario;
    if (f->bot < 0 || (unsigned)f->bot >= scenario_bot_count(s))
        return false;
    return s->groups[scenario_place(s, (unsigned)f->bot).group].talk == TALK_MUTED;
}

/* voices: how many flow already. */
static json_t *add_wanted(const struct bot *b, size_t voices, size_t voices_max)
{
    const struct janus *j = bot_driver_state(b);
    json_t *add = json_array();
    for (size_t i = 0; i < j->feed_count && voices < voices_max; i++) {
        const struct janus_feed *f = &j->feeds[i];
        if (f->voice_mid[0] == 0 || is_muted(b, f) || stream_of(j, f->id, false) != NULL)
            continue;
        json_array_append_new(add, json_pack("{sI ss}", "feed", f->id, "mid", f->voice_mid));
        voices++;
    }
    for (size_t i = 0; i < j->camera_count; i++) {
        const struct janus_wish *w = &j->cameras[i];
        const struct janus_feed *f = janus_find_feed(j, w->feed);
        if (f == NULL || f->camera_mid[0] == 0 || stream_of(j, f->id, true) != NULL)
            continue;
        json_t *one = json_pack("{sI ss}", "feed", f->id, "mid", f->camera_mid);
        if (w->substream != JANUS_SUBSTREAM_NONE)
            json_object_set_new(one, "substream", json_integer(w->substream));
        json_array_append_new(add, one);
    }
    return add;
}

static void request_update(struct bot *b, json_t *add, json_t *drop, usec now, struct outbound *out)
{
    const struct janus *j = bot_driver_state(b);
    json_t *body = json_object();
    if (!j->attached) {
        json_object_set_new(body, "request", json_string("join"));
        json_object_set_new(body, "ptype", json_string("subscriber"));
        json_object_set_new(body, "room", json_integer(j->room));
        json_object_set(body, "streams", add);
    } else {
        json_object_set_new(body, "request", json_string("update"));
        if (json_array_size(add) > 0)
            json_object_set(body, "subscribe", add);
        if (json_array_size(drop) > 0)
            json_object_set(body, "unsubscribe", drop);
    }
    janus_send_body(b, REQUEST_SUBSCRIBE, j->subscriber, body, NULL, NULL, now, out);
}

/* Other layers of what flows already need no negotiation. */
static void request_layers(struct bot *b, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    json_t *streams = json_array();
    for (size_t i = 0; i < j->stream_count; i++) {
        struct janus_stream *s = &j->streams[i];
        const struct janus_wish *w = s->feed != 0 && s->camera ? wish_for(j, s->feed) : NULL;
        if (w == NULL || w->substream == s->substream || w->substream == JANUS_SUBSTREAM_NONE)
            continue;
        s->substream = w->substream;
        json_array_append_new(streams,
                              json_pack("{ss si}", "mid", s->mid, "substream", w->substream));
    }
    if (json_array_size(streams) > 0)
        janus_send_body(b, REQUEST_CONFIGURE, j->subscriber,
                        json_pack("{ss sO}", "request", "configure", "streams", streams), NULL,
                        NULL, now, out);
    json_decref(streams);
}

void janus_plan(struct bot *b, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    j->plan_at = USEC_NEVER;
    if (!j->joined || j->subscriber == 0 || j->put_off || janus_waits_for(j, REQUEST_SUBSCRIBE) ||
        janus_waits_for(j, REQUEST_START))
        return; /* the answer to what is on its way plans again */
    guess_wish(b);
    request_layers(b, now, out);
    size_t voices = 0, voices_max = voices_to_hear(bot_group(b));
    json_t *drop = drop_unwanted(j, voices_max, &voices);
    json_t *add = add_wanted(b, voices, voices_max);
    if (json_array_size(add) > 0 || json_array_size(drop) > 0)
        request_update(b, add, drop, now, out);
    json_decref(add);
    json_decref(drop);
}

/* --- what Janus says --- */

static struct janus_stream *stream_at(struct janus *j, const char *mid)
{
    for (size_t i = 0; i < j->stream_count; i++) {
        if (strcmp(j->streams[i].mid, mid) == 0)
            return &j->streams[i];
    }
    if (j->stream_count == JANUS_STREAMS_MAX || strlen(mid) >= JANUS_MID_MAX)
        return NULL;
    struct janus_stream *s = &j->streams[j->stream_count++];
    memset(s, 0, sizeof(*s));
    memcpy(s->mid, mid, strlen(mid));
    return s;
}

/* { "mid": "0", "type": "video", "active": true, "feed_id": 1, "simulcast": { … } } */
static void on_stream(struct bot *b, json_t *stream, usec now)
{
    struct janus *j = bot_driver_state(b);
    const char *mid = json_string_value(json_object_get(stream, "mid"));
    const char *type = json_string_value(json_object_get(stream, "type"));
    json_t *simulcast = json_object_get(stream, "simulcast");
    struct janus_stream *s = mid == NULL || type == NULL ? NULL : stream_at(j, mid);
    if (s == NULL)
        return;
    s->camera = strcmp(type, "video") == 0;
    s->feed = json_is_false(json_object_get(stream, "active"))
                  ? 0
                  : json_integer_value(json_object_get(stream, "feed_id"));
    s->substream = simulcast == NULL
                       ? JANUS_SUBSTREAM_NONE
                       : (int)json_integer_value(json_object_get(simulcast, "substream-target"));
    if (janus_find_feed(j, s->feed) == NULL)
        s->feed = 0; /* gone meanwhile, which Janus will say here too */
    bot_stream_set(b, 1, s->mid, s->feed == 0 ? NULL : janus_feed_name(s->feed).text, NULL, now);
}

/* True: an answer is on its way. */
static bool answer(struct bot *b, json_t *jsep, usec now, struct outbound *out)
{
    const struct janus *j = bot_driver_state(b);
    const char *sdp = json_string_value(json_object_get(jsep, "sdp"));
    char *text = bot_leg_offered(b, 1, bytes_of_str(sdp == NULL ? "" : sdp), now, out);
    if (text == NULL)
        return false; /* the bot has failed */
    janus_send_body(b, REQUEST_START, j->subscriber, json_pack("{ss}", "request", "start"),
                    "answer", text, now, out);
    free(text);
    return true;
}

void janus_on_receive_event(struct bot *b, bool is_update, json_t *data, json_t *jsep, usec now,
                            struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    const char *kind = json_string_value(json_object_get(data, "videoroom"));
    if (kind == NULL)
        return;
    if (strcmp(kind, "attached") == 0)
        j->attached = true;
    if (is_update)
        j->put_off = strcmp(kind, "updating") == 0;
    else if (jsep != NULL)
        j->put_off = false;
    if (jsep != NULL && !answer(b, jsep, now, out))
        return;
    json_t *stream;
    size_t i;
    json_array_foreach(json_object_get(data, "streams"), i, stream) on_stream(b, stream, now);
    bool started = json_object_get(data, "started") != NULL;
    if (jsep != NULL && !is_update) /* somebody has gone: the publisher handle hears of it next */
        j->plan_at = MIN(j->plan_at, now + JANUS_CALM_US);
    else if (is_update || (started && j->plan_at == USEC_NEVER))
        janus_plan(b, now, out);
}

void janus_on_receive_error(struct bot *b, enum janus_request request, usec now)
{
    struct janus *j = bot_driver_state(b);
    if (request != REQUEST_SUBSCRIBE)
        return;
    j->plan_at = now + JANUS_RETRY_US;
}

void janus_forget_feed(struct bot *b, json_int_t id, usec now)
{
    struct janus *j = bot_driver_state(b);
    for (size_t i = 0; i < j->stream_count; i++) {
        if (j->streams[i].feed != id)
            continue;
        j->streams[i].feed = 0;
        bot_stream_set(b, 1, j->streams[i].mid, NULL, NULL, now);
    }
}
