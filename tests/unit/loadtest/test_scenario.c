/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/scenario.h"
#include "core/slo.h"

#include "fail_alloc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static char error[SCENARIO_ERROR_MAX + SLO_ERROR_MAX];

static struct scenario *parse_with(const char *text, const char *const *sets, size_t set_count)
{
    struct scenario *s = NULL;
    enum err e = scenario_parse(bytes_of_str(text), sets, set_count, &s, error);
    if (e != OK)
        fail_msg("refused: %s", error);
    return s;
}

static struct scenario *parse(const char *text)
{
    return parse_with(text, NULL, 0);
}

static void expect_error(const char *text, const char *set, const char *expected)
{
    struct scenario *s = NULL;
    memset(error, 'x', sizeof error);
    enum err e = scenario_parse(bytes_of_str(text), &set, set == NULL ? 0 : 1, &s, error);
    if (e == OK)
        fail_msg("accepted, but expected: %s", expected);
    assert_non_null(memchr(error, 0, sizeof error));
    assert_null(s);
    if (strstr(error, expected) == NULL)
        fail_msg("said: %s\nexpected: %s", error, expected);
}

static void a_group_has_the_defaults_of_the_page(void **state)
{
    struct scenario *s = parse("groups:\n  people:\n");
    assert_string_equal(s->name, "unnamed");
    assert_int_equal(s->rooms, 1);
    assert_int_equal(s->duration_us, SECONDS(30));
    assert_int_equal(s->join_timeout_us, SECONDS(20));
    assert_true(s->joins_per_second == 20);
    assert_int_equal(s->group_count, 1);
    const struct group *g = &s->groups[0];
    assert_string_equal(g->name, "people");
    assert_int_equal(g->bots, 1);
    assert_int_equal(g->talk, TALK_NEVER);
    assert_int_equal(g->video, VIDEO_OFF);
    assert_int_equal(g->layer_count, 0);
    assert_int_equal(g->audio_slots, 4);
    assert_int_equal(g->video_slots, 9);
    assert_int_equal(g->watch, 9);
    assert_int_equal(g->watch_width, 320);
    assert_int_equal(g->network, -1);
    assert_true(g->listen_share > 0.099 && g->listen_share < 0.101);
    scenario_free(s);
}

static const char full[] = "name: all\n"
                           "rooms: 3\n"
                           "room-prefix: den\n"
                           "joins: 30/min\n"
                           "settle: 500ms\n"
                           "duration: 2min\n"
                           "groups:\n"
                           "  people:\n"
                           "    bots: 4\n"
                           "    talk: turns\n"
                           "    talkers: 2\n"
                           "    turn: 1.5s\n"
                           "    video: h264\n"
                           "    layers: [180, 720]\n"
                           "    watch: 5\n"
                           "    watch-size: 640x360\n"
                           "    watch-large: 1\n"
                           "    thumb-size: 160x90\n"
                           "    scroll: 4s\n"
                           "    stay: 1h\n"
                           "    network: dsl\n"
                           "  mixed:\n"
                           "    video: mixed\n"
                           "networks:\n"
                           "  dsl:\n"
                           "    both: { delay: 30ms, loss: 0.5% }\n"
                           "    up: { rate: 1.5mbps, queue: 100ms, loss: 1% }\n"
                           "    down: { burst-enter: 2%, burst-leave: 25% }\n"
                           "chaos:\n"
                           "  kill:\n"
                           "    at: 5s\n"
                           "    run: ./dev stop --kill signald-1\n"
                           "    undo-after: 2s\n"
                           "    undo: ./dev start signald-1\n"
                           "storms:\n"
                           "  cut: { at: 10s, group: mixed, share: 50% }\n"
                           "  again: { at: 11s, rejoin: yes }\n";

static void every_kind_of_value_is_read(void **state)
{
    struct scenario *s = parse(full);
    assert_string_equal(s->room_prefix, "den");
    assert_true(s->joins_per_second == 0.5);
    assert_int_equal(s->settle_us, MILLIS(500));
    assert_int_equal(s->duration_us, SECONDS(120));
    const struct group *g = &s->groups[0];
    assert_int_equal(g->turn_us, MILLIS(1500));
    assert_int_equal(g->video, VIDEO_ONE);
    assert_int_equal(g->codec, CODEC_H264);
    assert_int_equal(g->layer_count, 2);
    assert_int_equal(g->layers[1], 720);
    assert_int_equal(g->watch_height, 360);
    assert_int_equal(g->thumb_height, 90);
    assert_int_equal(g->stay_us, SECONDS(3600));
    assert_int_equal(g->away_us, SECONDS(5));
    assert_int_equal(g->network, 0);
    assert_int_equal(s->groups[1].video, VIDEO_MIXED);
    assert_int_equal(s->groups[1].layer_count, 3);
    const struct network *n = &s->networks[0];
    assert_true(n->up.loss == 0.01 && n->down.loss == 0.005);
    assert_int_equal(n->up.rate_bps, 1500000);
    assert_int_equal(n->up.queue_us_max, 100000);
    assert_int_equal(n->down.rate_bps, 0);
    assert_int_equal(n->down.delay_us, 30000);
    assert_true(n->down.burst_loss == 1 && n->up.burst_enter == 0);
    assert_string_equal(s->chaos[0].name, "kill");
    assert_string_equal(s->chaos[0].undo, "./dev start signald-1");
    assert_int_equal(s->chaos[0].undo_after_us, SECONDS(2));
    assert_int_equal(s->storms[0].group, 1);
    assert_true(s->storms[0].share == 0.5 && !s->storms[0].rejoin);
    assert_true(s->storms[1].group == -1 && s->storms[1].share == 1 && s->storms[1].rejoin);
    scenario_free(s);
}

static void overrides_change_add_and_take_a_star(void **state)
{
    const char *sets[] = { "groups.people.bots=30", "groups.people.layers=180,360,720",
                           "groups.*.audio-slots=7", "groups.people.network=none", "duration=60s" };
    struct scenario *s = parse_with(full, sets, ARRAY_LEN(sets));
    assert_int_equal(s->groups[0].bots, 30);
    assert_int_equal(s->groups[0].layer_count, 3);
    assert_int_equal(s->groups[0].audio_slots, 7);
    assert_int_equal(s->groups[1].audio_slots, 7);
    assert_int_equal(s->groups[0].network, -1);
    assert_int_equal(s->duration_us, SECONDS(60));
    scenario_free(s);
}

static void what_is_wrong_is_said_with_place_and_remedy(void **state)
{
    static const struct {
        const char *text, *set, *expected;
    } cases[] = {
        { "groups:\n  p:\n    video: vp7\n", NULL,
          "line 3: groups.p.video: 'vp7' (did you mean 'vp8'?); expected: vp8, vp9, h264, av1, "
          "mixed, off" },
        { "groups:\n  p:\n    bot: 7\n", NULL,
          "line 3: groups.p.bot: unknown key (did you mean 'bots'?); the keys here are: bots, "
          "talk" },
        { "durration: 7s\n", NULL, "line 1: durration: unknown key (did you mean 'duration'?)" },
        { "duration: 30\n", NULL,
          "line 1: duration: '30'; expected: a duration like 200ms, 1.5s or 2min" },
        { "duration: -3s\n", NULL, "line 1: duration: '-3s'" },
        { "duration: 1e9s\n", NULL, "line 1: duration: '1e9s'" },
        { "duration: 100ms\n", NULL, "'100ms' is out of range; expected: from 1s to 720h" },
        { "groups:\n  p:\n    listen: 0.5\n", NULL, "expected: a share like 1%" },
        { "groups:\n  p:\n    listen: 101%\n", NULL, "'101%' is more than 100%" },
        { "groups:\n  p:\n    bots: 1.5\n", NULL, "expected: a whole number" },
        { "groups:\n  p:\n    bots: 0\n", NULL, "out of range; expected: from 1 to 100000" },
        { "groups:\n  p:\n    bots: [1]\n", NULL,
          "line 3: groups.p.bots: has a list; expected: a" },
        { "groups: 7\n", NULL, "line 1: groups: keys of its own are expected here" },
        { "groups:\n  p:\n    video: vp8\n    layers: [720, 180]\n", NULL,
          "line 4: groups.p.layers: '720,180'; expected: one to three heights, ascending" },
        { "groups:\n  p:\n    video: vp8\n    layers: [240]\n", NULL,
          "line 4: groups.p.layers: the built-in clips have the heights 180, 360 and 720" },
        { "groups:\n  p:\n    video: vp8\n    layers: [180, 360]\n    video-file: a.ivf\n", NULL,
          "line 4: groups.p.layers: are more than one, but 'video-file' is one" },
        { "groups:\n  p:\n    video: av1\n    scalability: L3T3_KYE\n", NULL,
          "line 4: groups.p.scalability: 'L3T3_KYE' (did you mean 'L3T3_KEY'?); expected: off, " },
        { "groups:\n  p:\n    video: av1\n    scalability: S3T3\n", NULL,
          "line 4: groups.p.scalability: 'S3T3'" },
        { "groups:\n  p:\n    video: h264\n    scalability: L3T3\n", NULL,
          "line 4: groups.p.scalability: is for cameras with layers in one stream ('video: vp9' or "
          "'video: av1')" },
        { "groups:\n  p:\n    video: mixed\n    scalability: L3T3\n", NULL,
          "line 4: groups.p.scalability: is for cameras with layers in one stream" },
        { "groups:\n  p:\n    scalability: L3T3\n", NULL,
          "line 3: groups.p.scalability: is for groups with a camera" },
        { "groups:\n  p:\n    video: vp9\n    scalability: L2T3\n    layers: [180]\n", NULL,
          "line 5: groups.p.layers: are 1, but the spatial layers of L2T3 are 2" },
        { "groups:\n  p:\n    video: vp9\n    scalability: L2T3\n    layers: [180, 720]\n", NULL,
          "line 5: groups.p.layers: of one stream are each twice as high as the one below" },
        { "groups:\n  p:\n    video: vp9\n    scalability: L1T3\n    video-file: a.ivf\n", NULL,
          "line 4: groups.p.scalability: is for the built-in clips" },
        { "groups:\n  p:\n    video: av1\n    scalability: L1T3\n    dependency-descriptor: no\n",
          NULL, "line 5: groups.p.dependency-descriptor: is what tells the layers of AV1 apart" },
        { "groups:\n  p:\n    layers: [180]\n", NULL,
          "line 3: groups.p.layers: is for groups with a camera" },
        { "groups:\n  p:\n    talk: turns\n    talkers: 2\n", NULL,
          "line 4: groups.p.talkers: are more than the bots of the group" },
        { "groups:\n  p:\n    watch: 10\n", NULL, "line 3: groups.p.watch: are more cameras than" },
        { "groups:\n  p:\n    network: wify\nnetworks:\n  wifi: {}\n", NULL,
          "there is no network 'wify' (did you mean 'wifi'?); there are: wifi, none" },
        { "groups:\n  p: {}\nstorms:\n  s: { group: q }\n", NULL, "there is no group 'q'" },
        { "groups:\n  p: {}\nduration: 5s\nstorms:\n  s: { at: 5s }\n", NULL,
          "line 5: storms.s.at: is after the end of the plateau" },
        { "groups:\n  p: {}\nchaos:\n  s: { at: 5s }\n", NULL,
          "line 4: chaos.s: says nothing; expected: a shell command" },
        { "groups:\n  p: {}\nchaos:\n  s: { run: a, undo: b }\n", NULL,
          "'undo' and 'undo-after' go together" },
        { "groups:\n  p: {}\nnetworks:\n  w:\n    up: { burst-enter: 1% }\n", NULL,
          "line 5: networks.w.up.burst-enter: needs 'burst-leave'" },
        { "groups:\n  p: {}\n  p: {}\n", NULL, "line 2: groups.p: is there again at line 3" },
        { "groups:\n  all: {}\n", NULL, "line 2: groups.all: a name has letters" },
        { "", NULL, "there are no bots: 'groups' needs at least one" },
        { "rooms: 300\ngroups:\n  p: { bots: 400 }\n", NULL, "are more than 100000" },
        { "a: &x 1\n", NULL, "line 1: anchors, aliases and tags" },
        { "a: [1\n", NULL, "line 2: " },
        { "a: 1\n---\nb: 2\n", NULL, "line 2: only one document is expected" },
        { "- a\n", NULL, "line 1: 'key: value' lines are expected" },
        { "a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}\n", NULL, "nested too deep" },
        { "groups:\n  people: {}\n", "groups.pepole.bots=3",
          "--set groups.pepole.bots=3: the scenario has no 'pepole' here (did you mean 'people'?); "
          "it has: people" },
        { "groups:\n  people: {}\n", "groups.people.bots=x", "--set groups.people.bots: 'x'" },
        { "groups:\n  people: {}\n", "groups.people.bot=3",
          "--set groups.people.bot: unknown key" },
        { "groups:\n  people: {}\n", "groups", "expected <key>=<value>" },
        { "groups:\n  people: {}\n", "groups.people=3", "'people' has parts: say which one" },
        { "groups:\n  people: {}\n", "=3", "expected <key>=<value>" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_error(cases[i].text, cases[i].set, cases[i].expected);
}

static void too_much_is_refused(void **state)
{
    static char text[300 * 1024];
    memset(text, '#', sizeof text - 1);
    expect_error(text, NULL, "at most 256 KiB");
    size_t len = (size_t)snprintf(text, sizeof text, "groups:\n");
    for (int i = 0; i < SCENARIO_GROUPS_MAX + 1; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "  g%d: {}\n", i);
    expect_error(text, NULL, "line 18: groups.g16: there are at most 16 of these");
    struct scenario *s = NULL;
    assert_int_equal(scenario_parse(bytes_of("a: \0b", 5), NULL, 0, &s, error), ERR_MALFORMED);
}

static void parse_and_free(void *data)
{
    const char *sets[] = { "groups.people.bots=30", "groups.people.layers=180,360",
                           "groups.*.audio-slots=7", "networks.dsl.up.delay=3ms" };
    struct scenario *s = NULL;
    enum err e = scenario_parse(bytes_of_str(full), sets, ARRAY_LEN(sets), &s, error);
    if (e != OK) {
        assert_int_equal(e, ERR_FULL);
        assert_non_null(strstr(error, "no memory"));
        assert_null(s);
    }
    scenario_free(s);
}

static void without_memory_nothing_breaks_or_leaks(void **state)
{
    assert_in_range(fail_alloc_each(parse_and_free, NULL), 100, 1000);
}

static void bots_are_dealt_room_by_room(void **state)
{
    struct scenario *s = parse("rooms: 3\ngroups:\n  a: { bots: 2 }\n  b: { bots: 3 }\n");
    assert_int_equal(scenario_bot_count(s), 15);
    struct bot_place p = scenario_place(s, 0);
    assert_true(p.room == 0 && p.group == 0 && p.member == 0);
    p = scenario_place(s, 4);
    assert_true(p.room == 0 && p.group == 1 && p.member == 2);
    p = scenario_place(s, 11);
    assert_true(p.room == 2 && p.group == 0 && p.member == 1);
    p = scenario_place(s, 12);
    assert_true(p.room == 2 && p.group == 1 && p.member == 0);
    scenario_free(s);
}

/* How many of group 0 speak in this room at this time; adds to their turns. */
static unsigned count_talkers(const struct scenario *s, unsigned room, usec at, unsigned *turns)
{
    unsigned n = 0;
    for (unsigned m = 0; m < s->groups[0].bots; m++) {
        bool talks = scenario_talks(s, (struct bot_place){ .room = room, .member = m }, at);
        n += talks;
        turns[m] += talks;
    }
    return n;
}

static void as_many_as_should_speak_at_any_time_and_everybody_in_turn(void **state)
{
    for (unsigned bots = 1; bots <= 24; bots++)
        for (unsigned talkers = 1; talkers <= bots; talkers += 3) {
            char text[128];
            (void)snprintf(text, sizeof text,
                           "rooms: 4\ngroups:\n  g: { bots: %u, talk: turns, talkers: %u, "
                           "turn: 2s }\n",
                           bots, talkers);
            struct scenario *s = parse(text);
            for (unsigned room = 0; room < 4; room++) {
                unsigned turns[24] = { 0 };
                unsigned round = (bots + talkers - 1) / talkers;
                for (unsigned t = 0; t < round; t++)
                    assert_int_equal(count_talkers(s, room, SECONDS(2 * t) + MILLIS(700), turns),
                                     talkers);
                for (unsigned m = 0; m < bots; m++)
                    assert_in_range(turns[m], 1, 2);
            }
            scenario_free(s);
        }
}

static void rooms_speak_in_different_orders_and_a_turn_lasts(void **state)
{
    struct scenario *s = parse("rooms: 50\ngroups:\n  g: { bots: 20, talk: turns, turn: 2s }\n");
    unsigned first[20] = { 0 }, kinds = 0;
    for (unsigned room = 0; room < 50; room++)
        for (unsigned m = 0; m < 20; m++) {
            struct bot_place p = { .room = room, .member = m };
            bool talks = scenario_talks(s, p, 0);
            first[m] += talks;
            assert_int_equal(talks, scenario_talks(s, p, MILLIS(1999)));
            assert_int_equal(talks, scenario_talks(s, p, -5));
            assert_false(talks && scenario_talks(s, p, SECONDS(2)));
        }
    for (unsigned m = 0; m < 20; m++)
        kinds += first[m] > 0;
    assert_true(kinds > 10);
    s->groups[0].talk = TALK_ALWAYS;
    assert_true(scenario_talks(s, (struct bot_place){ 0 }, 0));
    s->groups[0].talk = TALK_MUTED;
    assert_false(scenario_talks(s, (struct bot_place){ 0 }, 0));
    scenario_free(s);
}

static void a_search_makes_the_audience_grow(void **state)
{
    struct scenario *s = parse("groups:\n  speakers: { bots: 5, talk: turns, talkers: 5 }\n"
                               "  listeners: { bots: 50 }\n");
    scenario_scale(s, 300);
    assert_int_equal(s->groups[0].bots, 5);
    assert_int_equal(s->groups[1].bots, 295);
    scenario_scale(s, 4);
    assert_int_equal(s->groups[1].bots, 3);
    assert_int_equal(s->groups[0].bots, 1);
    assert_int_equal(s->groups[0].talkers, 1);
    scenario_scale(s, 400); /* nothing is left of having been small */
    assert_int_equal(s->groups[0].bots, 5);
    assert_int_equal(s->groups[0].talkers, 5);
    assert_int_equal(s->groups[1].bots, 395);
    scenario_free(s);
}

static void a_search_makes_more_of_many_rooms(void **state)
{
    struct scenario *s = parse("rooms: 10\ngroups:\n  people: { bots: 4 }\n");
    scenario_scale(s, 203);
    assert_int_equal(s->rooms, 50);
    assert_int_equal(s->groups[0].bots, 4);
    scenario_scale(s, 3);
    assert_int_equal(scenario_bot_count(s), 3);
    scenario_scale(s, 81);
    assert_int_equal(s->rooms, 20);
    assert_int_equal(s->groups[0].bots, 4);
    scenario_free(s);
}

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char *text = (char *)malloc(SCENARIO_TEXT_MAX * 64);
    assert_non_null(text);
    *ret_len = fread(text, 1, SCENARIO_TEXT_MAX * 64 - 1, file);
    text[*ret_len] = '\0';
    (void)fclose(file);
    return text;
}

static void each_scenario_that_is_shipped_can_be_run(void **state)
{
    DIR *dir = opendir(SCENARIOS);
    assert_non_null(dir);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".yaml") != 0)
            continue;
        char path[1024], name[SCENARIO_NAME_MAX];
        (void)snprintf(path, sizeof path, "%s/%s", SCENARIOS, entry->d_name);
        (void)snprintf(name, sizeof name, "%.*s", (int)(dot - entry->d_name), entry->d_name);
        size_t len;
        char *text = read_file(path, &len);
        assert_true(text[0] == '#'); /* says what it is for */
        struct scenario *s = NULL;
        if (scenario_parse(bytes_of(text, len), NULL, 0, &s, error) != OK)
            fail_msg("%s: %s", path, error);
        assert_string_equal(s->name, name);
        assert_true(s->description[0] != '\0');
        assert_in_range(s->duration_us, SECONDS(5), SECONDS(60));
        struct slo slo;
        if (s->slo[0] != '\0' && slo_parse(s->slo, &slo, error) != OK)
            fail_msg("%s: slo: %s", path, error);
        scenario_free(s);
        free(text);
        count++;
    }
    (void)closedir(dir);
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_has_the_defaults_of_the_page),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(overrides_change_add_and_take_a_star),
        cmocka_unit_test(what_is_wrong_is_said_with_place_and_remedy),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(without_memory_nothing_breaks_or_leaks),
        cmocka_unit_test(bots_are_dealt_room_by_room),
        cmocka_unit_test(as_many_as_should_speak_at_any_time_and_everybody_in_turn),
        cmocka_unit_test(rooms_speak_in_different_orders_and_a_turn_lasts),
        cmocka_unit_test(a_search_makes_the_audience_grow),
        cmocka_unit_test(a_search_makes_more_of_many_rooms),
        cmocka_unit_test(each_scenario_that_is_shipped_can_be_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
