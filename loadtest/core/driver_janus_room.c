/* driver_janus_room.c - a room of Janus' VideoRoom plugin: joining, publishing, and who else does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/driver_janus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, in the 53 bits that every JSON library keeps. */
json_int_t janus_room_number(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = name; *c != 0; c++)
        hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    return (json_int_t)((hash >> 11) | 1);
}

void janus_join(struct bot *b, usec now, struct outbound *out)
{
    const struct janus *j = bot_driver_state(b);
    json_t *body = json_pack("{ss ss sI ss}", "request", "join", "ptype", "publisher", "room",
                             j->room, "display", bot_name(b));
    janus_send_body(b, REQUEST_JOIN, j->publisher, body, NULL, NULL, now, out);
}

void janus_create_room(struct bot *b, usec now, struct outbound *out)
{
    const struct janus *j = bot_driver_state(b);
    json_t *body =
        json_pack("{ss sI ss sb si si si ss ss sb sb sb}", "request", "create", "room", j->room,
                  "description", bot_room(b), "permanent", 0, "publishers", SCENARIO_BOTS_MAX,
                  "bitrate", 0, "fir_freq", 0, "audiocodec", "opus", "videocodec",
                  "vp8,vp9,h264,av1", "audiolevel_ext", 1, "record", 0, "notify_joining", 0);
    janus_send_body(b, REQUEST_CREATE_ROOM, j->publisher, body, NULL, NULL, now, out);
}

/* --- others --- */

struct janus_feed *janus_find_feed(const struct janus *j, json_int_t id)
{
    for (size_t i = 0; i < j->feed_count; i++) {
        if (j->feeds[i].id == id)
            return &j->feeds[i];
    }
    return NULL;
}

struct janus_feed_name janus_feed_name(json_int_t id)
{
    struct janus_feed_name name;
    (void)snprintf(name.text, sizeof(name.text), "%" JSON_INTEGER_FORMAT, id);
    return name;
}

static bool keep_feed(struct janus *j, const struct janus_feed *f)
{
    struct janus_feed *there = janus_find_feed(j, f->id);
    if (there != NULL) {
        *there = *f;
        return true;
    }
    if (j->feed_count == j->feed_capacity) {
        size_t capacity = MAX(8, j->feed_capacity * 2);
        struct janus_feed *more = realloc(j->feeds, capacity * sizeof(*more));
        if (more == NULL)
            return false;
        j->feeds = more;
        j->feed_capacity = capacity;
    }
    j->feeds[j->feed_count++] = *f;
    return true;
}

static void forget_feed(struct bot *b, json_int_t id, usec now)
{
    struct janus *j = bot_driver_state(b);
    struct janus_feed *f = janus_find_feed(j, id);
    if (f == NULL)
        return;
    memmove(f, f + 1, (size_t)(j->feeds + j->feed_count - (f + 1)) * sizeof(*f));
    j->feed_count--;
    janus_forget_feed(b, id, now);
    bot_publisher_gone(b, janus_feed_name(id).text, now);
    j->plan_at = MIN(j->plan_at, now + JANUS_CALM_US);
}

/* { "type": "video", "mid": "1", "simulcast": true, … }; the first of a kind counts. */
static void read_stream(json_t *stream, struct janus_feed *f)
{
    const char *type = json_string_value(json_object_get(stream, "type"));
    const char *mid = json_string_value(json_object_get(stream, "mid"));
    if (type == NULL || mid == NULL || json_is_true(json_object_get(stream, "disabled")))
        return;
    if (strcmp(type, "audio") == 0 && f->voice_mid[0] == 0)
        (void)snprintf(f->voice_mid, sizeof(f->voice_mid), "%s", mid);
    if (strcmp(type, "video") == 0 && f->camera_mid[0] == 0) {
        (void)snprintf(f->camera_mid, sizeof(f->camera_mid), "%s", mid);
        f->simulcast = json_is_true(json_object_get(stream, "simulcast"));
    }
}

static void on_publisher(struct bot *b, json_t *publisher, usec now)
{
    struct janus *j = bot_driver_state(b);
    const char *display = json_string_value(json_object_get(publisher, "display"));
    struct janus_feed f = { .id = json_integer_value(json_object_get(publisher, "id")),
                            .bot = bot_index_of_name(display == NULL ? "" : display) };
    if (f.id == 0)
        return;
    json_t *stream;
    size_t i;
    json_array_foreach(json_object_get(publisher, "streams"), i, stream) read_stream(stream, &f);
    struct publisher p;
    memset(&p, 0, sizeof(p)); /* compared as a whole */
    p.bot = f.bot;
    p.has_camera = f.camera_mid[0] != 0;
    p.has_voice = f.voice_mid[0] != 0;
    memcpy(p.id, janus_feed_name(f.id).text, sizeof(struct janus_feed_name));
    p.name = display;
    if (!p.has_camera && !p.has_voice) {
        forget_feed(b, f.id, now);
    } else if (keep_feed(j, &f)) {
        bot_publisher_set(b, &p, now);
        j->plan_at = MIN(j->plan_at, now + JANUS_CALM_US);
    }
}

/* --- our own --- */

static void publish(struct bot *b, usec now, struct outbound *out)
{
    const struct janus *j = bot_driver_state(b);
    char *offer = bot_leg_offer(b, 0, LEG_PUBLISH, now, out);
    if (offer == NULL) {
        bot_fail(b, "no-memory", "no memory for an offer", now, out);
        return;
    }
    janus_send_body(b, REQUEST_PUBLISH, j->publisher, json_pack("{ss}", "request", "publish"),
                    "offer", offer, now, out);
    free(offer);
}

static void on_joined(struct bot *b, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    const struct group *g = bot_group(b);
    j->joined = true;
    bot_joined(b, "janus", now);
    if (g->talk != TALK_NEVER || g->video != VIDEO_OFF || g->echo)
        publish(b, now, out);
    janus_plan(b, now, out); /* not in calm: who is there when we come is part of joining */
}

static bool is(json_t *text, const char *value)
{
    const char *is = json_string_value(text);
    return is != NULL && strcmp(is, value) == 0;
}

void janus_on_room_event(struct bot *b, json_t *data, json_t *jsep, usec now, struct outbound *out)
{
    json_t *kind = json_object_get(data, "videoroom");
    json_t *leaving = json_object_get(data, "leaving");
    json_t *publisher;
    size_t i;
    json_array_foreach(json_object_get(data, "publishers"), i, publisher)
        on_publisher(b, publisher, now);
    if (json_is_integer(json_object_get(data, "unpublished")))
        forget_feed(b, json_integer_value(json_object_get(data, "unpublished")), now);
    if (json_is_integer(leaving))
        forget_feed(b, json_integer_value(leaving), now);
    if (is(kind, "joined"))
        on_joined(b, now, out);
    else if (is(kind, "destroyed"))
        bot_fail(b, "janus-room-destroyed", "the room was destroyed", now, out);
    else if (is(leaving, "ok"))
        bot_fail(b, "janus-kicked", "thrown out of the room", now, out);
    else if (jsep != NULL) {
        const char *sdp = json_string_value(json_object_get(jsep, "sdp"));
        (void)bot_leg_answered(b, 0, bytes_of_str(sdp == NULL ? "" : sdp), now, out);
    }
}
