/* test_door.c - participants by WHIP and WHEP, in a cluster in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include <stdio.h>

#define SESSION "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\n"
#define AUDIO   "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=rtpmap:111 opus/48000/2\r\n"
#define VIDEO   "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\n"
#define PUBLISH SESSION VIDEO AUDIO "a=sendonly\r\n"
#define WATCH   SESSION AUDIO "a=recvonly\r\n" VIDEO "a=recvonly\r\n"

static const char *const with_token[] = { "Content-Type", "application/sdp", "Authorization",
                                          "Bearer t", NULL };

static struct world w;

static int set_up(void **state)
{
    world_init(&w);
    return 0;
}

/* Whatever a test left behind goes when the hub does. */
static int tear_down(void **state)
{
    world_done(&w);
    return 0;
}

static const char *text(const json_t *j, const char *key)
{
    const char *t = json_string_value(json_object_get(j, key));
    return t == NULL ? "" : t;
}

static int status(size_t x)
{
    return w.exchanges[x].response.status;
}

static const char *error(size_t x)
{
    return text(w.exchanges[x].problem, "error");
}

static const char *header(size_t x, const char *name)
{
    const char *value = http_response_get_header(&w.exchanges[x].response, name);
    return value == NULL ? "" : value;
}

static size_t post(const char *path, const char *sdp)
{
    size_t x = world_http(&w, HTTP_METHOD_POST, path, with_token, sdp);
    if (status(x) != 0)
        world_http_close(&w, x);
    return x;
}

static size_t request(enum http_method method, const char *path, const char *const *headers)
{
    size_t x = world_http(&w, method, path, headers, "");
    if (status(x) != 0)
        world_http_close(&w, x);
    return x;
}

/* The only participant of the room, as the room keeps it. */
static json_t *only(void)
{
    assert_int_equal(json_object_size(w.participants), 1);
    return json_object_iter_value(json_object_iter(w.participants));
}

static bool nothing_is_left(void)
{
    return list_is_empty(&w.hub->sessions) && list_is_empty(&w.hub->exchanges) &&
           w.hub->socket_count == 0 && w.hub->door_count == 0 && w.subscribed == 0 &&
           json_object_size(w.participants) == 0;
}

static void an_offer_makes_a_participant_and_its_tracks(void **state)
{
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    size_t x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 201);
    assert_memory_equal(w.exchanges[x].response.body, "answer", 6);
    assert_string_equal(header(x, "Content-Type"), "application/sdp");
    assert_memory_equal(header(x, "Location"), "/whip/r/", 8);
    assert_int_equal(strlen(header(x, "ETag")), 18);
    world_pass(&w, MILLIS(200));
    json_t *p = json_object_get(world_last(&w, a, "participant-updated"), "participant");
    assert_string_equal(text(p, "name"), "Token Name");
    assert_string_equal(text(p, "kind"), "guest");
    json_t *tracks = json_object_get(p, "tracks");
    assert_int_equal(json_array_size(tracks), 2);
    assert_string_equal(text(json_array_get(tracks, 0), "source"), "microphone");
    assert_string_equal(text(json_array_get(tracks, 1), "source"), "camera");
    assert_true(json_is_false(json_object_get(json_array_get(tracks, 1), "muted")));
    json_t *asked = NULL, *q;
    size_t i;
    json_array_foreach(w.asked, i, q) if (strcmp(text(q, "op"), "participant.create") == 0) asked =
        q;
    assert_string_equal(text(json_object_get(asked, "sources"), "v"), "camera");
    assert_string_equal(text(json_object_get(asked, "sources"), "a"), "microphone");
    assert_non_null(world_audited(&w, "participant.joined"));
}

static void delete_ends_the_session_once(void **state)
{
    size_t x = post("/whip/r", PUBLISH);
    const char *url = header(x, "Location");
    world_pass(&w, MILLIS(200));
    assert_int_equal(status(request(HTTP_METHOD_DELETE, url, NULL)), 200);
    assert_int_equal(world_asked(&w, "participant.remove"), 1);
    assert_string_equal(
        text(json_object_get(world_audited(&w, "participant.left"), "meta"), "reason"), "left");
    size_t again = request(HTTP_METHOD_DELETE, url, NULL);
    assert_int_equal(status(again), 404);
    assert_string_equal(error(again), "not-found");
    world_pass(&w, MILLIS(200));
    assert_true(nothing_is_left());
}

/* What another signald gets of it: the room has the participant, no session here does. */
static void delete_ends_a_session_that_lives_elsewhere(void **state)
{
    char url[512], wrong[512];
    size_t x = post("/whip/r", PUBLISH);
    snprintf(url, sizeof(url), "%s", header(x, "Location"));
    json_object_set_new(only(), "signald", json_string("signald-2"));
    json_t *event =
        json_pack("{s:I,s:s,s:{s:s,s:s,s:s,s:s,s:b,s:b,s:[]},s:{s:s,s:s,s:s,s:s,s:i}}", "seq",
                  (json_int_t)++w.seq, "op", "participant-updated", "participant", "id",
                  text(only(), "id"), "name", "n", "kind", "guest", "role", "member", "hand", 0,
                  "connected", 1, "tracks", "private", "signald", "signald-2", "signald_epoch", "e",
                  "node", "sfud-1", "epoch", "e1", "joined_at", 1);
    hub_on_room_event(w.hub, "default/r", event);
    json_decref(event);
    world_pump(&w);
    world_pass(&w, MILLIS(100));
    assert_int_equal(w.hub->door_count, 0);
    snprintf(wrong, sizeof(wrong), "%s", url);
    size_t last = strlen(wrong) - 2;
    wrong[last] = wrong[last] == 'A' ? 'B' : 'A';
    assert_int_equal(status(request(HTTP_METHOD_DELETE, wrong, NULL)), 404);
    assert_int_equal(json_object_size(w.participants), 1);
    const char *const fragment[] = { "Content-Type", "application/trickle-ice-sdpfrag", "If-Match",
                                     header(x, "ETag"), NULL };
    assert_int_equal(status(request(HTTP_METHOD_PATCH, url, fragment)), 204);
    assert_int_equal(status(request(HTTP_METHOD_DELETE, url, NULL)), 200);
    assert_int_equal(world_asked(&w, "participant.remove"), 1);
    assert_int_equal(status(request(HTTP_METHOD_DELETE, url, NULL)), 404);
    assert_int_equal(status(request(HTTP_METHOD_PATCH, url, fragment)), 404);
    assert_true(nothing_is_left());
}

static void requests_that_cannot_be_are_refused_with_their_reason(void **state)
{
    static const char *const no_token[] = { "Content-Type", "application/sdp", NULL };
    static const char *const no_type[] = { "Authorization", "Bearer t", NULL };
    static const struct {
        const char *path;
        const char *const *headers;
        const char *sdp;
        int status;
        const char *error, *detail;
    } refused[] = {
        { "/whip/r", no_token, PUBLISH, 401, "bad-token", "Authorization: Bearer" },
        { "/whip/r", no_type, PUBLISH, 415, "bad-content-type", "application/sdp" },
        { "/whip/-r", with_token, PUBLISH, 400, "bad-room-name", "letter" },
        { "/whip/r", with_token, "v=0\r\nhello\r\n", 400, "bad-sdp", "line 2: " },
        { "/whip/r", with_token, "", 400, "bad-sdp", "empty" },
        { "/whip/r", with_token, WATCH, 400, "bad-sdp", "neither audio nor video" },
        { "/whip/r", with_token, SESSION "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", 400, "bad-sdp",
          "line 6: the m-line has no a=mid" },
        { "/whip/r", with_token,
          SESSION AUDIO "a=sendonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:a\r\na=sendonly\r\n",
          400, "bad-sdp", "a=mid is used twice" },
        { "/whep/r", with_token, PUBLISH, 400, "bad-sdp", "a=recvonly" },
        { "/whep/r?source=camera", with_token, WATCH, 400, "bad-message", "participant" },
        { "/whep/r?participant=x&source=microphone", with_token, WATCH, 400, "bad-message",
          "camera or screen" },
        { "/whip", with_token, PUBLISH, 404, "not-found", "" },
        { "/whip/r/x/y", with_token, PUBLISH, 404, "not-found", "" },
        { "/whip/r/x", with_token, PUBLISH, 405, "method-not-allowed", "DELETE" },
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        size_t x =
            world_http(&w, HTTP_METHOD_POST, refused[i].path, refused[i].headers, refused[i].sdp);
        world_http_close(&w, x);
        assert_int_equal(status(x), refused[i].status);
        assert_string_equal(error(x), refused[i].error);
        assert_non_null(strstr(text(w.exchanges[x].problem, "detail"), refused[i].detail));
        assert_string_equal(header(x, "Cache-Control"), "no-store");
    }
    assert_true(nothing_is_left());
    assert_int_equal(w.seq, 0);
}

static void a_token_that_does_not_allow_it_is_refused(void **state)
{
    w.claims.grant.publish = TOKEN_PUBLISH_MICROPHONE;
    size_t x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 403);
    assert_string_equal(error(x), "forbidden");
    assert_non_null(strstr(text(w.exchanges[x].problem, "detail"), "camera"));
    w.claims.grant.subscribe = false;
    assert_int_equal(status(post("/whep/r", WATCH)), 403);
    assert_int_equal(status(post("/whip/r", SESSION AUDIO)), 201);
    w.verdict = ERR_AUTH;
    x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 401);
    assert_string_equal(error(x), "bad-token");
    assert_string_equal(header(x, "WWW-Authenticate"), "Bearer");
    assert_non_null(world_audited(&w, "token.refused"));
    w.verdict = ERR_EXPIRED;
    assert_string_equal(error(post("/whip/r", PUBLISH)), "token-expired");
    world_pass(&w, MILLIS(100));
    assert_int_equal(w.hub->door_count, 1);
    assert_int_equal(w.hub->socket_count, 1);
}

static void what_the_cluster_cannot_do_has_its_status(void **state)
{
    w.node_refuses = true;
    size_t x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 400);
    assert_string_equal(error(x), "bad-sdp");
    assert_string_equal(text(w.exchanges[x].problem, "detail"), "line 1");
    w.node_refuses = false;
    w.node_is_silent = true;
    x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 504);
    assert_string_equal(error(x), "node-timeout");
    w.node_is_silent = false;
    w.redis_fails = true;
    x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 503);
    assert_string_equal(error(x), "unavailable");
    assert_string_equal(header(x, "Retry-After"), "1");
    w.redis_fails = false;
    hub_on_redis(w.hub, false);
    assert_int_equal(status(post("/whip/r", PUBLISH)), 503);
    hub_on_redis(w.hub, true);
    world_pass(&w, SECONDS(2));
    assert_true(nothing_is_left());
}

static void one_address_gets_so_many_doors_and_no_more(void **state)
{
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(status(post("/whip/r", PUBLISH)), 201);
    size_t x = post("/whip/r", PUBLISH);
    assert_int_equal(status(x), 429);
    assert_string_equal(error(x), "rate-limited");
    assert_string_equal(header(x, "Retry-After"), "1");
}

static void media_that_fails_ends_the_participant(void **state)
{
    post("/whip/r", PUBLISH);
    world_pass(&w, MILLIS(200));
    json_t *event = json_pack("{s:s,s:s,s:s,s:s}", "op", "transport", "node", "sfud-1",
                              "participant", text(only(), "id"), "state", "disconnected");
    hub_on_media_event(w.hub, "default/r", event);
    world_pass(&w, MILLIS(100));
    assert_int_equal(w.hub->door_count, 1);
    json_object_set_new(event, "state", json_string("failed"));
    hub_on_media_event(w.hub, "default/r", event);
    json_decref(event);
    world_pass(&w, MILLIS(100));
    assert_true(nothing_is_left());
    assert_string_equal(
        text(json_object_get(world_audited(&w, "participant.left"), "meta"), "reason"), "lost");
}

static void the_node_says(const char *state)
{
    json_t *p;
    const char *id, *door = "";
    json_object_foreach(w.participants, id, p) if (json_object_get(p, "door") != NULL) door = id;
    json_t *event = json_pack("{s:s,s:s,s:s,s:s}", "op", "transport", "node", "sfud-1",
                              "participant", door, "state", state);
    hub_on_media_event(w.hub, "default/r", event);
    json_decref(event);
    world_pass(&w, MILLIS(100));
}

/* What the socket has last been told of whoever came by HTTP. */
static bool looks_connected(size_t socket)
{
    json_t *p = json_object_get(world_last(&w, socket, "participant-updated"), "participant");
    assert_string_equal(text(p, "name"), "Token Name");
    return json_is_true(json_object_get(p, "connected"));
}

static size_t count_of(size_t socket, const char *op)
{
    size_t i, count = 0;
    json_t *m;
    json_array_foreach(w.sockets[socket].received, i, m) count += strcmp(text(m, "op"), op) == 0;
    return count;
}

static void others_see_that_a_publisher_has_vanished_and_is_back(void **state)
{
    size_t a = world_open(&w);
    const char *ada = world_join(&w, a, "Ada");
    post("/whip/r", PUBLISH);
    world_pass(&w, MILLIS(200));
    assert_true(looks_connected(a));
    the_node_says("disconnected");
    assert_false(looks_connected(a));
    json_t *p = json_object_get(world_last(&w, a, "participant-updated"), "participant");
    assert_int_equal(json_array_size(json_object_get(p, "tracks")), 2); /* the tile stays */
    const char *id = text(p, "id");
    assert_true(json_is_integer(
        json_object_get(json_object_get(w.participants, id), "detached_at"))); /* for the reaper */
    size_t told = count_of(a, "participant-updated");
    the_node_says("disconnected");
    world_pass(&w, SECONDS(10));
    assert_int_equal(count_of(a, "participant-updated"), told);
    the_node_says("connected");
    assert_true(looks_connected(a));
    assert_null(json_object_get(json_object_get(w.participants, id), "detached_at"));
    the_node_says("connected");
    assert_int_equal(count_of(a, "participant-updated"), told + 1);
    assert_true(json_is_true(
        json_object_get(json_object_get(w.participants, ada), "connected"))); /* has a socket */
}

static void a_viewer_who_is_quiet_for_a_moment_does_not_flicker(void **state)
{
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    post("/whep/r", WATCH);
    world_pass(&w, MILLIS(200));
    the_node_says("disconnected");
    world_pass(&w, DOOR_VIEWER_PATIENCE - SECONDS(1));
    the_node_says("connected");
    the_node_says("disconnected");
    world_pass(&w, DOOR_VIEWER_PATIENCE - SECONDS(1));
    assert_int_equal(count_of(a, "participant-updated"), 0);
    world_pass(&w, SECONDS(1));
    assert_false(looks_connected(a));
}

static void that_they_vanished_is_said_when_redis_can(void **state)
{
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    post("/whip/r", PUBLISH);
    world_pass(&w, MILLIS(200));
    w.redis_fails = true;
    the_node_says("disconnected");
    world_pass(&w, SECONDS(3));
    assert_true(looks_connected(a));
    w.redis_fails = false;
    world_pass(&w, SECONDS(2));
    assert_false(looks_connected(a));
    /* Redis loses its data: they are put back as they are */
    hub_on_redis(w.hub, false);
    json_object_clear(w.participants);
    w.seq = 0;
    hub_on_redis(w.hub, true);
    hub_on_subscribed(w.hub, "default/r");
    world_pass(&w, SECONDS(2));
    assert_int_equal(json_object_size(w.participants), 2);
    const char *id;
    json_t *p;
    json_object_foreach(w.participants, id, p)
    {
        bool is_door = json_object_get(p, "door") != NULL;
        assert_int_equal(json_is_true(json_object_get(p, "connected")), !is_door);
        assert_int_equal(json_object_get(p, "detached_at") != NULL, is_door);
    }
    the_node_says("connected");
    assert_true(looks_connected(a));
}

/* The node's words are hints: "connected" may have been said while nobody heard it. */
static void who_is_neither_back_nor_failed_in_time_is_asked_for(void **state)
{
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    post("/whip/r", PUBLISH);
    world_pass(&w, MILLIS(200));
    the_node_says("disconnected");
    size_t asked = world_asked(&w, "slots.set");
    world_pass(&w, DOOR_SILENCE_MAX - SECONDS(1));
    assert_false(looks_connected(a));
    assert_int_equal(world_asked(&w, "slots.set"), asked);
    world_pass(&w, SECONDS(1));
    assert_true(looks_connected(a));
    assert_int_equal(world_asked(&w, "slots.set"), asked + 1);
}

static void a_moderator_may_remove_it(void **state)
{
    char text_of[128];
    size_t a = world_open(&w);
    const char *ada = world_join(&w, a, "Ada");
    post("/whip/r", PUBLISH);
    world_pass(&w, MILLIS(200));
    const char *id;
    json_t *p;
    json_object_foreach(w.participants, id, p) if (strcmp(id, ada) != 0) snprintf(
        text_of, sizeof(text_of), "{\"op\":\"remove\",\"id\":2,\"participant\":\"%s\"}", id);
    world_say(&w, a, text_of);
    world_pass(&w, MILLIS(100));
    assert_int_equal(json_object_size(w.participants), 1);
    assert_int_equal(w.hub->door_count, 0);
    assert_int_equal(w.hub->socket_count, 1);
}

static void a_draining_signald_ends_its_doors(void **state)
{
    post("/whip/r", PUBLISH);
    hub_on_drain(w.hub);
    assert_int_equal(status(post("/whip/r", PUBLISH)), 503);
    world_pass(&w, DRAIN_SPREAD + SECONDS(1));
    assert_true(nothing_is_left());
    assert_true(hub_is_drained(w.hub));
}

static void a_client_that_does_not_wait_leaves_nothing(void **state)
{
    w.holds_nodes = true;
    size_t x = world_http(&w, HTTP_METHOD_POST, "/whip/r", with_token, PUBLISH);
    assert_int_equal(status(x), 0);
    world_http_close(&w, x);
    w.holds_nodes = false;
    world_release_held(&w);
    world_pass(&w, MILLIS(200));
    assert_int_equal(status(x), 0);
    assert_true(nothing_is_left());
}

static void a_watcher_sees_what_it_asked_for(void **state)
{
    size_t a = world_open(&w), b = world_open(&w);
    const char *ada = world_join(&w, a, "Ada");
    const char *bob = world_join(&w, b, "Bob");
    for (size_t i = 0; i < 2; i++)
        world_say(&w, i, "{\"op\":\"publish\",\"id\":2,\"source\":\"camera\"}");
    static const struct {
        const char *query;
        int who; /* 0 Ada, 1 Bob, -1 nobody */
    } pins[] = { { "", 0 },
                 { "?participant=Bob", 1 },
                 { "?participant=Bob&source=camera", 1 },
                 { "?participant=Bob&source=screen", -1 },
                 { "?participant=Cid", -1 } };
    for (size_t i = 0; i < ARRAY_LEN(pins); i++) {
        char path[128], wanted[64];
        snprintf(path, sizeof(path), "/whep/r%s", pins[i].query);
        size_t x = post(path, WATCH);
        assert_int_equal(status(x), 201);
        world_pass(&w, MILLIS(100));
        json_t *slots = NULL, *q;
        size_t k;
        json_array_foreach(w.asked, k, q) if (strcmp(text(q, "op"), "slots.set") == 0) slots =
            json_object_get(q, "slots");
        snprintf(wanted, sizeof(wanted), "%s/camera", pins[i].who == 1 ? bob : ada);
        const char *track = text(json_array_get(slots, 1), "track");
        assert_string_equal(track, pins[i].who < 0 ? "" : wanted);
        assert_int_equal(status(request(HTTP_METHOD_DELETE, header(x, "Location"), NULL)), 200);
    }
}

static void who_is_pinned_by_name_is_shown_when_they_come(void **state)
{
    size_t x = post("/whep/r?participant=Bob", WATCH);
    assert_int_equal(status(x), 201);
    size_t b = world_open(&w);
    const char *bob = world_join(&w, b, "Bob");
    world_say(&w, b, "{\"op\":\"publish\",\"id\":2,\"source\":\"camera\"}");
    world_pass(&w, MILLIS(200));
    json_t *q = json_array_get(w.asked, json_array_size(w.asked) - 1);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "%s/camera", bob);
    assert_string_equal(text(q, "op"), "slots.set");
    assert_string_equal(text(json_array_get(json_object_get(q, "slots"), 1), "track"), wanted);
}

static void ice_servers_are_links_with_credentials(void **state)
{
    static const char *const urls[] = { "stun:a.example", "turn:a.example:3478?transport=tcp" };
    assert_string_equal(header(post("/whip/r", PUBLISH), "Link"), "");
    w.hub->options.ice_urls = urls;
    w.hub->options.ice_url_count = 2;
    assert_string_equal(header(post("/whip/r", PUBLISH), "Link"),
                        "<stun:a.example>; rel=\"ice-server\"");
    w.hub->options.turn_secret = bytes_of_str("north");
    w.hub->options.turn_ttl = SECONDS(3600);
    const char *links = header(post("/whip/r", PUBLISH), "Link");
    assert_non_null(strstr(links, ">; rel=\"ice-server\", <turn:a.example:3478?transport=tcp>; "
                                  "rel=\"ice-server\"; username=\"17900"));
    assert_non_null(strstr(links, ":u_1\"; credential=\""));
}

static void a_fragment_needs_its_etag(void **state)
{
    size_t x = post("/whip/r", PUBLISH);
    const char *url = header(x, "Location");
    static const char type[] = "application/trickle-ice-sdpfrag";
    const char *const none[] = { "Content-Type", type, NULL };
    const char *const good[] = { "Content-Type", type, "If-Match", header(x, "ETag"), NULL };
    const char *const bad[] = { "Content-Type", type, "If-Match", "\"0\"", NULL };
    const char *const restart[] = { "Content-Type", type, "If-Match", "*", NULL };
    assert_int_equal(status(request(HTTP_METHOD_PATCH, url, NULL)), 415);
    assert_int_equal(status(request(HTTP_METHOD_PATCH, url, none)), 428);
    assert_int_equal(status(request(HTTP_METHOD_PATCH, url, bad)), 412);
    size_t refused = request(HTTP_METHOD_PATCH, url, restart);
    assert_int_equal(status(refused), 422);
    assert_string_equal(error(refused), "restart-not-supported");
    assert_int_equal(status(request(HTTP_METHOD_PATCH, url, good)), 204);
}

static void options_say_what_may_be_sent(void **state)
{
    size_t x = request(HTTP_METHOD_OPTIONS, "/whip/r", NULL);
    assert_int_equal(status(x), 204);
    assert_string_equal(header(x, "Access-Control-Allow-Origin"), "");
    assert_non_null(strstr(header(x, "Access-Control-Allow-Methods"), "DELETE"));
    assert_string_equal(header(x, "Accept-Post"), "application/sdp");
    assert_int_equal(status(request(HTTP_METHOD_GET, "/whip/r", NULL)), 405);
}

static void only_pages_from_here_and_of_allowed_origins_may_ask(void **state)
{
    static const char *const list[] = { "https://app.example.org" };
    static const struct {
        const char *origin;
        int status;
        const char *permits;
    } cases[] = {
        { "https://meet.example.org", 204, "" },
        { "https://app.example.org", 204, "https://app.example.org" },
        { "https://evil.example", 403, "" },
        { "null", 403, "" },
    };
    assert_string_equal(header(request(HTTP_METHOD_OPTIONS, "/whep/r", NULL), "Vary"), "");
    w.hub->options.allowed_origins = list;
    w.hub->options.allowed_origin_count = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *const headers[] = { "Origin", cases[i].origin, "Host", "meet.example.org",
                                        NULL };
        size_t x = request(HTTP_METHOD_OPTIONS, "/whep/r", headers);
        assert_int_equal(status(x), cases[i].status);
        assert_string_equal(header(x, "Access-Control-Allow-Origin"), cases[i].permits);
        assert_string_equal(header(x, "Vary"), "Origin"); /* caches keep the answers apart */
    }
    const char *const foreign[] = { "Authorization",
                                    "Bearer t",
                                    "Content-Type",
                                    "application/sdp",
                                    "Origin",
                                    "https://evil.example",
                                    "Host",
                                    "meet.example.org",
                                    NULL };
    size_t refused = request(HTTP_METHOD_POST, "/whip/r", foreign);
    assert_int_equal(status(refused), 403);
    assert_string_equal(error(refused), "cross-origin");
    /* An error may be read, too. */
    const char *const known[] = { "Origin", "https://app.example.org", NULL };
    size_t wrong = request(HTTP_METHOD_POST, "/whip/r", known);
    assert_true(status(wrong) >= 400);
    assert_string_equal(header(wrong, "Access-Control-Allow-Origin"), "https://app.example.org");
    assert_non_null(strstr(header(wrong, "Access-Control-Expose-Headers"), "Location"));
}

/* What is in the URL opens no WebSocket. */
static void a_session_cannot_be_resumed(void **state)
{
    char message[512];
    size_t x = post("/whip/r", PUBLISH);
    snprintf(message, sizeof(message), "{\"op\":\"resume\",\"id\":1,\"resume\":\"%s\",\"seq\":0}",
             strrchr(header(x, "Location"), '/') + 1);
    size_t a = world_open(&w);
    world_say(&w, a, message);
    assert_string_equal(text(world_last(&w, a, "error"), "error"), "resume-expired");
}

#define DOOR_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DOOR_TEST(an_offer_makes_a_participant_and_its_tracks),
        DOOR_TEST(delete_ends_the_session_once),
        DOOR_TEST(delete_ends_a_session_that_lives_elsewhere),
        DOOR_TEST(requests_that_cannot_be_are_refused_with_their_reason),
        DOOR_TEST(a_token_that_does_not_allow_it_is_refused),
        DOOR_TEST(what_the_cluster_cannot_do_has_its_status),
        DOOR_TEST(one_address_gets_so_many_doors_and_no_more),
        DOOR_TEST(media_that_fails_ends_the_participant),
        DOOR_TEST(others_see_that_a_publisher_has_vanished_and_is_back),
        DOOR_TEST(a_viewer_who_is_quiet_for_a_moment_does_not_flicker),
        DOOR_TEST(that_they_vanished_is_said_when_redis_can),
        DOOR_TEST(who_is_neither_back_nor_failed_in_time_is_asked_for),
        DOOR_TEST(a_moderator_may_remove_it),
        DOOR_TEST(a_draining_signald_ends_its_doors),
        DOOR_TEST(a_client_that_does_not_wait_leaves_nothing),
        DOOR_TEST(a_watcher_sees_what_it_asked_for),
        DOOR_TEST(who_is_pinned_by_name_is_shown_when_they_come),
        DOOR_TEST(ice_servers_are_links_with_credentials),
        DOOR_TEST(a_fragment_needs_its_etag),
        DOOR_TEST(options_say_what_may_be_sent),
        DOOR_TEST(only_pages_from_here_and_of_allowed_origins_may_ask),
        DOOR_TEST(a_session_cannot_be_resumed),
    };
    return cmocka_run_group_tests_name("signald/door", tests, NULL, NULL);
}
