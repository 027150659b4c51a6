/* test_session.c - one client from hello to gone, in a cluster in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

#include <stdio.h>

static const char *text(json_t *m, const char *key)
{
    const char *t = json_string_value(json_object_get(m, key));
    return t == NULL ? "" : t;
}

static const char *last_error(struct world *w, size_t socket)
{
    return text(world_last(w, socket, "error"), "error");
}

static size_t received(struct world *w, size_t socket, const char *op)
{
    size_t count = 0, i;
    json_t *m;
    json_array_foreach(w->sockets[socket].received, i, m) count += strcmp(text(m, "op"), op) == 0;
    return count;
}

static void joining_answers_with_everybody_and_ones_slots(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    assert_non_null(world_join(&w, a, "Ada"));
    json_t *m = world_last(&w, a, "joined");
    assert_int_equal(json_array_size(json_object_get(m, "participants")), 1);
    assert_int_equal(json_array_size(json_object_get(m, "slots")), 2);
    assert_string_equal(text(m, "role"), "moderator");
    assert_string_equal(text(m, "room"), "r");
    assert_int_equal(json_integer_value(json_object_get(m, "resume_window_ms")), 30000);
    assert_null(world_last(&w, a, "participant-joined"));
    assert_non_null(world_audited(&w, "participant.joined"));
    assert_non_null(world_audited(&w, "room.created"));
    size_t b = world_open(&w);
    const char *bob = world_join(&w, b, "Bob");
    json_t *e = world_last(&w, a, "participant-joined");
    assert_string_equal(text(json_object_get(e, "participant"), "id"), bob);
    assert_null(json_object_get(e, "private"));
    assert_null(json_object_get(json_object_get(e, "participant"), "resume"));
    world_done(&w);
}

static void a_message_at_the_wrong_moment_is_refused(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_say(&w, a, "{\"op\":\"chat\",\"id\":3,\"text\":\"x\"}");
    assert_string_equal(last_error(&w, a), "not-joined");
    world_say(&w, a, "{\"op\":\"leave\",\"id\":4}");
    assert_string_equal(last_error(&w, a), "not-joined");
    world_join(&w, a, "Ada");
    world_join(&w, a, "Ada");
    assert_string_equal(last_error(&w, a), "already-joined");
    world_say(&w, a, "{\"op\":\"resume\",\"id\":4,\"resume\":\"x\"}");
    assert_string_equal(last_error(&w, a), "already-joined");
    world_done(&w);
}

static void a_refused_token_closes_the_socket(void **state)
{
    struct world w;
    world_init(&w);
    w.verdict = ERR_AUTH;
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    assert_string_equal(last_error(&w, a), "bad-token");
    assert_int_equal(w.sockets[a].close_code, 4401);
    assert_non_null(world_audited(&w, "token.refused"));
    w.verdict = ERR_EXPIRED;
    size_t b = world_open(&w);
    world_join(&w, b, "Ada");
    assert_string_equal(last_error(&w, b), "token-expired");
    assert_int_equal(json_array_size(w.audited), 1);
    w.now += SECONDS(10);
    world_join(&w, world_open(&w), "Ada");
    json_t *meta = json_object_get(world_audited(&w, "token.refused"), "meta");
    assert_int_equal(json_integer_value(json_object_get(meta, "suppressed")), 1);
    w.verdict = ERR_BAD_STATE;
    size_t c = world_open(&w);
    world_join(&w, c, "Ada");
    assert_string_equal(last_error(&w, c), "unavailable");
    assert_int_equal(w.sockets[c].close_code, 0);
    world_done(&w);
}

static void refused_sdp_leaves_no_trace_in_the_room(void **state)
{
    struct world w;
    world_init(&w);
    w.node_refuses = true;
    size_t a = world_open(&w);
    assert_null(world_join(&w, a, "Ada"));
    assert_string_equal(last_error(&w, a), "bad-sdp");
    assert_string_equal(text(world_last(&w, a, "error"), "message"), "line 1");
    assert_int_equal(w.seq, 0);
    assert_int_equal(w.subscribed, 0);
    w.node_refuses = false;
    assert_non_null(world_join(&w, a, "Ada"));
    world_done(&w);
}

static void a_silent_node_is_told_to_forget(void **state)
{
    struct world w;
    world_init(&w);
    w.node_is_silent = true;
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    assert_string_equal(last_error(&w, a), "node-timeout");
    assert_int_equal(world_asked(&w, "participant.remove"), 1);
    w.node_is_silent = false;
    world_pass(&w, SECONDS(2));
    assert_int_equal(world_asked(&w, "participant.remove"), 2);
    world_pass(&w, SECONDS(3));
    assert_int_equal(world_asked(&w, "participant.remove"), 2);
    world_done(&w);
}

static void a_client_that_goes_while_joining_leaves_nothing(void **state)
{
    struct world w;
    world_init(&w);
    w.holds_scripts = true;
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    world_break(&w, a);
    world_release_held(&w);
    world_pass(&w, SECONDS(1));
    assert_int_equal(json_object_size(w.participants), 0);
    assert_int_equal(w.subscribed, 0);
    assert_true(list_is_empty(&w.hub->sessions));
    world_done(&w);
}

/* Nobody has the token that could resume it: it must not stay for the resume window. */
static void a_client_that_goes_just_before_its_reply_leaves_nothing(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, b, "Bob");
    w.loses_events = true; /* so that its picture does not catch up at once */
    world_join(&w, a, "Ada");
    assert_null(world_last(&w, a, "joined"));
    assert_int_equal(json_object_size(w.participants), 2);
    world_break(&w, a);
    w.loses_events = false;
    world_pass(&w, SECONDS(1));
    assert_int_equal(json_object_size(w.participants), 1);
    assert_non_null(world_last(&w, b, "participant-left"));
    world_done(&w);
}

static void an_unclear_join_is_undone(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    w.redis_fails = true;
    world_join(&w, a, "Ada");
    assert_string_equal(last_error(&w, a), "unavailable");
    w.redis_fails = false;
    world_pass(&w, SECONDS(3));
    assert_int_equal(json_object_size(w.participants), 0);
    assert_non_null(world_join(&w, a, "Ada"));
    world_done(&w);
}

static const char *node_of(struct world *w, size_t socket)
{
    return text(world_last(w, socket, "joined"), "node");
}

static void a_room_stays_on_a_node_that_one_look_did_not_show(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    assert_string_equal(node_of(&w, a), "sfud-1");
    w.node_is_missing = true;
    world_see_nodes(&w);
    world_join(&w, b, "Bob");
    assert_string_equal(node_of(&w, b), "sfud-1");
    hub_on_redis(w.hub, false); /* long enough for keys to run out */
    world_pass(&w, SECONDS(20));
    hub_on_redis(w.hub, true);
    world_see_nodes(&w);
    world_pump(&w);
    size_t c = world_open(&w);
    world_join(&w, c, "Cy");
    assert_string_equal(node_of(&w, c), "sfud-1");
    world_pass(&w, SECONDS(1));
    assert_null(world_last(&w, a, "media"));
    world_done(&w);
}

static void a_room_moves_when_its_node_is_lost(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    w.node_is_missing = true;
    world_pass(&w, SECONDS(12));
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    size_t b = world_open(&w);
    world_join(&w, b, "Bob");
    assert_string_equal(node_of(&w, b), "sfud-2");
    world_done(&w);
}

static void a_join_that_waits_for_a_node_that_is_lost_goes_elsewhere(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    w.node_is_missing = true;
    world_pass(&w, SECONDS(2));
    w.holds_nodes = true;
    world_join(&w, b, "Bob");
    w.holds_nodes = false;
    world_pass(&w, SECONDS(1));
    assert_null(world_last(&w, b, "joined"));
    world_pass(&w, SECONDS(2));
    assert_string_equal(node_of(&w, b), "sfud-2");
    world_release_held(&w); /* the answer of the first one comes after all */
    assert_null(world_last(&w, b, "error"));
    assert_int_equal(received(&w, b, "joined"), 1);
    world_done(&w);
}

static void a_room_moves_away_from_a_node_that_is_ending(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w), c = world_open(&w);
    world_join(&w, a, "Ada");
    w.node_is_full = true;
    assert_null(world_join(&w, b, "Bob")); /* full, not ending */
    assert_string_equal(last_error(&w, b), "no-node");
    w.node_is_missing = true;
    world_pass(&w, SECONDS(1));
    world_join(&w, c, "Cy");
    assert_string_equal(node_of(&w, c), "sfud-2");
    world_done(&w);
}

static void a_node_that_is_leaving_is_left_before_any_look_shows_it(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    w.node_is_leaving = true;
    world_join(&w, b, "Bob");
    assert_string_equal(node_of(&w, b), "sfud-2");
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    world_done(&w);
}

static void a_node_that_died_is_left_when_somebody_misses_it(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    world_join(&w, b, "Bob");
    w.node_is_deaf = w.holds_nodes = true; /* its key is there for some seconds more */
    world_pass(&w, SECONDS(1));
    world_say(&w, a,
              "{\"op\":\"offer\",\"id\":9,\"sdp\":\"x\",\"sources\":{\"0\":\"microphone\"}}");
    assert_null(world_last(&w, a, "media"));
    world_pass(&w, SECONDS(1));
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    assert_string_equal(text(world_last(&w, b, "media"), "state"), "failed");
    w.holds_nodes = false;
    world_join(&w, a, "Ada");
    assert_string_equal(node_of(&w, a), "sfud-2");
    world_done(&w);
}

static void who_is_elsewhere_when_the_room_moves_joins_again(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w), c = world_open(&w);
    world_join(&w, a, "Ada");
    world_tell_moved(&w);
    assert_null(world_last(&w, a, "media")); /* it is there */
    w.holds_nodes = true;
    world_join(&w, b, "Bob"); /* waits for the node that others know to be lost */
    w.holds_nodes = false;
    snprintf(w.room_node, sizeof(w.room_node), "sfud-2");
    world_tell_moved(&w);
    world_pump(&w);
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    assert_string_equal(node_of(&w, b), "sfud-2");
    world_join(&w, c, "Cy");
    assert_string_equal(node_of(&w, c), "sfud-2");
    assert_null(world_last(&w, c, "media"));
    world_done(&w);
}

static void a_move_that_was_missed_shows_in_the_next_picture(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    snprintf(w.room_node, sizeof(w.room_node), "sfud-2");
    hub_on_redis(w.hub, false);
    hub_on_redis(w.hub, true);
    world_pump(&w);
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    world_done(&w);
}

static void a_room_of_a_node_that_has_restarted_is_placed_anew(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    snprintf(w.epoch, sizeof(w.epoch), "e2");
    world_pass(&w, SECONDS(1));
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    world_join(&w, b, "Bob");
    assert_string_equal(node_of(&w, b), "sfud-1");
    assert_string_equal(w.room_epoch, "e2");
    world_done(&w);
}

static void a_join_without_any_node_may_be_tried_again(void **state)
{
    struct world w;
    world_init(&w);
    json_t *nobody = json_array();
    hub_on_nodes(w.hub, nobody);
    json_decref(nobody);
    size_t a = world_open(&w);
    assert_null(world_join(&w, a, "Ada"));
    assert_string_equal(last_error(&w, a), "no-node");
    json_t *m = world_last(&w, a, "error");
    assert_int_equal(json_integer_value(json_object_get(m, "retry_after_ms")), 1000);
    world_done(&w);
}

static void a_silent_client_is_closed_after_ten_seconds(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_pass(&w, SECONDS(9));
    assert_int_equal(w.sockets[a].close_code, 0);
    world_pass(&w, SECONDS(2));
    assert_int_equal(w.sockets[a].close_code, 4408);
    world_done(&w);
}

static void a_broken_socket_detaches_and_resume_brings_everything_back(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    char resume[600], id[64];
    snprintf(id, sizeof(id), "%s", world_join(&w, a, "Ada"));
    world_join(&w, b, "Bob");
    world_say(&w, a, "{\"op\":\"publish\",\"id\":2,\"source\":\"camera\"}");
    snprintf(resume, sizeof(resume), "{\"op\":\"resume\",\"id\":1,\"resume\":\"%s\"}",
             text(world_last(&w, a, "joined"), "resume"));
    world_break(&w, a);
    json_t *e = world_last(&w, b, "participant-updated");
    assert_true(json_is_false(json_object_get(json_object_get(e, "participant"), "connected")));
    world_pass(&w, SECONDS(20));
    size_t c = world_open(&w);
    world_say(&w, c, resume);
    json_t *m = world_last(&w, c, "resumed");
    assert_non_null(m);
    assert_string_equal(text(m, "participant"), id);
    assert_null(json_object_get(m, "sdp"));
    assert_int_equal(json_array_size(json_object_get(m, "participants")), 2);
    assert_int_equal(json_array_size(json_object_get(m, "slots")), 2);
    world_pass(&w, SECONDS(40));
    assert_int_equal(json_object_size(w.participants), 2);
    size_t d = world_open(&w);
    world_say(&w, d, resume); /* the old token */
    assert_string_equal(last_error(&w, d), "resume-expired");
    world_done(&w);
}

static void resuming_closes_the_socket_that_still_stands(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    char resume[600];
    snprintf(resume, sizeof(resume), "{\"op\":\"resume\",\"id\":1,\"resume\":\"%s\"}",
             text(world_last(&w, a, "joined"), "resume"));
    world_say(&w, b, resume);
    assert_non_null(world_last(&w, b, "resumed"));
    assert_string_equal(text(world_last(&w, a, "closing"), "reason"), "replaced");
    assert_int_equal(w.sockets[a].close_code, 4409);
    world_break(&w, a);
    world_pass(&w, SECONDS(60));
    assert_int_equal(json_object_size(w.participants), 1);
    world_done(&w);
}

static void the_resume_window_ends_after_thirty_seconds(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    world_join(&w, b, "Bob");
    world_break(&w, a);
    world_pass(&w, SECONDS(29));
    assert_int_equal(json_object_size(w.participants), 2);
    world_pass(&w, SECONDS(2));
    assert_int_equal(json_object_size(w.participants), 1);
    assert_non_null(world_last(&w, b, "participant-left"));
    assert_int_equal(world_asked(&w, "participant.remove"), 1);
    assert_non_null(world_audited(&w, "participant.left"));
    world_done(&w);
}

static void a_detach_that_redis_missed_is_repeated(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    world_join(&w, b, "Bob");
    hub_on_redis(w.hub, false);
    world_break(&w, a);
    world_pass(&w, SECONDS(60));
    assert_int_equal(json_object_size(w.participants), 2);
    hub_on_redis(w.hub, true);
    world_pass(&w, SECONDS(1));
    json_t *e = world_last(&w, b, "participant-updated");
    assert_true(json_is_false(json_object_get(json_object_get(e, "participant"), "connected")));
    world_pass(&w, SECONDS(31));
    assert_int_equal(json_object_size(w.participants), 1);
    world_done(&w);
}

static void without_redis_changes_are_refused_and_pings_answered(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    hub_on_redis(w.hub, false);
    world_say(&w, a, "{\"op\":\"chat\",\"id\":5,\"text\":\"x\"}");
    assert_string_equal(last_error(&w, a), "unavailable");
    json_t *m = world_last(&w, a, "error");
    assert_int_equal(json_integer_value(json_object_get(m, "retry_after_ms")), 1000);
    world_say(&w, a, "{\"op\":\"ping\",\"id\":6}");
    assert_non_null(world_last(&w, a, "pong"));
    assert_int_equal(w.sockets[a].close_code, 0);
    world_done(&w);
}

static void what_redis_has_forgotten_is_put_back(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    world_say(&w, a, "{\"op\":\"publish\",\"id\":2,\"source\":\"camera\"}");
    hub_on_redis(w.hub, false);
    json_object_clear(w.participants);
    w.seq = 0;
    world_pass(&w, SECONDS(2));
    hub_on_redis(w.hub, true);
    hub_on_subscribed(w.hub, "default/r");
    world_pass(&w, SECONDS(1));
    assert_int_equal(json_object_size(w.participants), 1);
    const char *id;
    json_t *p;
    json_object_foreach(w.participants, id, p)
        assert_int_equal(json_array_size(json_object_get(p, "tracks")), 1);
    json_t *m = world_last(&w, a, "room-state");
    assert_int_equal(json_array_size(json_object_get(m, "participants")), 1);
    assert_int_equal(w.sockets[a].close_code, 0);
    world_done(&w);
}

static void who_was_removed_during_an_outage_is_not_put_back(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    hub_on_redis(w.hub, false);
    json_object_clear(w.participants);
    w.was_removed = true;
    hub_on_redis(w.hub, true);
    world_pass(&w, SECONDS(1));
    assert_string_equal(text(world_last(&w, a, "closing"), "reason"), "removed");
    assert_int_equal(w.sockets[a].close_code, 4403);
    assert_int_equal(json_object_size(w.participants), 0);
    world_done(&w);
}

static void what_is_shown_stays_in_its_slot_across_a_resume_elsewhere(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    char ada[64];
    snprintf(ada, sizeof(ada), "%s", world_join(&w, a, "Ada"));
    const char *bob = world_join(&w, b, "Bob");
    world_say(&w, a, "{\"op\":\"publish\",\"id\":2,\"source\":\"camera\"}");
    world_pass(&w, SECONDS(1));
    json_t *record = json_object_get(w.participants, bob);
    world_break(&w, b);
    json_t *slot = json_array_get(json_object_get(record, "slots"), 1);
    assert_string_equal(text(slot, "mid"), "5");
    assert_string_equal(text(slot, "participant"), ada);
    struct session *s = w.sockets[a].session; /* any session reads a record */
    s->slot_count = 0;
    assert_true(session_set_slots(s, json_object_get(record, "slots")));
    assert_string_equal(s->slots[1].participant, ada);
    assert_int_equal(s->slots[1].source, SOURCE_CAMERA);
    world_done(&w);
}

static void a_gap_makes_clients_get_the_whole_room(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    w.loses_events = true;
    world_join(&w, b, "Bob"); /* catches up by itself after a while */
    w.loses_events = false;
    assert_null(world_last(&w, b, "joined"));
    world_pass(&w, SECONDS(1));
    assert_non_null(world_last(&w, b, "joined"));
    json_t *m = world_last(&w, a, "room-state");
    assert_int_equal(json_array_size(json_object_get(m, "participants")), 2);
    world_done(&w);
}

static void a_moderator_may_mute_and_remove_but_a_member_may_not(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    char ada[64], bob[64], m[256];
    snprintf(ada, sizeof(ada), "%s", world_join(&w, a, "Ada"));
    snprintf(bob, sizeof(bob), "%s", world_join(&w, b, "Bob"));
    world_say(&w, b, "{\"op\":\"publish\",\"id\":2,\"source\":\"microphone\"}");
    snprintf(m, sizeof(m),
             "{\"op\":\"mute\",\"id\":3,\"source\":\"microphone\",\"muted\":true,\"participant\":"
             "\"%s\"}",
             bob);
    world_say(&w, a, m);
    assert_int_equal(world_asked(&w, "track.set"), 1);
    assert_non_null(world_audited(&w, "track.muted"));
    snprintf(m, sizeof(m), "{\"op\":\"remove\",\"id\":4,\"participant\":\"%s\"}", ada);
    world_say(&w, b, m);
    assert_string_equal(last_error(&w, b), "forbidden");
    world_say(&w, b, "{\"op\":\"mute\",\"id\":5,\"source\":\"microphone\",\"muted\":false}");
    assert_int_equal(world_asked(&w, "track.set"), 2);
    world_say(&w, b, "{\"op\":\"publish\",\"id\":6,\"source\":\"screen\"}");
    assert_string_equal(last_error(&w, b), "forbidden");
    snprintf(m, sizeof(m), "{\"op\":\"remove\",\"id\":7,\"participant\":\"%s\"}", "p_nobody");
    world_say(&w, a, m);
    assert_string_equal(last_error(&w, a), "not-found");
    world_done(&w);
}

static void who_is_made_moderator_may_act_as_one(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w), c = world_open(&w);
    char cy[64], m[256];
    world_join(&w, a, "Ada");
    world_join(&w, b, "Bob");
    snprintf(cy, sizeof(cy), "%s", world_join(&w, c, "Cy"));
    snprintf(m, sizeof(m), "{\"op\":\"remove\",\"id\":4,\"participant\":\"%s\"}", cy);
    world_break(&w, a);
    world_say(&w, b, m);
    assert_string_equal(last_error(&w, b), "forbidden"); /* the creator may come back */
    world_pass(&w, SECONDS(31));
    json_t *e = json_object_get(world_last(&w, c, "participant-updated"), "participant");
    assert_string_equal(text(e, "name"), "Bob");
    assert_string_equal(text(e, "role"), "moderator");
    world_say(&w, b, m);
    assert_int_equal(w.sockets[c].close_code, 4403);
    world_done(&w);
}

static void joining_again_after_failed_media_hands_no_role_to_others(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    char ada[64];
    snprintf(ada, sizeof(ada), "%s", world_join(&w, a, "Ada"));
    world_join(&w, b, "Bob");
    json_t *e = json_pack("{s:s,s:s,s:s,s:s}", "op", "transport", "node", "sfud-1", "participant",
                          ada, "state", "failed");
    hub_on_media_event(w.hub, "default/r", e);
    json_decref(e);
    world_pump(&w);
    world_join(&w, a, "Ada");
    assert_null(world_last(&w, b, "participant-updated"));
    world_done(&w);
}

static void private_chat_reaches_only_its_two(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w), c = world_open(&w);
    char bob[64], m[256];
    world_join(&w, a, "Ada");
    snprintf(bob, sizeof(bob), "%s", world_join(&w, b, "Bob"));
    world_join(&w, c, "Cy");
    snprintf(m, sizeof(m), "{\"op\":\"chat\",\"id\":3,\"text\":\"psst\",\"to\":\"%s\"}", bob);
    world_say(&w, a, m);
    assert_non_null(world_last(&w, a, "chat"));
    assert_non_null(world_last(&w, b, "chat"));
    assert_null(world_last(&w, c, "chat"));
    assert_int_equal(json_array_size(w.chat), 0);
    world_done(&w);
}

static void chat_that_was_missed_arrives_once_whatever_the_clocks_say(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    world_say(&w, a, "{\"op\":\"chat\",\"id\":3,\"text\":\"one\"}");
    assert_int_equal(received(&w, a, "chat"), 1);
    hub_on_redis(w.hub, false);
    json_t *late = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i}", "op", "chat", "id", "m_late", "from",
                             "p_x", "name", "X", "text", "two", "time", 7); /* a clock far behind */
    json_array_append(w.chat, late);
    hub_on_redis(w.hub, true);
    world_pass(&w, SECONDS(1));
    assert_int_equal(received(&w, a, "chat"), 2);
    assert_string_equal(text(world_last(&w, a, "chat"), "text"), "two");
    hub_on_room_event(w.hub, "default/r", late); /* the event behind the snapshot */
    world_pump(&w);
    assert_int_equal(received(&w, a, "chat"), 2);
    json_decref(late);
    world_done(&w);
}

static void a_published_camera_reaches_the_slots_of_others(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    char ada[64];
    snprintf(ada, sizeof(ada), "%s", world_join(&w, a, "Ada"));
    world_join(&w, b, "Bob");
    world_say(&w, a, "{\"op\":\"publish\",\"id\":2,\"source\":\"camera\",\"height\":360}");
    world_pass(&w, MILLIS(200));
    json_t *slot = json_array_get(json_object_get(world_last(&w, b, "slots"), "slots"), 1);
    assert_string_equal(text(slot, "participant"), ada);
    assert_string_equal(text(slot, "source"), "camera");
    assert_null(world_last(&w, a, "slots"));
    world_say(&w, b, "{\"op\":\"view\",\"id\":3,\"video\":[]}");
    slot = json_array_get(json_object_get(world_last(&w, b, "slots"), "slots"), 1);
    assert_true(json_is_null(json_object_get(slot, "participant")));
    world_done(&w);
}

static void a_client_that_floods_is_warned_then_closed(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    for (int i = 0; i < 100; i++)
        world_say(&w, a, "{\"op\":\"ping\",\"id\":6}");
    assert_null(world_last(&w, a, "error"));
    world_say(&w, a, "{\"op\":\"ping\",\"id\":7}");
    json_t *m = world_last(&w, a, "error");
    assert_string_equal(text(m, "error"), "rate-limited");
    assert_int_equal(json_integer_value(json_object_get(m, "id")), 7);
    for (int i = 0; i < 200; i++)
        world_say(&w, a, "{\"op\":\"ping\",\"id\":7}");
    assert_int_equal(w.sockets[a].close_code, 4429);
    world_done(&w);
}

static void one_address_may_open_only_so_many_sockets(void **state)
{
    struct world w;
    world_init(&w);
    for (int i = 0; i < 5; i++)
        assert_non_null(w.sockets[world_open(&w)].session);
    size_t refused = world_open(&w);
    assert_null(w.sockets[refused].session);
    world_break(&w, 0);
    assert_non_null(w.sockets[world_open(&w)].session);
    world_done(&w);
}

static void after_failed_media_the_same_socket_may_join_again(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    char first[64];
    snprintf(first, sizeof(first), "%s", world_join(&w, a, "Ada"));
    json_t *e = json_pack("{s:s,s:s,s:s,s:s}", "op", "transport", "node", "sfud-1", "participant",
                          first, "state", "failed");
    hub_on_media_event(w.hub, "default/r", e);
    json_decref(e);
    world_pump(&w);
    assert_string_equal(text(world_last(&w, a, "media"), "state"), "failed");
    const char *second = world_join(&w, a, "Ada");
    assert_string_not_equal(first, second);
    world_pass(&w, SECONDS(1));
    assert_int_equal(json_object_size(w.participants), 1);
    world_done(&w);
}

static void draining_detaches_everybody_within_two_seconds(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    world_join(&w, b, "Bob");
    hub_on_drain(w.hub);
    world_pass(&w, SECONDS(2));
    assert_string_equal(text(world_last(&w, a, "closing"), "reason"), "draining");
    assert_int_equal(w.sockets[b].close_code, 1001);
    assert_false(hub_is_drained(w.hub));
    world_break(&w, a);
    world_break(&w, b);
    assert_true(hub_is_drained(w.hub));
    const char *id;
    json_t *p;
    json_object_foreach(w.participants, id, p)
        assert_true(json_is_false(json_object_get(p, "connected")));
    world_done(&w);
}

static void the_reaper_audits_as_leaving_does(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    char id[64];
    snprintf(id, sizeof(id), "%s", world_join(&w, a, "Ada"));
    hub_on_reap_remove(w.hub, "default/r", id, 1);
    world_pump(&w);
    json_t *e = world_audited(&w, "participant.left");
    assert_string_equal(text(e, "org"), "default");
    assert_string_equal(text(e, "room"), "r");
    assert_string_equal(text(e, "actor_id"), "u_1");
    assert_string_equal(text(e, "actor_name"), "Ada");
    assert_string_equal(text(json_object_get(e, "meta"), "participant"), id);
    e = world_audited(&w, "room.ended");
    assert_string_equal(text(e, "org"), "default");
    assert_string_equal(text(e, "room"), "r");
    world_done(&w);
}

static void tell_media(struct world *w, const char *text)
{
    json_t *e = json_loads(text, 0, NULL);
    assert_non_null(e);
    hub_on_media_event(w->hub, "default/r", e);
    json_decref(e);
    world_pump(w);
}

static void tell_score(struct world *w, const char *participant, int score)
{
    char event[160];
    snprintf(event, sizeof(event),
             "{\"op\":\"quality\",\"scores\":[{\"participant\":\"%s\",\"score\":%d}]}", participant,
             score);
    tell_media(w, event);
}

static void tell_dominant(struct world *w, const char *participant)
{
    char event[160];
    snprintf(event, sizeof(event), "{\"op\":\"speakers\",\"speakers\":[],\"dominant\":\"%s\"}",
             participant);
    tell_media(w, event);
}

static void who_joins_late_learns_who_is_dominant_and_how_well_everybody_is(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w), c = world_open(&w);
    char ada[64], bob[64];
    snprintf(ada, sizeof(ada), "%s", world_join(&w, a, "Ada"));
    assert_int_equal(json_array_size(json_object_get(world_last(&w, a, "joined"), "scores")), 0);
    assert_true(json_is_null(json_object_get(world_last(&w, a, "joined"), "dominant")));
    snprintf(bob, sizeof(bob), "%s", world_join(&w, b, "Bob"));
    tell_score(&w, ada, 5);
    tell_score(&w, bob, 4);
    tell_score(&w, bob, 2);
    tell_score(&w, "p_stranger", 2);
    tell_score(&w, bob, 6);
    tell_dominant(&w, bob);
    assert_non_null(world_join(&w, c, "Cleo"));
    json_t *joined = world_last(&w, c, "joined");
    json_t *scores = json_object_get(joined, "scores");
    assert_string_equal(text(joined, "dominant"), bob);
    assert_int_equal(json_array_size(scores), 2);
    assert_string_equal(text(json_array_get(scores, 0), "participant"), ada);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(scores, 0), "score")), 5);
    assert_string_equal(text(json_array_get(scores, 1), "participant"), bob);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(scores, 1), "score")), 2);
    world_done(&w);
}

static size_t asked_to_tell(struct world *w)
{
    size_t count = 0, i;
    json_t *q;
    json_array_foreach(w->asked, i, q) count += json_is_true(json_object_get(q, "tell")) ? 1u : 0u;
    return count;
}

static void resume_again(struct world *w, size_t *socket, const char *op)
{
    char resume[600];
    snprintf(resume, sizeof(resume), "{\"op\":\"resume\",\"id\":1,\"resume\":\"%s\"}",
             text(world_last(w, *socket, op), "resume"));
    world_break(w, *socket);
    *socket = world_open(w);
    world_say(w, *socket, resume);
    assert_non_null(world_last(w, *socket, "resumed"));
}

/* Media went on, so that the node has no reason of its own to tell a signald that is new. */
static void who_resumes_where_nobody_knows_who_is_dominant_has_the_node_tell(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w);
    world_join(&w, a, "Ada");
    char bob[64];
    snprintf(bob, sizeof(bob), "%s", world_join(&w, b, "Bob"));
    assert_int_equal(asked_to_tell(&w), 0);
    resume_again(&w, &a, "joined");
    assert_int_equal(asked_to_tell(&w), 1);
    tell_dominant(&w, bob);
    assert_string_equal(text(world_last(&w, a, "speakers"), "dominant"), bob);
    resume_again(&w, &a, "resumed");
    assert_string_equal(text(world_last(&w, a, "resumed"), "dominant"), bob);
    world_pass(&w, SECONDS(5));
    assert_int_equal(asked_to_tell(&w), 1);
    world_done(&w);
}

static void who_is_dominant_and_has_left_is_nobody_to_who_joins(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w), b = world_open(&w), c = world_open(&w);
    world_join(&w, a, "Ada");
    char bob[64];
    snprintf(bob, sizeof(bob), "%s", world_join(&w, b, "Bob"));
    tell_score(&w, bob, 1);
    tell_dominant(&w, bob);
    world_say(&w, b, "{\"op\":\"leave\",\"id\":2}");
    assert_non_null(world_join(&w, c, "Cleo"));
    json_t *joined = world_last(&w, c, "joined");
    assert_true(json_is_null(json_object_get(joined, "dominant")));
    assert_int_equal(json_array_size(json_object_get(joined, "scores")), 0);
    world_done(&w);
}

static void a_score_that_is_told_again_is_no_news(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    char ada[64];
    snprintf(ada, sizeof(ada), "%s", world_join(&w, a, "Ada"));
    tell_score(&w, ada, 3);
    tell_score(&w, ada, 3);
    assert_int_equal(received(&w, a, "quality"), 1);
    tell_score(&w, ada, 4);
    assert_int_equal(received(&w, a, "quality"), 2);
    world_done(&w);
}

static void leaving_empties_the_room_and_tells_the_node(void **state)
{
    struct world w;
    world_init(&w);
    size_t a = world_open(&w);
    world_join(&w, a, "Ada");
    world_say(&w, a, "{\"op\":\"leave\",\"id\":9}");
    assert_int_equal(w.sockets[a].close_code, 1000);
    assert_int_equal(json_object_size(w.participants), 0);
    assert_int_equal(w.subscribed, 0);
    assert_int_equal(world_asked(&w, "participant.remove"), 1);
    assert_non_null(world_audited(&w, "room.ended"));
    world_break(&w, a);
    assert_true(list_is_empty(&w.hub->sessions));
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_answers_with_everybody_and_ones_slots),
        cmocka_unit_test(a_message_at_the_wrong_moment_is_refused),
        cmocka_unit_test(a_refused_token_closes_the_socket),
        cmocka_unit_test(refused_sdp_leaves_no_trace_in_the_room),
        cmocka_unit_test(a_silent_node_is_told_to_forget),
        cmocka_unit_test(a_client_that_goes_while_joining_leaves_nothing),
        cmocka_unit_test(a_client_that_goes_just_before_its_reply_leaves_nothing),
        cmocka_unit_test(an_unclear_join_is_undone),
        cmocka_unit_test(a_room_stays_on_a_node_that_one_look_did_not_show),
        cmocka_unit_test(a_room_moves_when_its_node_is_lost),
        cmocka_unit_test(a_join_that_waits_for_a_node_that_is_lost_goes_elsewhere),
        cmocka_unit_test(a_room_moves_away_from_a_node_that_is_ending),
        cmocka_unit_test(a_node_that_is_leaving_is_left_before_any_look_shows_it),
        cmocka_unit_test(a_node_that_died_is_left_when_somebody_misses_it),
        cmocka_unit_test(who_is_elsewhere_when_the_room_moves_joins_again),
        cmocka_unit_test(a_move_that_was_missed_shows_in_the_next_picture),
        cmocka_unit_test(a_room_of_a_node_that_has_restarted_is_placed_anew),
        cmocka_unit_test(a_join_without_any_node_may_be_tried_again),
        cmocka_unit_test(a_silent_client_is_closed_after_ten_seconds),
        cmocka_unit_test(a_broken_socket_detaches_and_resume_brings_everything_back),
        cmocka_unit_test(resuming_closes_the_socket_that_still_stands),
        cmocka_unit_test(the_resume_window_ends_after_thirty_seconds),
        cmocka_unit_test(a_detach_that_redis_missed_is_repeated),
        cmocka_unit_test(without_redis_changes_are_refused_and_pings_answered),
        cmocka_unit_test(what_redis_has_forgotten_is_put_back),
        cmocka_unit_test(who_was_removed_during_an_outage_is_not_put_back),
        cmocka_unit_test(what_is_shown_stays_in_its_slot_across_a_resume_elsewhere),
        cmocka_unit_test(a_gap_makes_clients_get_the_whole_room),
        cmocka_unit_test(a_moderator_may_mute_and_remove_but_a_member_may_not),
        cmocka_unit_test(who_is_made_moderator_may_act_as_one),
        cmocka_unit_test(joining_again_after_failed_media_hands_no_role_to_others),
        cmocka_unit_test(private_chat_reaches_only_its_two),
        cmocka_unit_test(chat_that_was_missed_arrives_once_whatever_the_clocks_say),
        cmocka_unit_test(a_published_camera_reaches_the_slots_of_others),
        cmocka_unit_test(a_client_that_floods_is_warned_then_closed),
        cmocka_unit_test(one_address_may_open_only_so_many_sockets),
        cmocka_unit_test(after_failed_media_the_same_socket_may_join_again),
        cmocka_unit_test(draining_detaches_everybody_within_two_seconds),
        cmocka_unit_test(the_reaper_audits_as_leaving_does),
        cmocka_unit_test(leaving_empties_the_room_and_tells_the_node),
        cmocka_unit_test(who_joins_late_learns_who_is_dominant_and_how_well_everybody_is),
        cmocka_unit_test(who_resumes_where_nobody_knows_who_is_dominant_has_the_node_tell),
        cmocka_unit_test(who_is_dominant_and_has_left_is_nobody_to_who_joins),
        cmocka_unit_test(a_score_that_is_told_again_is_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
