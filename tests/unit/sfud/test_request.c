/* Requests of signald, and the replies.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEAD "\"id\":\"r_1\",\"reply\":\"cc:signald:signald-1:replies\",\"deadline\":1790000000000"
#define WHO  "\"room\":\"default/stand up\",\"participant\":\"p_1\""

static struct request r;
static char why[REQUEST_WHY_MAX];

static enum err parse(const char *text)
{
    request_done(&r);
    return request_parse(bytes_of_str(text), &r, why);
}

static void participant_create_is_parsed(void **state)
{
    (void)state;
    assert_int_equal(parse("{" HEAD ",\"op\":\"participant.create\"," WHO
                           ",\"sdp\":\"v=0\\r\\n\",\"sources\":{\"0\":\"microphone\",\"1\":"
                           "\"camera\"},\"allowed\":[\"camera\",\"screen\"],\"data\":true,"
                           "\"later\":[1]}"),
                     OK);
    assert_string_equal(r.id, "r_1");
    assert_string_equal(r.reply, "cc:signald:signald-1:replies");
    assert_int_equal(r.deadline_ms, 1790000000000);
    assert_int_equal(r.op, REQUEST_PARTICIPANT_CREATE);
    assert_string_equal(r.room, "default/stand up");
    assert_string_equal(r.participant, "p_1");
    assert_true(bytes_equal(r.sdp, bytes_of_str("v=0\r\n")));
    assert_int_equal(r.source_count, 2);
    assert_string_equal(r.sources[1].mid, "1");
    assert_int_equal(r.sources[1].source, SOURCE_CAMERA);
    assert_int_equal(r.allowed, SOURCE_BIT(SOURCE_CAMERA) | SOURCE_BIT(SOURCE_SCREEN));
    assert_true(r.data_allowed);
}

static void slots_set_is_parsed(void **state)
{
    (void)state;
    assert_int_equal(parse("{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":9,\"slots\":["
                           "{\"mid\":\"4\",\"track\":\"p_2/screen-audio\"},"
                           "{\"mid\":\"5\",\"track\":null,\"spatial_max\":0}]}"),
                     OK);
    assert_int_equal(r.version, 9);
    assert_false(r.tell_again);
    assert_int_equal(r.slot_count, 2);
    assert_true(r.slots[0].has_track);
    assert_string_equal(r.slots[0].participant, "p_2");
    assert_int_equal(r.slots[0].source, SOURCE_SCREEN_AUDIO);
    assert_int_equal(r.slots[0].spatial_max, 2);
    assert_false(r.slots[1].has_track);
    assert_int_equal(r.slots[1].spatial_max, 0);
    assert_int_equal(
        parse("{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":9,\"slots\":[],\"tell\":true}"),
        OK);
    assert_true(r.tell_again);
}

static void track_set_and_node_requests_are_parsed(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{" HEAD ",\"op\":\"track.set\"," WHO ",\"source\":\"camera\",\"muted\":true}"), OK);
    assert_true(r.muted);
    assert_int_equal(r.source, SOURCE_CAMERA);
    assert_int_equal(parse("{" HEAD ",\"op\":\"node.drain\"}"), OK);
    assert_int_equal(r.op, REQUEST_NODE_DRAIN);
    assert_int_equal(parse("{" HEAD ",\"op\":\"participant.remove\"," WHO "}"), OK);
    assert_int_equal(r.op, REQUEST_PARTICIPANT_REMOVE);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "[]", "request: not a JSON object" },
        { "{", "request: not a JSON object" },
        { "{}", "id: missing" },
        { "{\"id\":\"a\",\"id\":\"b\"}", "request: not a JSON object" },
        { "{\"id\":7}", "id: not a string" },
        { "{\"id\":\"r\",\"reply\":\"cc:audit\"}", "reply: not a channel for replies" },
        { "{\"id\":\"r\",\"reply\":\"cc:signald:replies\"}", "reply: not a channel for replies" },
        { "{\"id\":\"r\",\"reply\":\"cc:signald:a:replies\",\"deadline\":1.5,\"op\":\"x\"}",
          "deadline: not an integer" },
        { "{" HEAD ",\"op\":\"node.reboot\"}", "op: not known" },
        { "{" HEAD ",\"op\":\"participant.remove\",\"room\":\"x\",\"participant\":\"p\"}",
          "room: not <org>/<name>" },
        { "{" HEAD ",\"op\":\"participant.remove\",\"room\":\"a/}b\",\"participant\":\"p\"}",
          "room: not <org>/<name>" },
        { "{" HEAD ",\"op\":\"participant.remove\",\"room\":\"a/b\\n\",\"participant\":\"p\"}",
          "room: has control characters" },
        { "{" HEAD ",\"op\":\"participant.remove\",\"room\":\"a/b\",\"participant\":\"p/q\"}",
          "participant: has a slash" },
        { "{" HEAD ",\"op\":\"participant.create\"," WHO "}", "sdp: missing" },
        { "{" HEAD ",\"op\":\"participant.create\"," WHO ",\"sdp\":\"\",\"sources\":{\"0\":"
          "\"phone\"},\"allowed\":[]}",
          "sources: not a source" },
        { "{" HEAD ",\"op\":\"participant.create\"," WHO ",\"sdp\":\"\",\"sources\":{},"
          "\"allowed\":\"all\"}",
          "allowed: not a short array" },
        { "{" HEAD ",\"op\":\"participant.create\"," WHO
          ",\"sdp\":\"v\",\"sources\":{},\"allowed\":[],"
          "\"data\":1}",
          "data: not a boolean" },
        { "{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":-1,\"slots\":[]}",
          "version: out of range" },
        { "{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":1,\"slots\":[],\"tell\":1}",
          "tell: not a boolean" },
        { "{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":1,\"slots\":[{\"mid\":\"1\","
          "\"track\":\"camera\"}]}",
          "track: not <participant>/<source>" },
        { "{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":1,\"slots\":[{\"mid\":\"1\","
          "\"spatial_max\":3}]}",
          "spatial_max: out of range" },
        { "{" HEAD ",\"op\":\"track.set\"," WHO ",\"source\":\"camera\",\"muted\":1}",
          "muted: not a boolean" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(cases[i].text), ERR_MALFORMED);
        assert_string_equal(why, cases[i].why);
    }
}

static void a_broken_request_can_be_answered_if_its_head_is_whole(void **state)
{
    (void)state;
    assert_int_equal(parse("{" HEAD ",\"op\":\"slots.set\"}"), ERR_MALFORMED);
    assert_string_equal(r.id, "r_1");
    assert_string_equal(r.reply, "cc:signald:signald-1:replies");
    assert_int_equal(parse("{\"id\":\"r_1\",\"reply\":\"cc:nodes\"}"), ERR_MALFORMED);
    assert_string_equal(r.reply, "");
}

static void too_many_slots_are_refused(void **state)
{
    (void)state;
    char text[16384];
    for (size_t count = TRANSPORT_MEDIA_MAX; count <= TRANSPORT_MEDIA_MAX + 1; count++) {
        size_t at = (size_t)snprintf(
            text, sizeof text, "{" HEAD ",\"op\":\"slots.set\"," WHO ",\"version\":1,\"slots\":[");
        for (size_t i = 0; i < count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s{\"mid\":\"%zu\"}",
                                   i > 0 ? "," : "", i);
        (void)snprintf(text + at, sizeof text - at, "]}");
        assert_int_equal(parse(text), count <= TRANSPORT_MEDIA_MAX ? OK : ERR_MALFORMED);
    }
}

static void replies_are_what_the_contract_says(void **state)
{
    (void)state;
    struct negotiation_slot slots[] = { { .mid = "3", .kind = MEDIA_AUDIO },
                                        { .mid = "4", .kind = MEDIA_VIDEO } };
    char *text = reply_write_ok("r_1");
    assert_string_equal(text, "{\"id\":\"r_1\",\"ok\":true}");
    free(text);
    const struct node_state node = { "sfud-1", true, 2, 7 };
    text = reply_write_node("r_1", &node);
    assert_string_equal(text, "{\"id\":\"r_1\",\"ok\":true,\"node\":\"sfud-1\",\"draining\":true,"
                              "\"rooms\":2,\"participants\":7}");
    free(text);
    text = reply_write_error("r_1", "bad-sdp", "line 2: \"x\"");
    assert_string_equal(text, "{\"id\":\"r_1\",\"ok\":false,\"error\":\"bad-sdp\",\"message\":"
                              "\"line 2: \\\"x\\\"\"}");
    free(text);
    text = reply_write_answer("r_1", bytes_of("v=0\r\nrest", 5), slots, 2);
    assert_string_equal(text, "{\"id\":\"r_1\",\"ok\":true,\"sdp\":\"v=0\\r\\n\",\"slots\":["
                              "{\"mid\":\"3\",\"kind\":\"audio\"},"
                              "{\"mid\":\"4\",\"kind\":\"video\"}]}");
    free(text);
}

static int done(void **state)
{
    (void)state;
    request_done(&r);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(participant_create_is_parsed),
        cmocka_unit_test(slots_set_is_parsed),
        cmocka_unit_test(track_set_and_node_requests_are_parsed),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_broken_request_can_be_answered_if_its_head_is_whole),
        cmocka_unit_test(too_many_slots_are_refused),
        cmocka_unit_test(replies_are_what_the_contract_says),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
