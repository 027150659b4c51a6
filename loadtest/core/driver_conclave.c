/* driver_conclave.c - conclave.v1 (docs/protocol.md). SPDX-License-Identifier: Apache-2.0 */
#include "core/driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_TIMEOUT_US = 15000000, /* a request that gets no answer */
    REQUESTS_MAX = 8,
};

struct pending {
    int id; /* 0: free */
    char op[12];
    usec at;
};

struct conclave {
    int next_id;
    struct pending pending[REQUESTS_MAX];
    char participant[64];
    char *resume;
    json_int_t seq;
    bool published;
    bool closing; /* the server has said that it will close: resume at once */
};

static void *conclave_new(struct bot *b)
{
    (void)b;
    return calloc(1, sizeof(struct conclave));
}

static void conclave_free(void *state)
{
    struct conclave *c = state;
    free(c->resume);
    free(c);
}

static void send_request(struct bot *b, const char *op, json_t *message, usec now,
                         struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    int id = ++c->next_id;
    json_object_set_new(message, "op", json_string(op));
    json_object_set_new(message, "id", json_integer(id));
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (c->pending[i].id != 0)
            continue;
        c->pending[i] = (struct pending){ .id = id, .at = now };
        snprintf(c->pending[i].op, sizeof c->pending[i].op, "%s", op);
        break;
    }
    bot_send_json(b, message, out);
}

static void token_request(struct bot *b, char **ret_path, char **ret_body)
{
    json_t *body = json_pack("{ss}", "name", bot_name(b));
    *ret_path = strdup("/v1/guests");
    *ret_body = json_dumps(body, JSON_COMPACT);
    json_decref(body);
}

static void on_token(struct bot *b, struct bytes body, usec now, struct outbound *out)
{
    json_t *json = json_loadb((const char *)body.data, body.len, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "access_token"));
    if (token != NULL)
        bot_set_token(b, token, now);
    else
        bot_fail(b, "bad-token-answer", "the answer to /v1/guests has no access_token", now, out);
    json_decref(json);
}

static void join(struct bot *b, usec now, struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    c->published = false;
    free(c->resume);
    c->resume = NULL;
    char *offer = bot_leg_offer(b, 0, LEG_BOTH, now, out);
    if (offer == NULL) {
        bot_fail(b, "no-memory", "no memory for an offer", now, out);
        return;
    }
    json_t *m = json_pack("{ss ss ss ss s{ss ss ss ss}}", "token", bot_token(b), "room",
                          bot_room(b), "name", bot_name(b), "sdp", offer, "sources", "0",
                          "microphone", "1", "camera", "2", "screen", "3", "screen-audio");
    free(offer);
    send_request(b, "join", m, now, out);
}

static void on_open(struct bot *b, usec now, struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    memset(c->pending, 0, sizeof c->pending);
    c->closing = false;
    if (bot_wants_resume(b) && c->resume != NULL)
        send_request(b, "resume", json_pack("{ss sI}", "resume", c->resume, "seq", c->seq), now,
                     out);
    else
        join(b, now, out);
}

/* --- events --- */

static void on_participant(struct bot *b, json_t *participant, usec now)
{
    struct conclave *c = bot_driver_state(b);
    const char *id = json_string_value(json_object_get(participant, "id"));
    const char *name = json_string_value(json_object_get(participant, "name"));
    if (id == NULL || strcmp(id, c->participant) == 0)
        return;
    struct publisher p;
    memset(&p, 0, sizeof p); /* compared as a whole */
    p.bot = bot_index_of_name(name == NULL ? "" : name);
    snprintf(p.id, sizeof p.id, "%s", id);
    p.name = name;
    json_t *track;
    size_t i;
    json_array_foreach(json_object_get(participant, "tracks"), i, track)
    {
        const char *source = json_string_value(json_object_get(track, "source"));
        p.has_camera = p.has_camera || (source != NULL && strcmp(source, "camera") == 0);
        p.has_voice = p.has_voice || (source != NULL && strcmp(source, "microphone") == 0);
    }
    if (p.has_camera || p.has_voice)
        bot_publisher_set(b, &p, now);
    else
        bot_publisher_gone(b, id, now);
}

static void on_participants(struct bot *b, json_t *participants, usec now)
{
    json_t *participant;
    size_t i;
    json_array_foreach(participants, i, participant) on_participant(b, participant, now);
}

static void on_slots(struct bot *b, json_t *slots, usec now)
{
    json_t *slot;
    size_t i;
    json_array_foreach(slots, i, slot)
    {
        const char *mid = json_string_value(json_object_get(slot, "mid"));
        if (mid != NULL)
            bot_stream_set(b, 0, mid, json_string_value(json_object_get(slot, "participant")),
                           json_string_value(json_object_get(slot, "source")), now);
    }
}

static void keep_resume(struct conclave *c, json_t *m)
{
    const char *resume = json_string_value(json_object_get(m, "resume"));
    if (resume != NULL) {
        free(c->resume);
        c->resume = strdup(resume);
    }
    c->seq = json_integer_value(json_object_get(m, "seq"));
}

static const char *text_of(json_t *m, const char *key)
{
    const char *text = json_string_value(json_object_get(m, key));
    return text == NULL ? "" : text;
}

static void on_joined(struct bot *b, json_t *m, usec now, struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    snprintf(c->participant, sizeof c->participant, "%s", text_of(m, "participant"));
    keep_resume(c, m);
    bot_joined(b, text_of(m, "signald"), now);
    const char *sdp = text_of(m, "sdp");
    if (!bot_leg_answered(b, 0, bytes_of_str(sdp), now, out))
        return;
    on_participants(b, json_object_get(m, "participants"), now);
    on_slots(b, json_object_get(m, "slots"), now);
}

static void on_resumed(struct bot *b, json_t *m, usec now)
{
    struct conclave *c = bot_driver_state(b);
    keep_resume(c, m);
    bot_resumed(b, text_of(m, "signald"), now);
    bot_set_demand(b, 0, "camera", 2, now); /* until the server says otherwise again */
    on_participants(b, json_object_get(m, "participants"), now);
    on_slots(b, json_object_get(m, "slots"), now);
}

static void take_pending(struct conclave *c, json_int_t id, char op[12])
{
    op[0] = '\0';
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (c->pending[i].id != 0 && c->pending[i].id == id) {
            memcpy(op, c->pending[i].op, sizeof c->pending[i].op);
            c->pending[i].id = 0;
        }
    }
}

static void on_error(struct bot *b, json_t *m, const char *op, usec now, struct outbound *out)
{
    const char *error = text_of(m, "error"), *message = text_of(m, "message");
    if (strcmp(op, "join") == 0)
        bot_fail(b, error, message, now, out);
    else if (strcmp(op, "resume") == 0)
        bot_must_rejoin(b, error, now, out);
    else
        bot_note_error(b, error);
}

static void on_media(struct bot *b, json_t *m, usec now, struct outbound *out)
{
    if (strcmp(text_of(m, "state"), "failed") == 0)
        bot_must_rejoin(b, "media-failed", now, out);
}

static void on_layers(struct bot *b, json_t *m, usec now)
{
    json_t *max = json_object_get(m, "max");
    if (json_is_integer(max) && json_integer_value(max) >= -1 && json_integer_value(max) <= 2)
        bot_set_demand(b, 0, text_of(m, "source"), (int)json_integer_value(max), now);
    else
        bot_note_error(b, "bad-message-of-server");
}

static void on_speakers(struct bot *b, json_t *m, usec now)
{
    const json_t *speakers = json_object_get(m, "speakers");
    for (size_t i = json_array_size(speakers); i-- > 0;)
        bot_note_speaker(b, text_of(json_array_get(speakers, i), "participant"), now);
}

static void on_quality(struct bot *b, json_t *m)
{
    json_t *score;
    size_t i;
    json_array_foreach(json_object_get(m, "scores"), i, score)
        bot_note_quality(b, (int)json_integer_value(json_object_get(score, "score")));
}

static void on_reply(struct bot *b, const char *op, json_t *m, usec now, struct outbound *out)
{
    char request[12];
    take_pending(bot_driver_state(b), json_integer_value(json_object_get(m, "id")), request);
    bool joins = strcmp(request, "join") == 0, resumes = strcmp(request, "resume") == 0;
    if (strcmp(op, "error") == 0)
        on_error(b, m, request, now, out);
    else if (joins && strcmp(op, "joined") == 0)
        on_joined(b, m, now, out);
    else if (resumes && strcmp(op, "resumed") == 0)
        on_resumed(b, m, now);
    else if (joins)
        bot_fail(b, "bad-answer", "the answer to join is neither joined nor error", now, out);
    else if (resumes)
        bot_must_rejoin(b, "bad-answer", now, out);
}

static void on_event(struct bot *b, const char *op, json_t *m, usec now, struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    json_t *seq = json_object_get(m, "seq");
    if (json_is_integer(seq))
        c->seq = json_integer_value(seq);
    if (strcmp(op, "participant-joined") == 0 || strcmp(op, "participant-updated") == 0)
        on_participant(b, json_object_get(m, "participant"), now);
    else if (strcmp(op, "participant-left") == 0)
        bot_publisher_gone(b, text_of(m, "participant"), now);
    else if (strcmp(op, "room-state") == 0) {
        bot_publishers_clear(b);
        on_participants(b, json_object_get(m, "participants"), now);
    } else if (strcmp(op, "slots") == 0)
        on_slots(b, json_object_get(m, "slots"), now);
    else if (strcmp(op, "media") == 0)
        on_media(b, m, now, out);
    else if (strcmp(op, "layers") == 0)
        on_layers(b, m, now);
    else if (strcmp(op, "speakers") == 0)
        on_speakers(b, m, now);
    else if (strcmp(op, "quality") == 0)
        on_quality(b, m);
    else if (strcmp(op, "error") == 0)
        bot_note_error(b, text_of(m, "error"));
}

static void on_text(struct bot *b, struct bytes text, usec now, struct outbound *out)
{
    json_t *m = json_loadb((const char *)text.data, text.len, 0, NULL);
    const char *op = json_string_value(json_object_get(m, "op"));
    if (op == NULL)
        bot_note_error(b, "bad-message-of-server");
    else if (json_is_integer(json_object_get(m, "id")))
        on_reply(b, op, m, now, out);
    else
        on_event(b, op, m, now, out);
    json_decref(m);
}

/* --- wishes --- */

static void publish(struct bot *b, const char *source, bool muted, uint16_t height, usec now,
                    struct outbound *out)
{
    json_t *m = json_pack("{ss sb}", "source", source, "muted", (int)muted);
    if (height > 0) {
        json_object_set_new(m, "width", json_integer(height * 16 / 9));
        json_object_set_new(m, "height", json_integer(height));
    }
    send_request(b, "publish", m, now, out);
}

static void on_leg_connected(struct bot *b, unsigned leg, usec now, struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    const struct group *g = bot_group(b);
    (void)leg;
    if (c->published)
        return;
    c->published = true;
    if (g->talk != TALK_NEVER || g->echo)
        publish(b, "microphone", g->talk == TALK_MUTED && !g->echo, 0, now, out);
    if (g->echo)
        publish(b, "camera", false, g->watch_height, now, out);
    else if (g->video != VIDEO_OFF)
        publish(b, "camera", false, g->layers[g->layer_count - 1], now, out);
}

static void view(struct bot *b, const struct wanted *wanted, size_t count, usec now,
                 struct outbound *out)
{
    json_t *video = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(video,
                              json_pack("{ss ss si si}", "participant", wanted[i].publisher->id,
                                        "source", "camera", "width", (int)wanted[i].width, "height",
                                        (int)wanted[i].height));
    send_request(b, "view", json_pack("{so}", "video", video), now, out);
}

static void leave(struct bot *b, usec now, struct outbound *out)
{
    send_request(b, "leave", json_object(), now, out);
}

static void tick(struct bot *b, usec now, struct outbound *out)
{
    struct conclave *c = bot_driver_state(b);
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        struct pending *p = &c->pending[i];
        if (p->id == 0 || now - p->at < ANSWER_TIMEOUT_US)
            continue;
        p->id = 0;
        if (strcmp(p->op, "join") == 0)
            bot_fail(b, "no-answer", "no answer to join within 15 s", now, out);
        else if (strcmp(p->op, "resume") == 0)
            bot_must_rejoin(b, "no-answer", now, out);
        else
            bot_note_error(b, "no-answer");
    }
}

static usec next_deadline(const struct bot *b)
{
    const struct conclave *c = bot_driver_state(b);
    usec at = USEC_NEVER;
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        if (c->pending[i].id != 0)
            at = MIN(at, c->pending[i].at + ANSWER_TIMEOUT_US);
    }
    return at;
}

const struct driver driver_conclave = {
    .name = "conclave",
    .subprotocol = "conclave.v1",
    .path = "/ws",
    .stamp = STAMP_IN_EXTENSION,
    .simulcast_codecs = 1u << CODEC_VP8 | 1u << CODEC_VP9 | 1u << CODEC_H264 | 1u << CODEC_AV1,
    .needs_token = true,
    .can_resume = true,
    .new = conclave_new,
    .free = conclave_free,
    .token_request = token_request,
    .on_token = on_token,
    .on_open = on_open,
    .on_text = on_text,
    .on_leg_connected = on_leg_connected,
    .view = view,
    .leave = leave,
    .tick = tick,
    .next_deadline = next_deadline,
};
