/* presence_media.c - what the media node tells of a room, passed on to whom it concerns.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "presence.h"

#include <stdlib.h>

static void send_speakers(struct presence *p)
{
    char *text = json_dumps(p->speakers, JSON_COMPACT | JSON_SORT_KEYS);
    check(text != NULL);
    if (p->speakers_sent == NULL || strcmp(text, p->speakers_sent) != 0)
        presence_broadcast(p, p->speakers);
    free(p->speakers_sent);
    p->speakers_sent = text;
    json_decref(p->speakers);
    p->speakers = NULL;
    p->speakers_at = p->hub->now;
}

static void on_speakers(struct presence *p, const json_t *list, const json_t *dominant)
{
    json_t *speakers = json_array();
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)(uintptr_t)list, i, v)
    {
        const char *id = json_string_value(json_object_get(v, "participant"));
        json_int_t level = json_integer_value(json_object_get(v, "level"));
        if (room_find(&p->room, id) != NULL && level >= 0 && level <= 127)
            json_array_append_new(speakers,
                                  json_pack("{s:s,s:I}", "participant", id, "level", level));
    }
    json_decref(p->speakers);
    room_on_dominant(&p->room, json_string_value(dominant));
    p->speakers = json_pack("{s:s,s:o,s:s?}", "op", "speakers", "speakers", speakers, "dominant",
                            room_dominant(&p->room));
    if (p->speakers_at == 0 || p->hub->now - p->speakers_at >= SPEAKERS_PERIOD)
        send_speakers(p);
    if (room_on_speakers(&p->room, list, p->hub->now))
        presence_slots_due(p);
}

static void on_transport(struct presence *p, const json_t *event)
{
    const char *id = json_string_value(json_object_get(event, "participant"));
    const char *node = json_string_value(json_object_get(event, "node"));
    const char *state = json_string_value(json_object_get(event, "state"));
    if (id == NULL || state == NULL ||
        (strcmp(state, "connected") != 0 && strcmp(state, "disconnected") != 0 &&
         strcmp(state, "failed") != 0))
        return;
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (strcmp(s->participant, id) != 0 || (node != NULL && strcmp(node, s->node) != 0) ||
            (s->state != SESSION_JOINED && s->state != SESSION_DETACHED))
            continue;
        if (strcmp(state, "failed") == 0)
            session_media_failed(s, "transport");
        else if (presence_hears(s))
            session_send(s, json_pack("{s:s,s:s}", "op", "media", "state", state));
    }
}

/* How far the layers of one's own track are watched. */
static void on_layers(struct presence *p, const json_t *event)
{
    const char *id = json_string_value(json_object_get(event, "participant"));
    const char *node = json_string_value(json_object_get(event, "node"));
    const char *source = json_string_value(json_object_get(event, "source"));
    const json_t *max = json_object_get(event, "max");
    if (id == NULL || node == NULL || source_parse(source) == SOURCE_COUNT || !json_is_integer(max))
        return;
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (strcmp(s->participant, id) == 0 && strcmp(node, s->node) == 0 && presence_hears(s))
            session_send(s, json_pack("{s:s,s:s,s:I}", "op", "layers", "source", source, "max",
                                      json_integer_value(max)));
    }
}

/* Nodes repeat what they have told, for signalds that came since; clients get what is new. */
static void on_quality(struct presence *p, const json_t *event)
{
    json_t *scores = json_array();
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(event, "scores"), i, v)
    {
        if (room_on_score(&p->room, v))
            json_array_append_new(scores, json_pack("{s:O,s:O}", "participant",
                                                    json_object_get(v, "participant"), "score",
                                                    json_object_get(v, "score")));
    }
    json_t *m = json_pack("{s:s,s:o}", "op", "quality", "scores", scores);
    if (json_array_size(scores) > 0)
        presence_broadcast(p, m);
    json_decref(m);
}

void presence_on_media(struct presence *p, const json_t *event)
{
    const char *op = json_string_value(json_object_get(event, "op"));
    json_t *speakers = json_object_get(event, "speakers");
    if (op == NULL)
        return;
    if (strcmp(op, "speakers") == 0 && json_is_array(speakers))
        on_speakers(p, speakers, json_object_get(event, "dominant"));
    else if (strcmp(op, "transport") == 0)
        on_transport(p, event);
    else if (strcmp(op, "layers") == 0)
        on_layers(p, event);
    else if (strcmp(op, "quality") == 0)
        on_quality(p, event);
}

void presence_media_on_tick(struct presence *p)
{
    if (p->speakers != NULL && p->hub->now - p->speakers_at >= SPEAKERS_PERIOD)
        send_speakers(p);
}
