/* door_http.c - the HTTP side of WHIP and WHEP: routes, what a POST must be, answers. See door.h.
 *
 * A session's URL ends in a token that any signald can check against the room (resume_token.h), so
 * DELETE and PATCH may come to another process than the POST. Whoever has the URL may end the
 * session, as RFC 9725 §4.2 has it; a Bearer token is neither needed nor looked at.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/turn.h"
#include "door.h"
#include "door_offer.h"
#include "presence.h"
#include "resume_token.h"

#include <stdio.h>
#include <stdlib.h>

#define ETAG_DIGITS    16
#define LINKS_CAPACITY 2800 /* io has 4 KiB for all headers */

struct endpoint {
    enum door_kind kind;
    void (*handle)(struct exchange *e, const struct http_request *r, enum door_kind kind);
};

/* ---- exchanges ---- */

void exchange_hold(struct exchange *e)
{
    e->holds++;
}

static void exchange_settle(struct exchange *e)
{
    if (e->holds > 0 || (e->io != NULL && !e->is_answered))
        return;
    if (e->io != NULL)
        return; /* io has still to report it closed */
    list_remove(&e->link);
    free(e);
}

void exchange_release(struct exchange *e)
{
    check(e->holds > 0);
    e->holds--;
    exchange_settle(e);
}

void hub_on_http_closed(struct hub *h, struct exchange *e)
{
    e->io = NULL;
    exchange_settle(e);
}

void exchange_respond(struct exchange *e, struct http_response *r)
{
    check(!e->is_answered);
    e->is_answered = true;
    if (e->io == NULL) {
        http_response_clear(r);
        return;
    }
    if (e->hub->options.allowed_origin_count > 0)
        http_response_header(r, "Vary", "Origin");
    if (e->origin[0] != 0)
        origin_permit(r, e->origin, DOOR_HEADERS_EXPOSED);
    http_response_header(r, "Cache-Control", "no-store");
    struct action *a = action_push(&e->hub->actions, ACTION_RESPOND);
    a->socket = e->io;
    a->response = malloc(sizeof(*r));
    check(a->response != NULL);
    *a->response = *r;
    *r = (struct http_response){ 0 };
}

static int status_of(enum wire_error error)
{
    switch (error) {
    case WIRE_BAD_TOKEN:
    case WIRE_TOKEN_EXPIRED:
        return 401;
    case WIRE_FORBIDDEN:
        return 403;
    case WIRE_NOT_FOUND:
        return 404;
    case WIRE_ROOM_FULL:
        return 409;
    case WIRE_RATE_LIMITED:
        return 429;
    case WIRE_INTERNAL:
        return 500;
    case WIRE_NO_NODE:
    case WIRE_UNAVAILABLE:
        return 503;
    case WIRE_NODE_TIMEOUT:
        return 504;
    default:
        return 400;
    }
}

void exchange_refuse(struct exchange *e, enum wire_error error, const char *text, usec retry_after)
{
    struct http_response r = { 0 };
    int status = status_of(error);
    e->hub->stats.errors[error] += e->holds == 0; /* a session has counted its own */
    http_response_problem(&r, status, wire_error_name(error), "%s",
                          text == NULL ? wire_error_sentence(error) : text);
    if (status == 401)
        http_response_header(&r, "WWW-Authenticate", "Bearer");
    if (retry_after == 0 && status == 503)
        retry_after = RETRY_AFTER;
    if (retry_after > 0) {
        char seconds[24];
        snprintf(seconds, sizeof(seconds), "%lld",
                 (long long)((retry_after + USEC_PER_SEC - 1) / USEC_PER_SEC));
        http_response_header(&r, "Retry-After", seconds);
    }
    exchange_respond(e, &r);
}

/* What is wrong with the request and not with the room. */
static void refuse_http(struct exchange *e, int status, const char *error, const char *text)
{
    struct http_response r = { 0 };
    http_response_problem(&r, status, error, "%s", text);
    exchange_respond(e, &r);
}

static void write_etag(struct http_response *r, const char *hash)
{
    char etag[ETAG_DIGITS + 3];
    snprintf(etag, sizeof(etag), "\"%.*s\"", ETAG_DIGITS, hash);
    http_response_header(r, "ETag", etag);
}

/* RFC 9725 §4.6. What does not fit any more is left out. */
static void link_ice_servers(struct http_response *r, const struct session *s)
{
    const struct hub_options *o = &s->hub->options;
    struct turn_credential c;
    char all[LINKS_CAPACITY] = "";
    size_t used = 0;
    turn_credential_write(o->turn_secret, s->identity, s->hub->wall + o->turn_ttl, &c);
    for (size_t i = 0; i < o->ice_url_count; i++) {
        char credential[256] = "";
        if (turn_url_needs_credential(o->ice_urls[i])) {
            if (o->turn_secret.len == 0)
                continue;
            snprintf(credential, sizeof(credential),
                     "; username=\"%s\"; credential=\"%s\"; credential-type=\"password\"",
                     c.username, c.password);
        }
        int len = snprintf(all + used, sizeof(all) - used, "%s<%s>; rel=\"ice-server\"%s",
                           used == 0 ? "" : ", ", o->ice_urls[i], credential);
        if (len < 0 || (size_t)len >= sizeof(all) - used) {
            all[used] = 0;
            break;
        }
        used += (size_t)len;
    }
    if (used > 0)
        http_response_header(r, "Link", all);
}

void exchange_created(struct exchange *e, const struct session *s, const char *token,
                      const char *sdp)
{
    struct http_response r = { 0 };
    char location[RESUME_TOKEN_CAPACITY + ROOM_WIRE_CHARS_MAX + 16];
    int len = snprintf(location, sizeof(location), "/%s/%s/%s",
                       s->door->kind == DOOR_WHIP ? "whip" : "whep", s->room, token);
    check(len > 0 && (size_t)len < sizeof(location));
    http_response_bytes(&r, 201, "application/sdp", bytes_of_str(sdp));
    http_response_header(&r, "Location", location);
    write_etag(&r, s->resume_hash);
    link_ice_servers(&r, s);
    exchange_respond(e, &r);
}

/* ---- POST ---- */

static bool is_content(const struct http_request *r, const char *type)
{
    const char *value = http_request_header(r, "content-type");
    size_t len = strlen(type);
    return value != NULL && strncasecmp(value, type, len) == 0 &&
           (value[len] == 0 || value[len] == ';' || value[len] == ' ');
}

/* ?participant=<id or name>&source=<camera or screen>. NULL, or what is wrong. */
static const char *read_pin(const struct http_request *r, struct door_order *ret)
{
    const char *source = http_request_query(r, "source");
    ret->pin = http_request_query(r, "participant");
    ret->pin_source = source_parse(source);
    if (ret->pin != NULL && display_name_check(bytes_of_str(ret->pin)) != OK)
        return "The participant in the query is neither an id nor a name.";
    if (source != NULL && ret->pin_source != SOURCE_CAMERA && ret->pin_source != SOURCE_SCREEN)
        return "The source in the query must be camera or screen.";
    if (source != NULL && ret->pin == NULL)
        return "A source in the query needs a participant.";
    return NULL;
}

/* A terminated copy, for the caller to free. (strndup() may look for an end that is not there.) */
static char *text_of(struct bytes b)
{
    char *text = malloc(b.len + 1);
    check(text != NULL);
    if (b.len > 0)
        memcpy(text, b.data, b.len);
    text[b.len] = '\0';
    return text;
}

/* Everything that can be said without the token. True: order is good; its texts are borrowed, and
 * sources and token owned by the caller either way. */
static bool read_order(struct exchange *e, const struct http_request *r, struct door_order *o,
                       char room[ROOM_WIRE_CHARS_MAX + 1], char **ret_token)
{
    struct hub *h = e->hub;
    char why[DOOR_OFFER_WHY_MAX];
    struct bytes token = http_request_bearer(r);
    const char *pin_why;
    if (!is_content(r, "application/sdp"))
        refuse_http(e, 415, "bad-content-type", "The offer comes as application/sdp.");
    else if (token.len == 0)
        exchange_refuse(e, WIRE_BAD_TOKEN, "Authorization: Bearer <token> is missing.", 0);
    else if (!room_wire_name_read(http_request_param(r, "room"), room))
        exchange_refuse(e, WIRE_BAD_ROOM_NAME, NULL, 0);
    else if ((pin_why = o->kind == DOOR_WHEP ? read_pin(r, o) : NULL) != NULL)
        exchange_refuse(e, WIRE_BAD_MESSAGE, pin_why, 0);
    else if (h->is_draining || !h->has_redis)
        exchange_refuse(e, WIRE_UNAVAILABLE, NULL, 0);
    else if (door_offer_read(r->body, o->kind == DOOR_WHEP, &o->sources, &o->source_mask, why) !=
             OK)
        exchange_refuse(e, WIRE_BAD_SDP, why, 0);
    else
        *ret_token = text_of(token);
    return e->is_answered ? false : *ret_token != NULL;
}

static void on_post(struct exchange *e, const struct http_request *r, enum door_kind kind)
{
    struct door_order o = { .kind = kind,
                            .address = r->client_address,
                            .pin_source = SOURCE_COUNT };
    char room[ROOM_WIRE_CHARS_MAX + 1];
    char *token = NULL;
    e->hub->stats.door_requests[kind]++;
    if (!read_order(e, r, &o, room, &token)) {
        json_decref(o.sources);
        return;
    }
    char *sdp = text_of(r->body);
    o.room = room;
    o.token = token;
    o.sdp = sdp;
    if (door_open(e, &o) != OK)
        exchange_refuse(e, WIRE_RATE_LIMITED, "Too many connections from this address.",
                        RETRY_AFTER);
    bytes_wipe(token, strlen(token));
    free(token);
    free(sdp);
    json_decref(o.sources);
}

/* ---- DELETE, PATCH ---- */

/* The session here that the token names, or NULL. */
static struct session *find_session(struct hub *h, const struct resume_token *t)
{
    struct presence *p = presence_find(h, t->room_id);
    if (p == NULL)
        return NULL;
    list_for_each(l, &p->sessions)
    {
        struct session *s = list_entry(l, struct session, in_presence);
        if (s->door != NULL && s->state == SESSION_JOINED && !s->is_closing &&
            strcmp(s->participant, t->participant) == 0 && strcmp(s->resume_hash, t->hash) == 0)
            return s;
    }
    return NULL;
}

static bool read_session(struct exchange *e, const struct http_request *r, struct resume_token *ret)
{
    char room[ROOM_WIRE_CHARS_MAX + 1];
    if (room_wire_name_read(http_request_param(r, "room"), room) &&
        resume_token_read(TOKEN_FOR_DOOR, http_request_param(r, "session"), ret) == OK &&
        strcmp(room, ret->room) == 0)
        return true;
    exchange_refuse(e, WIRE_NOT_FOUND, "There is no such session.", 0);
    return false;
}

/* Another signald may have it: a script is to say, and strangers must not ask too often. */
static struct call *ask_room(struct exchange *e, const struct http_request *r,
                             void (*done)(struct call *c, const struct answer *a),
                             const struct resume_token *t)
{
    struct hub *h = e->hub;
    usec wait = limits_on_join(&h->limits, r->client_address, h->now);
    if (wait > 0) {
        exchange_refuse(e, WIRE_RATE_LIMITED, NULL, wait);
        return NULL;
    }
    if (!h->has_redis) {
        exchange_refuse(e, WIRE_UNAVAILABLE, NULL, 0);
        return NULL;
    }
    struct call *c = hub_call(h, NULL, done);
    c->exchange = e;
    exchange_hold(e);
    c->context = json_pack("{s:s,s:s,s:s}", "room", t->room_id, "participant", t->participant,
                           "hash", t->hash);
    return c;
}

static void respond_gone(struct exchange *e)
{
    struct http_response r = { 0 };
    http_response_empty(&r, 200);
    exchange_respond(e, &r);
}

static void delete_done(struct call *c, const struct answer *a)
{
    if (a->err != OK || !json_is_true(json_object_get(a->json, "ok"))) {
        exchange_refuse(c->exchange, WIRE_UNAVAILABLE, NULL, 0);
    } else if (!json_is_true(json_object_get(a->json, "removed"))) {
        exchange_refuse(c->exchange, WIRE_NOT_FOUND, "There is no such session.", 0);
    } else {
        hub_participant_gone(c->hub, json_string_value(json_object_get(c->context, "room")),
                             a->json, "left");
        respond_gone(c->exchange);
    }
}

static void on_delete(struct exchange *e, const struct http_request *r, enum door_kind kind)
{
    struct resume_token t;
    if (!read_session(e, r, &t))
        return;
    struct session *s = find_session(e->hub, &t);
    if (s != NULL) {
        door_leave(s, "left");
        respond_gone(e);
        return;
    }
    struct call *c = ask_room(e, r, delete_done, &t);
    if (c != NULL)
        hub_script(e->hub, c, SCRIPT_LEAVE, t.room_id,
                   json_pack("[sssssss]", t.participant, "left", "", "", "", "", t.hash));
}

/* We are ICE-lite and take no candidates from anybody: there is nothing to do with them. */
static void respond_patched(struct exchange *e)
{
    struct http_response r = { 0 };
    http_response_empty(&r, 204);
    exchange_respond(e, &r);
}

static void patch_done(struct call *c, const struct answer *a)
{
    const char *participant = json_string_value(json_object_get(c->context, "participant"));
    const char *hash = json_string_value(json_object_get(c->context, "hash"));
    if (a->err != OK) {
        exchange_refuse(c->exchange, WIRE_UNAVAILABLE, NULL, 0);
        return;
    }
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(a->json, "participants"), i, p)
    {
        const char *id = json_string_value(json_object_get(p, "id"));
        const char *known = json_string_value(json_object_get(p, "resume"));
        if (id != NULL && known != NULL && strcmp(id, participant) == 0 &&
            strcmp(known, hash) == 0) {
            respond_patched(c->exchange);
            return;
        }
    }
    exchange_refuse(c->exchange, WIRE_NOT_FOUND, "There is no such session.", 0);
}

/* RFC 9725 §4.3: If-Match has the ETag for candidates, "*" for a restart. False: refused. */
static bool is_trickle(struct exchange *e, const struct http_request *r, const char *hash)
{
    char etag[ETAG_DIGITS + 3];
    const char *match = http_request_header(r, "if-match");
    snprintf(etag, sizeof(etag), "\"%.*s\"", ETAG_DIGITS, hash);
    if (!is_content(r, "application/trickle-ice-sdpfrag"))
        refuse_http(e, 415, "bad-content-type",
                    "A fragment comes as application/trickle-ice-sdpfrag.");
    else if (match == NULL)
        refuse_http(e, 428, "if-match-required", "If-Match must have the session's ETag.");
    else if (strcmp(match, "*") == 0)
        refuse_http(e, 422, "restart-not-supported",
                    "ICE cannot be restarted: post a new offer instead.");
    else if (strcmp(match, etag) != 0)
        refuse_http(e, 412, "etag-mismatch", "If-Match is not the session's ETag.");
    return !e->is_answered;
}

static void on_patch(struct exchange *e, const struct http_request *r, enum door_kind kind)
{
    struct resume_token t;
    if (!read_session(e, r, &t) || !is_trickle(e, r, t.hash))
        return;
    if (find_session(e->hub, &t) != NULL) {
        respond_patched(e);
        return;
    }
    struct call *c = ask_room(e, r, patch_done, &t);
    if (c != NULL)
        hub_script(e->hub, c, SCRIPT_SNAPSHOT, t.room_id, json_array());
}

static void on_options(struct exchange *e, const struct http_request *r, enum door_kind kind)
{
    struct http_response response = { 0 };
    origin_preflight(&response, "POST, PATCH, DELETE, OPTIONS",
                     "Authorization, Content-Type, If-Match");
    http_response_header(&response, "Accept-Post", "application/sdp");
    http_response_header(&response, "Accept-Patch", "application/trickle-ice-sdpfrag");
    exchange_respond(e, &response);
}

/* ---- routes ---- */

#define ENDPOINTS(kind)                                                                            \
    {                                                                                              \
        { (kind), on_post }, { (kind), on_delete }, { (kind), on_patch },                          \
        {                                                                                          \
            (kind), on_options                                                                     \
        }                                                                                          \
    }
static const struct endpoint endpoints[2][4] = {
    [DOOR_WHIP] = ENDPOINTS(DOOR_WHIP), [DOOR_WHEP] = ENDPOINTS(DOOR_WHEP)
};

#define ROUTES(path, kind)                                                                         \
    { .method = HTTP_METHOD_POST, .pattern = path "/{room}", .tag = &endpoints[kind][0] },         \
        { .method = HTTP_METHOD_OPTIONS, .pattern = path "/{room}", .tag = &endpoints[kind][3] },  \
        { .method = HTTP_METHOD_DELETE,                                                            \
          .pattern = path "/{room}/{session}",                                                     \
          .tag = &endpoints[kind][1] },                                                            \
        { .method = HTTP_METHOD_PATCH,                                                             \
          .pattern = path "/{room}/{session}",                                                     \
          .tag = &endpoints[kind][2] },                                                            \
    {                                                                                              \
        .method = HTTP_METHOD_OPTIONS, .pattern = path "/{room}/{session}",                        \
        .tag = &endpoints[kind][3]                                                                 \
    }
static const struct http_route routes[] = { ROUTES("/whip", DOOR_WHIP),
                                            ROUTES("/whep", DOOR_WHEP) };

/* Nothing here rests on cookies, but a page could have each of its visitors spend our limits, and
 * use what only they can reach. False: refused. */
static bool admit(struct exchange *e, const struct http_request *r)
{
    const struct hub_options *o = &e->hub->options;
    const char *text = http_request_header(r, "origin");
    enum origin origin = origin_judge(text, http_request_header(r, "host"), o->allowed_origins,
                                      o->allowed_origin_count);
    if (origin == ORIGIN_ALLOWED)
        snprintf(e->origin, sizeof(e->origin), "%s", text);
    if (origin == ORIGIN_FOREIGN)
        refuse_http(e, 403, "cross-origin", "This origin is not among the allowed ones.");
    return origin != ORIGIN_FOREIGN;
}

struct exchange *hub_on_http(struct hub *h, void *io, struct http_request *r)
{
    struct exchange *e = calloc(1, sizeof(*e));
    check(e != NULL && io != NULL);
    e->hub = h;
    e->io = io;
    list_push_back(&h->exchanges, &e->link);
    if (!admit(e, r))
        return e;
    const struct http_route *route;
    char allow[HTTP_ALLOW_CAPACITY];
    enum err found = http_route_find(routes, ARRAY_LEN(routes), r, &route, allow);
    if (found != OK) {
        struct http_response response = { 0 };
        http_route_refuse(&response, found, allow);
        exchange_respond(e, &response);
        return e;
    }
    const struct endpoint *at = route->tag;
    at->handle(e, r, at->kind);
    return e;
}
