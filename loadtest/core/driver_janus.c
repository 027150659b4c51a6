/* driver_janus.c - the Janus API: a session, its handles, requests and their answers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/driver_janus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *janus_new(struct bot *b)
{
    (void)b;
    return calloc(1, sizeof(struct janus));
}

static void janus_free(void *state)
{
    struct janus *j = state;
    free(j->feeds);
    free(j);
}

struct janus_error janus_error_of(json_int_t code)
{
    static const struct {
        int code;
        const char *id;
    } known[] = {
        /* of the core */
        { 403, "janus-unauthorized" },
        { 405, "janus-unauthorized" },
        { 458, "janus-no-session" },
        { 459, "janus-no-handle" },
        { 460, "janus-no-videoroom" },
        { 461, "janus-no-videoroom" },
        { 464, "janus-bad-sdp" },
        { 465, "janus-bad-sdp" },
        { 468, "janus-session-conflict" },
        { 469, "janus-unexpected-answer" },
        { 470, "janus-unauthorized" },
        { 471, "janus-busy" },
        { 472, "janus-full" },
        /* of the VideoRoom */
        { 424, "janus-not-joined" },
        { 426, "janus-no-room" },
        { 427, "janus-room-exists" },
        { 428, "janus-no-feed" },
        { 432, "janus-room-full" },
        { 433, "janus-unauthorized" },
        { 436, "janus-id-exists" },
        { 437, "janus-bad-sdp" },
    };
    struct janus_error e;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i].code == code) {
            (void)snprintf(e.id, sizeof(e.id), "%s", known[i].id);
            return e;
        }
    }
    (void)snprintf(e.id, sizeof(e.id), "janus-error-%" JSON_INTEGER_FORMAT, code);
    return e;
}

/* --- requests --- */

static const char *request_name(enum janus_request r)
{
    static const char *const names[] = {
        [REQUEST_SESSION] = "create",           [REQUEST_ATTACH_PUBLISHER] = "attach",
        [REQUEST_ATTACH_SUBSCRIBER] = "attach", [REQUEST_JOIN] = "join",
        [REQUEST_CREATE_ROOM] = "create room",  [REQUEST_PUBLISH] = "publish",
        [REQUEST_SUBSCRIBE] = "subscribe",      [REQUEST_START] = "start",
        [REQUEST_CONFIGURE] = "configure",      [REQUEST_KEEPALIVE] = "keepalive",
        [REQUEST_TRICKLE] = "trickle",
    };
    check((unsigned)r < ARRAY_LEN(names));
    return names[r];
}

void janus_send(struct bot *b, enum janus_request request, json_int_t handle, json_t *message,
                usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    json_int_t transaction = ++j->next_transaction;
    char text[24];
    (void)snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, transaction);
    json_object_set_new(message, "transaction", json_string(text));
    if (j->session != 0)
        json_object_set_new(message, "session_id", json_integer(j->session));
    if (handle != 0)
        json_object_set_new(message, "handle_id", json_integer(handle));
    for (size_t i = 0; i < JANUS_REQUESTS_MAX; i++) {
        if (j->pending[i].transaction != 0)
            continue;
        j->pending[i] = (struct janus_pending){ .transaction = transaction,
                                                .request = request,
                                                .deadline = now + JANUS_ANSWER_TIMEOUT_US };
        break;
    }
    bot_send_json(b, message, out);
}

void janus_send_body(struct bot *b, enum janus_request request, json_int_t handle, json_t *body,
                     const char *type, const char *sdp, usec now, struct outbound *out)
{
    json_t *m = json_pack("{ss so}", "janus", "message", "body", body);
    if (type != NULL)
        json_object_set_new(m, "jsep", json_pack("{ss ss}", "type", type, "sdp", sdp));
    if (type != NULL && strcmp(type, "offer") == 0) /* our simulcast layers go from low to high */
        json_object_set_new(json_object_get(m, "jsep"), "rid_order", json_string("lmh"));
    janus_send(b, request, handle, m, now, out);
    if (type == NULL)
        return;
    json_t *done = json_pack("{ss s{sb}}", "janus", "trickle", "candidate", "completed", 1);
    janus_send(b, REQUEST_TRICKLE, handle, done, now, out);
}

bool janus_waits_for(const struct janus *j, enum janus_request request)
{
    for (size_t i = 0; i < JANUS_REQUESTS_MAX; i++) {
        if (j->pending[i].transaction != 0 && j->pending[i].request == request)
            return true;
    }
    return false;
}

static void attach(struct bot *b, enum janus_request request, usec now, struct outbound *out)
{
    json_t *m = json_pack("{ss ss}", "janus", "attach", "plugin", "janus.plugin.videoroom");
    janus_send(b, request, 0, m, now, out);
}

static void on_open(struct bot *b, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    struct janus fresh = { .next_transaction = j->next_transaction,
                           .room = janus_room_number(bot_room(b)),
                           .feeds = j->feeds,
                           .feed_capacity = j->feed_capacity,
                           .keepalive_at = USEC_NEVER,
                           .plan_at = USEC_NEVER };
    *j = fresh;
    janus_send(b, REQUEST_SESSION, 0, json_pack("{ss}", "janus", "create"), now, out);
}

/* --- answers --- */

/* The request that a transaction belongs to. It stays pending until its last answer. */
static struct janus_pending *find_pending(struct janus *j, json_t *m)
{
    const char *text = json_string_value(json_object_get(m, "transaction"));
    json_int_t transaction = text == NULL ? 0 : strtoll(text, NULL, 10);
    for (size_t i = 0; transaction != 0 && i < JANUS_REQUESTS_MAX; i++) {
        if (j->pending[i].transaction == transaction)
            return &j->pending[i];
    }
    return NULL;
}

static void on_session(struct bot *b, json_int_t id, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    const struct group *g = bot_group(b);
    j->session = id;
    j->keepalive_at = now + JANUS_KEEPALIVE_US;
    attach(b, REQUEST_ATTACH_PUBLISHER, now, out);
    if (g->audio_slots + g->video_slots > 0)
        attach(b, REQUEST_ATTACH_SUBSCRIBER, now, out);
}

/* What Janus answers at once; the VideoRoom's answer to "create" among it. */
static void on_success(struct bot *b, enum janus_request request, json_t *m, usec now,
                       struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    json_int_t id = json_integer_value(json_object_get(json_object_get(m, "data"), "id"));
    switch (request) {
    case REQUEST_SESSION:
        on_session(b, id, now, out);
        break;
    case REQUEST_ATTACH_PUBLISHER:
        j->publisher = id;
        janus_join(b, now, out);
        break;
    case REQUEST_ATTACH_SUBSCRIBER:
        j->subscriber = id;
        janus_plan(b, now, out);
        break;
    case REQUEST_CREATE_ROOM:
        janus_join(b, now, out);
        break;
    default:
        break;
    }
}

static void on_error(struct bot *b, enum janus_request request, json_int_t code, json_t *reason,
                     usec now, struct outbound *out)
{
    const char *why = json_string_value(reason);
    struct janus_error error = janus_error_of(code);
    char message[BOT_ERROR_MAX];
    (void)snprintf(message, sizeof(message), "Janus refused to %s: %s (%" JSON_INTEGER_FORMAT ")",
                   request_name(request), why == NULL ? "no reason given" : why, code);
    bool no_room = strcmp(error.id, "janus-no-room") == 0;
    bool lost =
        strcmp(error.id, "janus-no-session") == 0 || strcmp(error.id, "janus-no-handle") == 0;
    bool optional = request == REQUEST_SUBSCRIBE || request == REQUEST_CONFIGURE ||
                    request == REQUEST_KEEPALIVE || request == REQUEST_TRICKLE;
    if (request == REQUEST_JOIN && no_room) {
        janus_create_room(b, now, out);
    } else if (request == REQUEST_CREATE_ROOM && strcmp(error.id, "janus-room-exists") == 0) {
        janus_join(b, now, out); /* another bot was faster */
    } else if (lost) {
        bot_must_rejoin(b, error.id, now, out);
    } else if (optional) {
        bot_note_error(b, error.id);
        janus_on_receive_error(b, request, now);
    } else {
        bot_fail(b, error.id, message, now, out);
    }
}

/* From a plugin: an event, or its answer to a request. request: NULL, or the one answered. */
static void on_plugin(struct bot *b, const enum janus_request *request, json_t *m, usec now,
                      struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    json_t *data = json_object_get(json_object_get(m, "plugindata"), "data");
    json_t *jsep = json_object_get(m, "jsep");
    json_int_t sender = json_integer_value(json_object_get(m, "sender"));
    json_int_t code = json_integer_value(json_object_get(data, "error_code"));
    if (code != 0 && request != NULL)
        on_error(b, *request, code, json_object_get(data, "error"), now, out);
    else if (code != 0)
        bot_note_error(b, janus_error_of(code).id);
    else if (request != NULL && *request == REQUEST_CREATE_ROOM)
        on_success(b, *request, m, now, out);
    else if (sender == j->publisher)
        janus_on_room_event(b, data, jsep, now, out);
    else if (sender == j->subscriber)
        janus_on_receive_event(b, request != NULL && *request == REQUEST_SUBSCRIBE, data, jsep, now,
                               out);
}

static void on_message(struct bot *b, const char *kind, json_t *m, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    struct janus_pending *p = find_pending(j, m);
    enum janus_request request = p == NULL ? REQUEST_KEEPALIVE : p->request;
    bool is_ack = strcmp(kind, "ack") == 0;
    bool only_ack = request == REQUEST_KEEPALIVE || request == REQUEST_TRICKLE;
    if (p != NULL && (!is_ack || only_ack))
        p->transaction = 0;
    json_t *error = json_object_get(m, "error");
    if (json_object_get(m, "plugindata") != NULL)
        on_plugin(b, p == NULL ? NULL : &request, m, now, out);
    else if (strcmp(kind, "success") == 0 && p != NULL)
        on_success(b, request, m, now, out);
    else if (strcmp(kind, "error") == 0)
        on_error(b, request, json_integer_value(json_object_get(error, "code")),
                 json_object_get(error, "reason"), now, out);
    else if (strcmp(kind, "hangup") == 0)
        bot_must_rejoin(b, "janus-hangup", now, out);
    else if (strcmp(kind, "detached") == 0)
        bot_must_rejoin(b, "janus-detached", now, out);
    else if (strcmp(kind, "timeout") == 0)
        bot_must_rejoin(b, "janus-timeout", now, out);
    /* webrtcup, media, slowlink: what we see for ourselves */
}

static void on_text(struct bot *b, struct bytes text, usec now, struct outbound *out)
{
    json_t *m = json_loadb((const char *)text.data, text.len, 0, NULL);
    const char *kind = json_string_value(json_object_get(m, "janus"));
    if (kind == NULL)
        bot_note_error(b, "bad-message-of-server");
    else
        on_message(b, kind, m, now, out);
    json_decref(m);
}

/* --- time --- */

static void tick(struct bot *b, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    for (size_t i = 0; i < JANUS_REQUESTS_MAX; i++) {
        struct janus_pending *p = &j->pending[i];
        if (p->transaction == 0 || now < p->deadline)
            continue;
        char message[BOT_ERROR_MAX];
        (void)snprintf(message, sizeof(message), "Janus has not answered to %s within %d s",
                       request_name(p->request), (int)(JANUS_ANSWER_TIMEOUT_US / USEC_PER_SEC));
        memset(j->pending, 0, sizeof(j->pending));
        bot_fail(b, "no-answer", message, now, out);
        return;
    }
    if (now >= j->keepalive_at) {
        j->keepalive_at = now + JANUS_KEEPALIVE_US;
        janus_send(b, REQUEST_KEEPALIVE, 0, json_pack("{ss}", "janus", "keepalive"), now, out);
    }
    if (now >= j->plan_at)
        janus_plan(b, now, out);
}

static usec next_deadline(const struct bot *b)
{
    const struct janus *j = bot_driver_state(b);
    usec at = MIN(j->keepalive_at, j->plan_at);
    for (size_t i = 0; i < JANUS_REQUESTS_MAX; i++) {
        if (j->pending[i].transaction != 0)
            at = MIN(at, j->pending[i].deadline);
    }
    return at;
}

/* The joining is done by then: a leg needs nothing more. */
static void on_leg_connected(struct bot *b, unsigned leg, usec now, struct outbound *out)
{
    (void)b;
    (void)leg;
    (void)now;
    (void)out;
}

static void leave(struct bot *b, usec now, struct outbound *out)
{
    struct janus *j = bot_driver_state(b);
    if (j->session != 0)
        janus_send(b, REQUEST_KEEPALIVE, 0, json_pack("{ss}", "janus", "destroy"), now, out);
    j->keepalive_at = j->plan_at = USEC_NEVER;
}

const struct driver driver_janus = {
    .name = "janus",
    .subprotocol = "janus-protocol",
    .path = "/",
    .stamp = STAMP_IN_PAYLOAD, /* Janus drops header extensions that it does not know */
    .simulcast_codecs = 1u << CODEC_VP8 | 1u << CODEC_H264, /* janus_rtp_simulcasting */
    .needs_token = false,
    .can_resume = false,
    .new = janus_new,
    .free = janus_free,
    .on_open = on_open,
    .on_text = on_text,
    .on_leg_connected = on_leg_connected,
    .view = janus_view,
    .leave = leave,
    .tick = tick,
    .next_deadline = next_deadline,
};
