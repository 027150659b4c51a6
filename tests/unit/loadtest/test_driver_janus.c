/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "janus_bot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hear(struct bot *b, const char *text, usec now)
{
    driver_janus.on_text(b, bytes_of_str(text), now, NULL);
}

static void expect(struct bot *b, const char *note)
{
    char *got = janus_bot_take(b);
    if (got == NULL || strcmp(got, note) != 0)
        fail_msg("expected: %s\n     got: %s", note, got == NULL ? "nothing" : got);
    free(got);
}

static void expect_nothing(struct bot *b)
{
    char *got = janus_bot_take(b);
    if (got != NULL)
        fail_msg("did not expect: %s", got);
}

/* Takes notes until one has `part` in it. */
static void expect_among(struct bot *b, const char *part)
{
    char *got;
    while ((got = janus_bot_take(b)) != NULL) {
        bool found = strstr(got, part) != NULL;
        free(got);
        if (found)
            return;
    }
    fail_msg("nothing with: %s", part);
}

static void forget_notes(struct bot *b)
{
    char *got;
    while ((got = janus_bot_take(b)) != NULL)
        free(got);
}

/* --- recorded conversations --- */

/* "0:720 1:180" */
static void view(struct bot *b, char *text, usec now)
{
    struct wanted wanted[4];
    size_t count = 0;
    char *save = NULL;
    for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        int bot = (int)strtol(w, NULL, 10), height = (int)strtol(strchr(w, ':') + 1, NULL, 10);
        size_t i = 0;
        while (i < b->publisher_count && b->publishers[i].bot != bot)
            i++;
        assert_true(i < b->publisher_count && count < ARRAY_LEN(wanted));
        wanted[count++] =
            (struct wanted){ .publisher = &b->publishers[i], .height = (uint16_t)height };
    }
    driver_janus.view(b, wanted, count, now, NULL);
}

/* One line of a conversation; what we say and tell must be next among the notes. When it is not
 * there yet it is a matter of time. */
static void follow(struct bot *b, char *line)
{
    char *what = NULL;
    usec now = strtoll(line, &what, 10) * USEC_PER_MS;
    what++;
    if (what[0] == '>' || what[0] == '=') {
        usec due = driver_janus.next_deadline(b);
        if (b->note_count == 0 && llabs(due - now) < MILLIS(5))
            driver_janus.tick(b, due, NULL);
        expect(b, what);
        return;
    }
    expect_nothing(b);
    if (what[0] == '<')
        hear(b, what + 2, now);
    else if (strcmp(what, "! open") == 0)
        driver_janus.on_open(b, now, NULL);
    else if (strncmp(what, "! view", 6) == 0)
        view(b, what + 6, now);
    else
        fail_msg("what is: %s", what);
}

static struct bot *converse(unsigned index, const char *name)
{
    char path[512], *line = NULL;
    (void)snprintf(path, sizeof path, "%s/janus/%s", getenv("VECTORS"), name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    struct bot *b = janus_bot_new(index);
    size_t capacity = 0;
    ssize_t len;
    while ((len = getline(&line, &capacity, f)) > 0) {
        line[len - 1] = 0;
        follow(b, line);
    }
    expect_nothing(b);
    free(line);
    (void)fclose(f);
    return b;
}

static void a_recorded_publisher_creates_the_room_and_publishes(void **state)
{
    janus_bot_free(converse(0, "creator.txt"));
}

static void a_recorded_viewer_follows_those_who_come_and_go(void **state)
{
    janus_bot_free(converse(4, "viewer.txt"));
}

/* --- after the viewer's conversation --- */

#define SESSION    "\"session_id\":2450945942880703"
#define PUBLISHER  "\"sender\":1640938034814210"
#define SUBSCRIBER "\"sender\":555718233290717"
#define FROM(handle, data)                                                                         \
    "{\"janus\":\"event\"," SESSION "," handle ",\"plugindata\":{\"data\":" data "}}"
#define ANSWER(transaction, data)                                                                  \
    "{\"janus\":\"event\"," SESSION ",\"transaction\":\"" transaction "\"," SUBSCRIBER             \
    ",\"plugindata\":{\"data\":" data "}}"
#define OFFER(transaction)                                                                         \
    "{\"janus\":\"event\"," SESSION transaction "," SUBSCRIBER                                     \
    ",\"plugindata\":{\"data\":{\"videoroom\":\"updated\",\"streams\":[]}},"                       \
    "\"jsep\":{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}}"

static const usec later = SECONDS(3);
static const usec keepalive_at = SECONDS(25); /* the session came at 0 ms */

static struct bot *settled_viewer(void)
{
    struct bot *b = converse(4, "viewer.txt");
    driver_janus.tick(b, SECONDS(2), NULL);
    expect_nothing(b);
    assert_int_equal(driver_janus.next_deadline(b), keepalive_at); /* nothing but a keepalive */
    return b;
}

static void look(struct bot *b, const char *wish, usec now)
{
    char *text = strdup(wish);
    view(b, text, now);
    free(text);
}

/* "21" of { …, "transaction": "21" } in the next message sent, which has `part` in it. */
static void expect_sent(struct bot *b, const char *part, const char *transaction)
{
    char *got = NULL, wanted[40];
    do {
        free(got);
        got = janus_bot_take(b);
    } while (got != NULL && got[0] == '=');
    (void)snprintf(wanted, sizeof wanted, "\"transaction\":\"%s\"", transaction);
    if (got == NULL || strstr(got, part) == NULL || strstr(got, wanted) == NULL)
        fail_msg("expected %s with %s, got %s", part, wanted, got == NULL ? "nothing" : got);
    free(got);
}

static void a_session_is_kept_alive(void **state)
{
    struct bot *b = settled_viewer();
    driver_janus.tick(b, keepalive_at, NULL);
    expect(b, "> {\"janus\":\"keepalive\",\"transaction\":\"21\"," SESSION "}");
    hear(b, "{\"janus\":\"ack\"," SESSION ",\"transaction\":\"21\"}", keepalive_at);
    assert_int_equal(driver_janus.next_deadline(b), keepalive_at + SECONDS(25));
    janus_bot_free(b);
}

static void an_answer_that_does_not_come_is_a_failure(void **state)
{
    struct bot *b = settled_viewer();
    driver_janus.tick(b, keepalive_at, NULL);
    forget_notes(b);
    assert_int_equal(driver_janus.next_deadline(b), keepalive_at + SECONDS(10));
    driver_janus.tick(b, keepalive_at + SECONDS(10), NULL);
    expect(b, "= fail no-answer: Janus has not answered to keepalive within 10 s");
    expect_nothing(b);
    janus_bot_free(b);
}

static void wishes_wait_for_the_end_of_an_update(void **state)
{
    struct bot *b = settled_viewer();
    look(b, "2:180", later);
    expect_sent(b, "\"unsubscribe\":[{\"sub_mid\":\"5\"}]", "21");
    look(b, "1:180 2:180", later);
    look(b, "1:720 2:180", later);
    while (b->note_count > 0)
        expect_among(b, "= leg 1 mid"); /* told anew, nothing sent */
    hear(b,
         "{\"janus\":\"event\",\"transaction\":\"21\"," SUBSCRIBER ",\"plugindata\":{\"data\":{"
         "\"videoroom\":\"updated\",\"streams\":[{\"mid\":\"5\",\"type\":\"video\",\"active\":"
         "false}]}},"
         "\"jsep\":{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}}",
         later);
    expect_sent(b, "\"start\"", "22");
    expect_sent(b, "\"trickle\"", "23");
    expect(b, "= leg 1 mid 5 from nobody");
    expect_nothing(b);
    hear(b, ANSWER("22", "{\"videoroom\":\"event\",\"started\":\"ok\"}"), later);
    expect_sent(b, "\"subscribe\":[{\"feed\":4918751671873620,\"mid\":\"1\",\"substream\":2}]",
                "24");
    expect_nothing(b);
    janus_bot_free(b);
}

static void an_update_that_janus_puts_off_ends_with_its_next_offer(void **state)
{
    struct bot *b = settled_viewer();
    look(b, "2:180", later);
    expect_sent(b, "\"update\"", "21");
    hear(b, ANSWER("21", "{\"videoroom\":\"updating\"}"), later);
    look(b, "", later);
    while (b->note_count > 0)
        expect_among(b, "= leg 1 mid");
    hear(b, OFFER(""), later);
    expect_sent(b, "\"start\"", "22");
    forget_notes(b);
    hear(b, ANSWER("22", "{\"videoroom\":\"event\",\"started\":\"ok\"}"), later);
    driver_janus.tick(b, later + MILLIS(100), NULL);
    expect_sent(b, "\"unsubscribe\":[{\"sub_mid\":\"4\"},{\"sub_mid\":\"5\"}]", "24");
    janus_bot_free(b);
}

static void a_feed_that_is_gone_already_is_asked_for_once_more_a_little_later(void **state)
{
    struct bot *b = settled_viewer();
    look(b, "1:720", later);
    expect_sent(b, "\"update\"", "21");
    hear(b, ANSWER("21", "{\"videoroom\":\"event\",\"error_code\":428,\"error\":\"No such feed\"}"),
         later);
    expect_among(b, "= error janus-no-feed");
    assert_int_equal(driver_janus.next_deadline(b), later + MILLIS(500));
    driver_janus.tick(b, later + MILLIS(500), NULL);
    expect_sent(b, "\"update\"", "22");
    janus_bot_free(b);
}

static void a_height_is_the_smallest_layer_that_reaches_it(void **state)
{
    struct bot *b = settled_viewer();
    static const struct {
        const char *wish, *sent;
    } cases[] = {
        { "1:180 2:181", "[{\"mid\":\"4\",\"substream\":1},{\"mid\":\"5\",\"substream\":0}]" },
        { "1:360 2:360", "[{\"mid\":\"5\",\"substream\":1}]" },
        { "1:2160 2:1", "[{\"mid\":\"4\",\"substream\":0},{\"mid\":\"5\",\"substream\":2}]" }
    };
    const char *const transactions[] = { "21", "22", "23" };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        look(b, cases[i].wish, later);
        expect_sent(b, cases[i].sent, transactions[i]);
        expect_nothing(b);
    }
    janus_bot_free(b);
}

static void a_muted_voice_is_not_subscribed_to(void **state)
{
    struct bot *b = settled_viewer();
    b->scenario->groups[0].talk = TALK_MUTED;
    hear(b, FROM(PUBLISHER, "{\"videoroom\":\"event\",\"leaving\":8666393720198378}"), later);
    expect(b, "= leg 1 mid 2 from nobody");
    expect(b, "= leg 1 mid 4 from nobody");
    expect(b, "= gone 8666393720198378");
    hear(
        b,
        FROM(PUBLISHER,
             "{\"videoroom\":\"event\",\"publishers\":[{\"id\":77,\"display\":\"people-1 (bot 0)\","
             "\"streams\":[{\"type\":\"audio\",\"mid\":\"0\"}]}]}"),
        later);
    expect(b, "= publisher 77 bot 0 voice");
    driver_janus.tick(b, later + MILLIS(100), NULL);
    expect_nothing(b);
    b->scenario->groups[0].talk = TALK_ALWAYS;
    hear(b,
         FROM(PUBLISHER,
              "{\"videoroom\":\"event\",\"publishers\":[{\"id\":78,\"display\":\"somebody\","
              "\"streams\":[{\"type\":\"audio\",\"mid\":\"a\"},{\"type\":\"video\",\"mid\":\"v\","
              "\"disabled\":true},{\"type\":\"data\",\"mid\":\"d\"}]}]}"),
         later + MILLIS(100));
    expect(b, "= publisher 78 bot -1 voice");
    driver_janus.tick(b, later + MILLIS(200), NULL);
    expect_sent(b, "\"subscribe\":[{\"feed\":77,\"mid\":\"0\"},{\"feed\":78,\"mid\":\"a\"}]", "21");
    janus_bot_free(b);
}

static void lost_peer_connections_and_sessions_are_joined_anew(void **state)
{
    static const char *const cases[][2] = {
        { "{\"janus\":\"hangup\"," SESSION "," SUBSCRIBER ",\"reason\":\"DTLS alert\"}",
          "= rejoin janus-hangup" },
        { "{\"janus\":\"detached\"," SESSION "," PUBLISHER "}", "= rejoin janus-detached" },
        { "{\"janus\":\"timeout\"," SESSION "}", "= rejoin janus-timeout" },
        { "{\"janus\":\"error\"," SESSION ",\"transaction\":\"21\",\"error\":{\"code\":458,"
          "\"reason\":\"No such session\"}}",
          "= rejoin janus-no-session" },
        { FROM(PUBLISHER, "{\"videoroom\":\"destroyed\"}"),
          "= fail janus-room-destroyed: the room was destroyed" },
        { FROM(PUBLISHER, "{\"videoroom\":\"event\",\"leaving\":\"ok\",\"reason\":\"kicked\"}"),
          "= fail janus-kicked: thrown out of the room" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bot *b = settled_viewer();
        driver_janus.tick(b, keepalive_at, NULL);
        forget_notes(b);
        hear(b, cases[i][0], keepalive_at);
        expect(b, cases[i][1]);
        expect_nothing(b);
        janus_bot_free(b);
    }
}

static void a_description_that_makes_no_sense_is_not_answered(void **state)
{
    struct bot *b = settled_viewer();
    b->refuses_descriptions = true;
    hear(b, OFFER(""), later);
    expect_nothing(b); /* the bot has failed by itself */
    janus_bot_free(b);
}

static void who_leaves_says_so(void **state)
{
    struct bot *b = settled_viewer();
    driver_janus.leave(b, later, NULL);
    expect(b, "> {\"janus\":\"destroy\",\"transaction\":\"21\"," SESSION "}");
    janus_bot_free(b);
}

static void a_new_socket_starts_from_nothing(void **state)
{
    struct bot *b = settled_viewer();
    driver_janus.on_open(b, later, NULL);
    expect(b, "> {\"janus\":\"create\",\"transaction\":\"21\"}");
    assert_int_equal(driver_janus.next_deadline(b), later + SECONDS(10));
    hear(b, FROM(SUBSCRIBER, "{\"videoroom\":\"updated\"}"), later); /* of the session before */
    expect_nothing(b);
    janus_bot_free(b);
}

/* --- refusals while joining --- */

static struct bot *joining(void)
{
    struct bot *b = janus_bot_new(4);
    driver_janus.on_open(b, 0, NULL);
    hear(b, "{\"janus\":\"success\",\"transaction\":\"1\",\"data\":{\"id\":1}}", 0);
    hear(b, "{\"janus\":\"success\",\"transaction\":\"2\",\"data\":{\"id\":2}}", 0);
    hear(b, "{\"janus\":\"ack\",\"transaction\":\"4\"}", 0);
    forget_notes(b);
    return b;
}

static void each_refusal_has_a_name_of_its_own(void **state)
{
    static const struct {
        int code;
        const char *id;
    } cases[] = { { 432, "janus-room-full" }, { 433, "janus-unauthorized" },
                  { 437, "janus-bad-sdp" },   { 436, "janus-id-exists" },
                  { 499, "janus-error-499" }, { 471, "janus-busy" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bot *b = joining();
        char text[300], wanted[200];
        (void)snprintf(
            text, sizeof text,
            "{\"janus\":\"event\",\"sender\":2,\"transaction\":\"4\",\"plugindata\":"
            "{\"data\":{\"videoroom\":\"event\",\"error_code\":%d,\"error\":\"Sorry\"}}}",
            cases[i].code);
        hear(b, text, 0);
        (void)snprintf(wanted, sizeof wanted, "= fail %s: Janus refused to join: Sorry (%d)",
                       cases[i].id, cases[i].code);
        expect(b, wanted);
        janus_bot_free(b);
    }
}

static void a_room_that_another_bot_has_just_created_is_joined(void **state)
{
    struct bot *b = joining();
    hear(b,
         "{\"janus\":\"event\",\"sender\":2,\"transaction\":\"4\",\"plugindata\":{\"data\":{"
         "\"videoroom\":\"event\",\"error_code\":426,\"error\":\"No such room\"}}}",
         0);
    expect_sent(b, "\"request\":\"create\"", "5");
    hear(b,
         "{\"janus\":\"success\",\"sender\":2,\"transaction\":\"5\",\"plugindata\":{\"data\":{"
         "\"videoroom\":\"event\",\"error_code\":427,\"error\":\"Room already exists\"}}}",
         0);
    expect_sent(b, "\"request\":\"join\"", "6");
    expect_nothing(b);
    janus_bot_free(b);
}

static void a_janus_that_wants_a_secret_refuses_the_session(void **state)
{
    struct bot *b = janus_bot_new(4);
    driver_janus.on_open(b, 0, NULL);
    forget_notes(b);
    hear(b,
         "{\"janus\":\"error\",\"transaction\":\"1\",\"error\":{\"code\":403,\"reason\":"
         "\"Unauthorized request (wrong or missing secret/token)\"}}",
         0);
    expect(b, "= fail janus-unauthorized: Janus refused to create: Unauthorized request (wrong or "
              "missing secret/token) (403)");
    janus_bot_free(b);
}

static void what_is_no_message_is_noted(void **state)
{
    static const char *const texts[] = {
        "", "nonsense", "[]", "{}", "{\"janus\":5}", "{\"janus\":"
    };
    struct bot *b = joining();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        hear(b, texts[i], 0);
        expect(b, "= error bad-message-of-server");
    }
    hear(b, "{\"janus\":\"event\",\"sender\":2,\"plugindata\":{\"data\":[]}}", 0);
    hear(b, "{\"janus\":\"event\",\"sender\":2,\"plugindata\":7,\"jsep\":[]}", 0);
    hear(b, "{\"janus\":\"something new\"}", 0);
    expect_nothing(b);
    janus_bot_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_publisher_creates_the_room_and_publishes),
        cmocka_unit_test(a_recorded_viewer_follows_those_who_come_and_go),
        cmocka_unit_test(a_session_is_kept_alive),
        cmocka_unit_test(an_answer_that_does_not_come_is_a_failure),
        cmocka_unit_test(wishes_wait_for_the_end_of_an_update),
        cmocka_unit_test(an_update_that_janus_puts_off_ends_with_its_next_offer),
        cmocka_unit_test(a_feed_that_is_gone_already_is_asked_for_once_more_a_little_later),
        cmocka_unit_test(a_height_is_the_smallest_layer_that_reaches_it),
        cmocka_unit_test(a_muted_voice_is_not_subscribed_to),
        cmocka_unit_test(lost_peer_connections_and_sessions_are_joined_anew),
        cmocka_unit_test(a_description_that_makes_no_sense_is_not_answered),
        cmocka_unit_test(who_leaves_says_so),
        cmocka_unit_test(a_new_socket_starts_from_nothing),
        cmocka_unit_test(each_refusal_has_a_name_of_its_own),
        cmocka_unit_test(a_room_that_another_bot_has_just_created_is_joined),
        cmocka_unit_test(a_janus_that_wants_a_secret_refuses_the_session),
        cmocka_unit_test(what_is_no_message_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
