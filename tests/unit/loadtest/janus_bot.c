/* SPDX-License-Identifier: Apache-2.0 */
#include "janus_bot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is too much is dropped. */
static void PRINTF_LIKE(2, 3) note(struct bot *b, const char *format, ...)
{
    if (b->note_count == NOTES_MAX)
        return;
    va_list args;
    va_start(args, format);
    size_t at = (b->note_first + b->note_count++) % NOTES_MAX;
    check(vasprintf(&b->notes[at], format, args) >= 0);
    va_end(args);
}

char *janus_bot_take(struct bot *b)
{
    if (b->note_count == 0)
        return NULL;
    char *text = b->notes[b->note_first];
    b->note_first = (b->note_first + 1) % NOTES_MAX;
    b->note_count--;
    return text;
}

struct bot *janus_bot_new(unsigned index)
{
    struct bot *b = calloc(1, sizeof(*b));
    b->scenario = calloc(1, sizeof(*b->scenario));
    struct scenario *s = b->scenario;
    s->rooms = s->group_count = 2;
    s->groups[0] = (struct group){ .bots = 4,
                                   .talk = TALK_ALWAYS,
                                   .video = VIDEO_ONE,
                                   .codec = CODEC_VP8,
                                   .layers = { 180, 360, 720 },
                                   .layer_count = 3,
                                   .audio_slots = 5,
                                   .video_slots = 2,
                                   .watch = 1,
                                   .watch_height = 180 };
    s->groups[1] = (struct group){
        .bots = 1, .audio_slots = 2, .video_slots = 2, .watch = 2, .watch_height = 720
    };
    b->index = index;
    b->place = scenario_place(s, index);
    (void)snprintf(b->name, sizeof(b->name), "%s-%u (bot %u)",
                   b->place.group == 0 ? "people" : "viewers", b->place.member + 1, index);
    b->world = (struct bot_world){ .scenario = s, .driver = &driver_janus };
    b->state = driver_janus.new(b);
    return b;
}

void janus_bot_free(struct bot *b)
{
    char *text;
    while ((text = janus_bot_take(b)) != NULL)
        free(text);
    driver_janus.free(b->state);
    free(b->scenario);
    free(b);
}

/* --- what the driver asks for --- */

void *bot_driver_state(const struct bot *b)
{
    return b->state;
}

const struct bot_world *bot_world(const struct bot *b)
{
    return &b->world;
}

const struct group *bot_group(const struct bot *b)
{
    return &b->scenario->groups[b->place.group];
}

unsigned bot_index(const struct bot *b)
{
    return b->index;
}

const char *bot_name(const struct bot *b)
{
    return b->name;
}

const char *bot_room(const struct bot *b)
{
    return "vectors-1";
}

int bot_index_of_name(const char *name)
{
    const char *at = strstr(name, "(bot ");
    return at == NULL ? -1 : (int)strtol(at + 5, NULL, 10);
}

/* --- what the driver tells --- */

void bot_send_json(struct bot *b, json_t *message, struct outbound *out)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    note(b, "> %s", text);
    free(text);
}

void bot_fail(struct bot *b, const char *error, const char *message, usec now, struct outbound *out)
{
    note(b, "= fail %s: %s", error, message);
}

void bot_note_error(struct bot *b, const char *error)
{
    note(b, "= error %s", error);
}

void bot_joined(struct bot *b, const char *server, usec now)
{
    note(b, "= joined %s", server);
}

void bot_must_rejoin(struct bot *b, const char *why, usec now, struct outbound *out)
{
    note(b, "= rejoin %s", why);
}

char *bot_leg_offer(struct bot *b, unsigned leg, enum leg_shape shape, usec now,
                    struct outbound *out)
{
    check(shape == LEG_PUBLISH);
    note(b, "= offers on leg %u", leg);
    return strdup("(ours)");
}

static bool is_sdp(struct bytes text)
{
    return text.len > 4 && memcmp(text.data, "v=0\r", 4) == 0;
}

bool bot_leg_answered(struct bot *b, unsigned leg, struct bytes sdp, usec now, struct outbound *out)
{
    if (b->refuses_descriptions || !is_sdp(sdp))
        return false;
    note(b, "= answered on leg %u", leg);
    return true;
}

char *bot_leg_offered(struct bot *b, unsigned leg, struct bytes sdp, usec now, struct outbound *out)
{
    if (b->refuses_descriptions || !is_sdp(sdp))
        return NULL;
    note(b, "= offered on leg %u", leg);
    return strdup("(ours)");
}

void bot_publisher_set(struct bot *b, const struct publisher *p, usec now)
{
    size_t i = 0;
    while (i < b->publisher_count && strcmp(b->publishers[i].id, p->id) != 0)
        i++;
    if (i == ARRAY_LEN(b->publishers))
        return;
    b->publishers[i] = *p;
    b->publisher_count = MAX(b->publisher_count, i + 1);
    note(b, "= publisher %s bot %d%s%s", p->id, p->bot, p->has_voice ? " voice" : "",
         p->has_camera ? " camera" : "");
}

void bot_publisher_gone(struct bot *b, const char *id, usec now)
{
    note(b, "= gone %s", id);
}

void bot_stream_set(struct bot *b, unsigned leg, const char *mid, const char *publisher_id,
                    const char *source, usec now)
{
    (void)source;
    note(b, "= leg %u mid %s from %s", leg, mid, publisher_id == NULL ? "nobody" : publisher_id);
}
