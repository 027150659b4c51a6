/* Who gets the large picture, on synthetic microphones.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/dominant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PEOPLE_MAX = 60 };

/* What a microphone hears. */
enum sound {
    QUIET,  /* its noise only */
    SPEECH, /* syllables, and a breath every two seconds */
    COUGH,  /* 350 ms, once */
    YES,    /* 450 ms, once */
    TYPING, /* keys: 20 ms, five a second */
    FAN,    /* begins, and stays */
    ABSENT, /* sends nothing (DTX) */
};

struct microphone {
    struct dominant_meter meter;
    enum sound sound;
    usec since;      /* of the sound */
    uint8_t noise;   /* -dBov */
    uint8_t loud;    /* … of a voice */
    uint32_t random; /* state */
};

static struct meeting {
    struct microphone people[PEOPLE_MAX];
    size_t count;
    uint32_t dominant; /* index + 1; 0 nobody */
    size_t changes;
    usec now;
} meeting;

static void meet(size_t count, uint8_t noise)
{
    meeting = (struct meeting){ .count = count, .now = SECONDS(100) };
    for (size_t i = 0; i < count; i++)
        meeting.people[i] = (struct microphone){
            .noise = noise, .loud = 28, .since = meeting.now, .random = (uint32_t)i * 7919 + 1
        };
}

static void let(size_t who, enum sound sound)
{
    meeting.people[who].sound = sound;
    meeting.people[who].since = meeting.now;
}

static int jitter(struct microphone *m, int range)
{
    m->random = m->random * 1664525 + 1013904223;
    return (int)(m->random >> 16) % (2 * range + 1) - range;
}

static uint8_t clamp(int level)
{
    return (uint8_t)MIN(MAX(level, 0), 127);
}

static uint8_t hear(struct microphone *m, usec t)
{
    int noise = m->noise + jitter(m, 3), voice = m->loud + jitter(m, 5);
    bool syllable = t % MILLIS(240)<MILLIS(180), breath = t % SECONDS(2)> MILLIS(1650);
    switch (m->sound) {
    case SPEECH:
        return clamp(breath ? noise : syllable ? voice : MIN(m->loud + 24, noise));
    case COUGH:
        return clamp(t < MILLIS(350) ? voice - 10 : noise);
    case YES:
        return clamp(t < MILLIS(450) ? voice : noise);
    case TYPING:
        return clamp(t % MILLIS(200) < MILLIS(20) ? voice : noise);
    case FAN:
        return clamp(45 + jitter(m, 3));
    default:
        return clamp(noise);
    }
}

static void choose(void)
{
    struct dominant_race race = { .incumbent = DOMINANT_NOBODY };
    if (meeting.dominant != 0)
        race.incumbent = dominant_meter_score(&meeting.people[meeting.dominant - 1].meter);
    for (size_t i = 0; i < meeting.count; i++) {
        dominant_meter_tick(&meeting.people[i].meter, meeting.now);
        if (i + 1 != meeting.dominant)
            dominant_race_enter(&race, (uint32_t)i + 1, &meeting.people[i].meter);
    }
    if (race.winner != 0) {
        meeting.dominant = race.winner;
        meeting.changes++;
    }
}

/* Returns when the dominant speaker became `who` (1…), or USEC_NEVER. */
static usec go_on(usec duration, uint32_t who)
{
    usec start = meeting.now, reached = USEC_NEVER;
    for (; meeting.now < start + duration; meeting.now += MILLIS(10)) {
        for (size_t i = 0; i < meeting.count && meeting.now % MILLIS(20) == 0; i++) {
            struct microphone *m = &meeting.people[i];
            if (m->sound != ABSENT)
                dominant_meter_push(&m->meter, hear(m, meeting.now - m->since), meeting.now);
        }
        if (meeting.now % MILLIS(50) == 0)
            choose();
        if (reached == USEC_NEVER && meeting.dominant == who)
            reached = meeting.now - start;
    }
    return reached;
}

static void who_speaks_alone_is_dominant_soon(void **state)
{
    meet(3, 75);
    assert_int_equal(go_on(SECONDS(3), 0), 0);
    assert_int_equal(meeting.dominant, 0);
    let(1, SPEECH);
    usec after = go_on(SECONDS(5), 2);
    print_message("alone: after %lld ms\n", (long long)(after / 1000));
    assert_in_range(after, MILLIS(500), MILLIS(1800));
    assert_int_equal(meeting.changes, 1);
}

static void the_next_speaker_follows_within_seconds(void **state)
{
    meet(3, 75);
    let(0, SPEECH);
    go_on(SECONDS(10), 1);
    usec worst = 0;
    for (size_t turn = 1; turn <= 10; turn++) {
        let((turn - 1) % 3, QUIET);
        let(turn % 3, SPEECH);
        usec after = go_on(SECONDS(6), (uint32_t)(turn % 3) + 1);
        assert_true(after != USEC_NEVER);
        worst = MAX(worst, after);
    }
    print_message("turns: after at most %lld ms\n", (long long)(worst / 1000));
    assert_true(worst <= MILLIS(2500));
    assert_int_equal(meeting.changes, 11);
}

static void coughs_keys_and_short_answers_do_not_take_over(void **state)
{
    meet(4, 75);
    let(0, SPEECH);
    go_on(SECONDS(5), 1);
    for (int i = 0; i < 10; i++) {
        let(1, COUGH);
        let(2, YES);
        let(3, TYPING);
        go_on(SECONDS(2), 1);
    }
    assert_int_equal(meeting.dominant, 1);
    assert_int_equal(meeting.changes, 1);
    let(0, QUIET); /* nor where nobody speaks */
    for (int i = 0; i < 10; i++) {
        let(1, COUGH);
        let(2, YES);
        go_on(SECONDS(4), 1);
    }
    assert_int_equal(meeting.dominant, 1);
    assert_int_equal(meeting.changes, 1);
}

static void whoever_talks_over_somebody_waits_until_they_stop(void **state)
{
    meet(2, 75);
    let(0, SPEECH);
    go_on(SECONDS(5), 1);
    let(1, SPEECH);
    meeting.people[1].loud = 18;
    go_on(SECONDS(10), 1);
    assert_int_equal(meeting.dominant, 1);
    let(0, QUIET);
    assert_in_range(go_on(SECONDS(4), 2), 0, MILLIS(1500));
}

static void a_fan_is_no_speaker(void **state)
{
    meet(2, 75);
    let(0, FAN);
    go_on(SECONDS(10), 1);
    assert_int_equal(meeting.dominant, 0);
    meet(2, 75);
    let(0, SPEECH);
    go_on(SECONDS(5), 1);
    let(1, FAN);
    go_on(SECONDS(10), 1);
    assert_int_equal(meeting.dominant, 1);
    let(0, QUIET);
    go_on(SECONDS(20), 1);
    assert_int_equal(meeting.dominant, 1);
    let(0, SPEECH);
    let(1, SPEECH); /* over the fan's noise */
    meeting.people[1].noise = 45;
    go_on(SECONDS(5), 1);
    let(0, QUIET);
    assert_true(go_on(SECONDS(5), 2) != USEC_NEVER);
}

static void a_quiet_voice_in_a_quiet_room_counts_as_much_as_a_loud_one(void **state)
{
    meet(2, 80);
    meeting.people[0].loud = 20;
    meeting.people[1].loud = 45;
    let(0, SPEECH);
    go_on(SECONDS(5), 1);
    let(0, QUIET);
    let(1, SPEECH);
    assert_true(go_on(SECONDS(4), 2) != USEC_NEVER);
}

static void who_sends_nothing_any_more_gives_way(void **state)
{
    meet(2, 75);
    let(0, SPEECH);
    go_on(SECONDS(5), 1);
    let(0, ABSENT);
    let(1, SPEECH);
    assert_in_range(go_on(SECONDS(4), 2), MILLIS(500), MILLIS(2500));
    go_on(SECONDS(30), 2);
    let(0, SPEECH);
    let(1, ABSENT);
    assert_in_range(go_on(SECONDS(4), 1), MILLIS(500), MILLIS(2500));
}

static void fifty_open_microphones_do_not_matter(void **state)
{
    meet(50, 60);
    for (size_t i = 10; i < 50; i++)
        meeting.people[i].noise = (uint8_t)(40 + i); /* 50 … 89 */
    go_on(SECONDS(3), 0);
    assert_int_equal(meeting.dominant, 0);
    size_t speaker = 0;
    for (int turn = 0; turn < 20; turn++) {
        let(speaker, QUIET);
        speaker = (speaker + 7) % 10;
        let(speaker, SPEECH);
        for (size_t i = 0; i < 10; i++) /* the others are not still either */
            let(10 + (i * 13 + (size_t)turn) % 40, (enum sound)(COUGH + i % 3));
        assert_true(go_on(SECONDS(5), (uint32_t)speaker + 1) != USEC_NEVER);
        assert_int_equal(meeting.dominant, speaker + 1);
    }
    assert_int_equal(meeting.changes, 20);
}

static void a_burst_after_a_stall_says_what_it_would_have_said_in_time(void **state)
{
    struct dominant_meter even = { 0 }, bursty = { 0 };
    struct microphone m = { .sound = SPEECH, .noise = 75, .loud = 28, .random = 1 };
    uint8_t levels[5];
    for (usec t = 0; t < SECONDS(5); t += MILLIS(20)) {
        uint8_t level = hear(&m, t);
        dominant_meter_push(&even, level, t);
        levels[t / MILLIS(20) % 5] = level;
        for (size_t i = 0; i < 5 && t % MILLIS(100) == MILLIS(80); i++)
            dominant_meter_push(&bursty, levels[i], t);
    }
    struct dominant_score a = dominant_meter_score(&even), b = dominant_meter_score(&bursty);
    assert_true(a.lasting > 0 && b.lasting > 0);
    assert_in_range(b.lasting - a.lasting + 400, 0, 800); /* one part */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_speaks_alone_is_dominant_soon),
        cmocka_unit_test(the_next_speaker_follows_within_seconds),
        cmocka_unit_test(coughs_keys_and_short_answers_do_not_take_over),
        cmocka_unit_test(whoever_talks_over_somebody_waits_until_they_stop),
        cmocka_unit_test(a_fan_is_no_speaker),
        cmocka_unit_test(a_quiet_voice_in_a_quiet_room_counts_as_much_as_a_loud_one),
        cmocka_unit_test(who_sends_nothing_any_more_gives_way),
        cmocka_unit_test(fifty_open_microphones_do_not_matter),
        cmocka_unit_test(a_burst_after_a_stall_says_what_it_would_have_said_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
