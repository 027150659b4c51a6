/* Whole bots in simulation: every way in which a join can fail has a stage and a name, and an end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_case.h"

#include <stdio.h>
#include <stdlib.h>

/* --- joins that fail --- */

static void assert_failed(const char *error, enum join_stage stage)
{
    const struct bot_failure *f = bot_failure(sim.bots[0].bot);
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_FAILED);
    assert_string_equal(f->error, error);
    assert_int_equal(f->stage, stage);
    assert_true(f->message[0] != '\0');
    assert_int_equal(sim.measure->join_failed, 1);
    assert_int_equal(sim.measure->join_done, 0);
    assert_int_equal(bot_next_deadline(sim.bots[0].bot), USEC_NEVER);
    assert_int_equal(sim.bots[0].socket, 0); /* nothing stays open */
    assert_int_equal(sim.bots[0].ports[0], 0);
}

static void every_refusal_of_a_join_is_a_failure_with_its_name(void **state)
{
    static const char *const errors[] = { "bad-token",     "token-expired", "bad-room-name",
                                          "bad-name",      "bad-sdp",       "forbidden",
                                          "room-full",     "no-node",       "node-timeout",
                                          "unavailable",   "internal",      "rate-limited",
                                          "already-joined" };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        sim_init(&sim, alone, 20 + i);
        snprintf(sim.server.refuse_join, sizeof sim.server.refuse_join, "%s", errors[i]);
        sim_start(&sim);
        sim_run(&sim, SECONDS(1));
        assert_failed(errors[i], STAGE_JOIN);
        assert_string_equal(sim.measure->signal_errors[0].error, errors[i]);
        if (i + 1 < ARRAY_LEN(errors))
            sim_done(&sim);
    }
}

static void a_refused_token_is_a_failure_of_that_stage(void **state)
{
    static const struct {
        int status;
        const char *body, *error;
    } cases[] = { { 401, "{\"error\":\"bad-password\"}", "bad-password" },
                  { 429, "{\"error\":\"rate-limited\",\"message\":\"wait\"}", "rate-limited" },
                  { 404, "<html>", "http-404" },
                  { 500, "", "http-500" },
                  { 0, "", "refused" },
                  { 200, "{}", "bad-token-answer" },
                  { 200, "nonsense", "bad-token-answer" },
                  { 200, "{\"access_token\":7}", "bad-token-answer" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        sim_init(&sim, alone, 30 + i);
        sim.token_status = cases[i].status;
        sim.token_body = cases[i].body;
        sim_start(&sim);
        sim_run(&sim, SECONDS(1));
        assert_failed(cases[i].error, STAGE_TOKEN);
        assert_int_equal(sim.socket_count, 0);
        if (i + 1 < ARRAY_LEN(cases))
            sim_done(&sim);
    }
}

static void a_refused_socket_is_a_failure_of_that_stage(void **state)
{
    sim_init(&sim, alone, 40);
    sim.refuse_open = "refused";
    sim_start(&sim);
    sim_run(&sim, SECONDS(1));
    assert_failed("refused", STAGE_TCP);
}

static void a_server_that_never_answers_the_join_is_given_up(void **state)
{
    sim_init(&sim, alone, 41);
    sim.server.silent = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(14));
    assert_int_equal(bot_state(sim.bots[0].bot), BOT_JOINING);
    sim_run(&sim, SECONDS(2));
    assert_failed("no-answer", STAGE_JOIN);
}

static void an_answer_to_something_else_is_no_join(void **state)
{
    sim_init(&sim, alone, 46);
    sim.server.odd = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(1));
    assert_failed("bad-answer", STAGE_JOIN);
}

static void a_websocket_that_never_opens_is_given_up(void **state)
{
    sim_init(&sim, alone, 42);
    sim.never_open = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(21));
    assert_failed("timeout", STAGE_TLS);
    assert_non_null(strstr(bot_failure(sim.bots[0].bot)->message, "20000 ms"));
}

static void an_unreachable_media_port_is_named(void **state)
{
    sim_init(&sim, alone, 43);
    sim.bots[0].deaf = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(12));
    assert_failed("no-answer", STAGE_ICE);
    assert_non_null(strstr(bot_failure(sim.bots[0].bot)->message, "198.51.100.1:40000"));
}

static void dtls_that_does_not_pass_is_given_up(void **state)
{
    sim_init(&sim, alone, 44);
    sim.no_dtls = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(21));
    assert_failed("timeout", STAGE_DTLS);
}

/* The server gives a transport up before the bot does. It was never in the room: it does not fight
 * on for ever. */
static void media_that_fails_during_the_first_join_is_a_failed_join(void **state)
{
    sim_init(&sim, alone, 45);
    sim.bots[0].deaf = true;
    sim_start(&sim);
    sim_run(&sim, SECONDS(1));
    sim.server.now = sim.now;
    sim_server_on_media(&sim.server, sim.server.members[0].id, "failed");
    sim_run(&sim, SECONDS(1));
    assert_failed("media-failed", STAGE_ICE);
}

#define TEST(f) cmocka_unit_test_teardown(f, sim_case_done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_refusal_of_a_join_is_a_failure_with_its_name),
        TEST(a_refused_token_is_a_failure_of_that_stage),
        TEST(a_refused_socket_is_a_failure_of_that_stage),
        TEST(a_server_that_never_answers_the_join_is_given_up),
        TEST(an_answer_to_something_else_is_no_join),
        TEST(a_websocket_that_never_opens_is_given_up),
        TEST(an_unreachable_media_port_is_named),
        TEST(dtls_that_does_not_pass_is_given_up),
        TEST(media_that_fails_during_the_first_join_is_a_failed_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
