/* What chaos broke, out of what bots noted. SPDX-License-Identifier: Apache-2.0 */
#include "io/collect.h"

#include "core/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { STREAMS = 10, END = 60000000 };

/* The event of each test is from 20 s to 30 s. */
static json_t *hit(struct collected_interruption *all, size_t count, struct collected_outage *lost,
                   size_t lost_count)
{
    struct collected c = { .streams = { STREAMS, 0 },
                           .interruptions = all,
                           .interruption_count = count,
                           .outages = lost,
                           .outage_count = lost_count };
    json_t *ret = json_object();
    collect_hit(&c, SECONDS(20), SECONDS(30), 0, END, ret);
    return ret;
}

static struct collected_interruption stopped(unsigned bot, int publisher, usec from, usec to)
{
    return (struct collected_interruption){
        .bot = bot,
        .name = "listener-1 (bot 1)",
        .interruption = { .from = from, .to = to, .publisher = publisher, .kind = MEDIA_AUDIO }
    };
}

static void expect_media(json_t *result, unsigned streams_hit, unsigned notes)
{
    assert_int_equal(result_number(result, "media.streams"), STREAMS);
    assert_int_equal(result_number(result, "media.hit"), streams_hit);
    assert_int_equal(result_number(result, "media.untouched"), STREAMS - streams_hit);
    assert_int_equal(json_array_size(result_at(result, "media.bots")), notes);
    json_decref(result);
}

static void a_break_is_dated_just_before_its_cause(void **state)
{
    (void)state;
    struct collected_interruption all[] = { stopped(1, 7, MILLIS(19970), SECONDS(24)) };
    expect_media(hit(all, 1, NULL, 0), 1, 1);
}

static void what_was_over_before_or_began_after_is_not_its_work(void **state)
{
    (void)state;
    struct collected_interruption all[] = { stopped(1, 7, SECONDS(18), MILLIS(19500)),
                                            stopped(1, 8, MILLIS(30001), SECONDS(32)) };
    expect_media(hit(all, ARRAY_LEN(all), NULL, 0), 0, 0);
}

static void what_never_came_back_counts_until_the_end(void **state)
{
    (void)state;
    struct collected_interruption all[] = { stopped(1, 7, SECONDS(21), USEC_NEVER) };
    json_t *result = hit(all, 1, NULL, 0);
    const json_t *note = json_array_get(result_at(result, "media.bots"), 0);
    assert_int_equal(result_number(note, "ms"), 39000);
    assert_string_equal(result_text(note, "from", ""), "bot 7");
    expect_media(result, 1, 1);
}

static void a_stream_that_breaks_twice_is_one_stream(void **state)
{
    (void)state;
    struct collected_interruption all[] = { stopped(1, 7, SECONDS(21), SECONDS(22)),
                                            stopped(1, 8, SECONDS(21), SECONDS(22)),
                                            stopped(1, 7, SECONDS(25), SECONDS(26)),
                                            stopped(2, 7, SECONDS(25), SECONDS(26)) };
    expect_media(hit(all, ARRAY_LEN(all), NULL, 0), 3, 4);
}

static void a_break_before_the_event_does_not_excuse_one_in_it(void **state)
{
    (void)state;
    struct collected_interruption all[] = { stopped(1, 7, SECONDS(5), SECONDS(6)),
                                            stopped(1, 7, SECONDS(25), SECONDS(26)) };
    expect_media(hit(all, ARRAY_LEN(all), NULL, 0), 1, 1);
}

static void lost_signaling_says_whose_and_how_it_came_back(void **state)
{
    (void)state;
    struct collected_outage lost[] = {
        { .bot = 1,
          .outage = { .from = SECONDS(21), .to = SECONDS(22), .resumed = true, .server = "s-1" } },
        { .bot = 2, .outage = { .from = SECONDS(22), .to = SECONDS(29), .server = "s-1" } },
        { .bot = 3, .outage = { .from = SECONDS(23), .to = USEC_NEVER, .server = "s-1" } },
        { .bot = 4, .outage = { .from = SECONDS(40), .to = SECONDS(41), .resumed = true } },
    };
    json_t *result = hit(NULL, 0, lost, ARRAY_LEN(lost));
    assert_int_equal(result_number(result, "signaling.lost"), 3);
    assert_int_equal(result_number(result, "signaling.resumed"), 1);
    assert_int_equal(result_number(result, "signaling.rejoined"), 1);
    assert_int_equal(result_number(result, "signaling.never"), 1);
    const json_t *bots = result_at(result, "signaling.bots");
    static const char *const HOW[] = { "resumed", "rejoined", "never" };
    for (size_t i = 0; i < ARRAY_LEN(HOW); i++) {
        assert_string_equal(result_text(json_array_get(bots, i), "how", ""), HOW[i]);
        assert_string_equal(result_text(json_array_get(bots, i), "server", ""), "s-1");
    }
    json_decref(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_break_is_dated_just_before_its_cause),
        cmocka_unit_test(what_was_over_before_or_began_after_is_not_its_work),
        cmocka_unit_test(what_never_came_back_counts_until_the_end),
        cmocka_unit_test(a_stream_that_breaks_twice_is_one_stream),
        cmocka_unit_test(a_break_before_the_event_does_not_excuse_one_in_it),
        cmocka_unit_test(lost_signaling_says_whose_and_how_it_came_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
