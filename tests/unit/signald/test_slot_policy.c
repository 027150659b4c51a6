/* test_slot_policy.c - who is shown where, as sentences. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/signald/core/slot_policy.h"

#include <stdio.h>

/* A viewer "me" in a room of a, b, c, …; two audio slots (0, 1) and three video slots (2, 3, 4). */
struct scene {
    struct room room;
    struct slot slots[5];
    struct view_entry view[8];
    struct slot_viewer viewer;
};

static void init(struct scene *s, const char *members)
{
    *s = (struct scene){ .viewer = { .participant = "me", .may_subscribe = true } };
    room_init(&s->room);
    json_t *list = json_array();
    json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I}", "id", "me", "name", "me", "role",
                                          "member", "joined_at", (json_int_t)0));
    for (size_t i = 0; members[i] != 0; i++) {
        char id[2] = { members[i], 0 };
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I}", "id", id, "name", id, "role",
                                              "member", "joined_at", (json_int_t)(i + 1)));
    }
    json_t *snapshot = json_pack("{s:i,s:o}", "seq", 1, "participants", list);
    assert_int_equal(room_load(&s->room, snapshot), ROOM_APPLIED);
    json_decref(snapshot);
    for (size_t i = 0; i < 5; i++)
        s->slots[i] = (struct slot){ .mid = { (char)('0' + i) }, .is_audio = i < 2 };
    s->viewer.view = s->view;
}

static struct track *track(struct scene *s, const char *id, enum source source)
{
    return &room_find(&s->room, id)->tracks[source];
}

static void show(struct scene *s, const char *id, enum source source)
{
    *track(s, id, source) = (struct track){ .is_published = true, .width = 1280, .height = 720 };
}

static void want(struct scene *s, const char *id, enum source source, unsigned height)
{
    struct view_entry *e = &s->view[s->viewer.view_count++];
    *e = (struct view_entry){ .source = source, .height = height };
    snprintf(e->participant, sizeof(e->participant), "%s", id);
    s->viewer.has_view = true;
}

static enum slot_change assign(struct scene *s)
{
    struct slot_plan plan;
    slot_plan_init(&plan, &s->room);
    enum slot_change c = slot_policy_assign(s->slots, 5, &s->viewer, &plan, &s->room);
    slot_plan_done(&plan);
    return c;
}

/* "a." per slot: participant and c(amera) s(creen) m(icrophone) x (screen audio); "-" = empty. */
static const char *shown(const struct scene *s, char ret[32])
{
    size_t at = 0;
    for (size_t i = 0; i < 5; i++)
        at += (size_t)snprintf(ret + at, 32 - at, i == 0 ? "%s%c" : " %s%c",
                               s->slots[i].participant[0] == 0 ? "" : s->slots[i].participant,
                               s->slots[i].participant[0] == 0 ? '-' : "mcsx"[s->slots[i].source]);
    return ret;
}
#define assert_shown(s, text)                                                                      \
    do {                                                                                           \
        char buffer_[32];                                                                          \
        assert_string_equal(shown(s, buffer_), text);                                              \
    } while (0)

static void screens_come_before_cameras_in_joining_order(void **state)
{
    struct scene s;
    init(&s, "abc");
    show(&s, "a", SOURCE_CAMERA);
    show(&s, "b", SOURCE_CAMERA);
    show(&s, "c", SOURCE_CAMERA);
    show(&s, "c", SOURCE_SCREEN);
    assert_int_equal(assign(&s), SLOT_CHANGE_TRACK);
    assert_shown(&s, "- - cs ac bc");
    assert_int_equal(assign(&s), SLOT_CHANGE_NONE);
    room_done(&s.room);
}

static void nobody_is_shown_to_themselves(void **state)
{
    struct scene s;
    init(&s, "a");
    show(&s, "me", SOURCE_CAMERA);
    show(&s, "me", SOURCE_MICROPHONE);
    want(&s, "me", SOURCE_CAMERA, 720);
    assert_int_equal(assign(&s), SLOT_CHANGE_NONE);
    assert_shown(&s, "- - - - -");
    room_done(&s.room);
}

static void muted_or_unpublished_video_is_not_shown(void **state)
{
    struct scene s;
    init(&s, "ab");
    show(&s, "a", SOURCE_CAMERA);
    show(&s, "b", SOURCE_CAMERA);
    assign(&s);
    assert_shown(&s, "- - ac bc -");
    track(&s, "a", SOURCE_CAMERA)->is_muted = true;
    assert_int_equal(assign(&s), SLOT_CHANGE_TRACK);
    assert_shown(&s, "- - - bc -");
    track(&s, "b", SOURCE_CAMERA)->is_published = false;
    assign(&s);
    assert_shown(&s, "- - - - -");
    room_done(&s.room);
}

static void a_shown_track_keeps_its_slot_when_the_order_changes(void **state)
{
    struct scene s;
    init(&s, "abcd");
    for (const char *id = "abcd"; *id != 0; id++)
        show(&s, (char[]){ *id, 0 }, SOURCE_CAMERA);
    want(&s, "a", SOURCE_CAMERA, 0);
    want(&s, "b", SOURCE_CAMERA, 0);
    want(&s, "c", SOURCE_CAMERA, 0);
    assign(&s);
    assert_shown(&s, "- - ac bc cc");
    s.viewer.view_count = 0;
    want(&s, "d", SOURCE_CAMERA, 0);
    want(&s, "c", SOURCE_CAMERA, 0);
    want(&s, "a", SOURCE_CAMERA, 0);
    assign(&s);
    assert_shown(&s, "- - ac dc cc");
    room_done(&s.room);
}

static void entries_beyond_the_slots_wait(void **state)
{
    struct scene s;
    init(&s, "abcd");
    for (const char *id = "abcd"; *id != 0; id++) {
        show(&s, (char[]){ *id, 0 }, SOURCE_CAMERA);
        want(&s, (char[]){ *id, 0 }, SOURCE_CAMERA, 0);
    }
    want(&s, "nobody", SOURCE_CAMERA, 0);
    assign(&s);
    assert_shown(&s, "- - ac bc cc");
    track(&s, "b", SOURCE_CAMERA)->is_published = false;
    assign(&s);
    assert_shown(&s, "- - ac dc cc");
    room_done(&s.room);
}

static void an_empty_view_shows_no_video(void **state)
{
    struct scene s;
    init(&s, "a");
    show(&s, "a", SOURCE_CAMERA);
    s.viewer.has_view = true;
    assign(&s);
    assert_shown(&s, "- - - - -");
    room_done(&s.room);
}

static void without_the_grant_to_subscribe_nothing_is_shown(void **state)
{
    struct scene s;
    init(&s, "a");
    show(&s, "a", SOURCE_CAMERA);
    show(&s, "a", SOURCE_MICROPHONE);
    s.viewer.may_subscribe = false;
    assert_int_equal(assign(&s), SLOT_CHANGE_NONE);
    assert_shown(&s, "- - - - -");
    room_done(&s.room);
}

static void who_spoke_last_gets_an_audio_slot_and_others_keep_theirs(void **state)
{
    struct scene s;
    init(&s, "abc");
    for (const char *id = "abc"; *id != 0; id++)
        show(&s, (char[]){ *id, 0 }, SOURCE_MICROPHONE);
    assign(&s);
    assert_shown(&s, "am bm - - -");
    room_find(&s.room, "b")->spoke_at = SECONDS(10);
    room_find(&s.room, "c")->spoke_at = SECONDS(11);
    assign(&s);
    assert_shown(&s, "cm bm - - -");
    room_done(&s.room);
}

static void an_audio_slot_does_not_flap_between_people_who_speak_at_once(void **state)
{
    struct scene s;
    init(&s, "abc");
    for (const char *id = "abc"; *id != 0; id++) {
        show(&s, (char[]){ *id, 0 }, SOURCE_MICROPHONE);
        room_find(&s.room, (char[]){ *id, 0 })->spoke_at = SECONDS(10);
    }
    assign(&s);
    room_find(&s.room, "c")->spoke_at = SECONDS(11);
    assert_int_equal(assign(&s), SLOT_CHANGE_NONE);
    assert_shown(&s, "am bm - - -");
    room_find(&s.room, "c")->spoke_at = SECONDS(13);
    assign(&s);
    assert_shown(&s, "am cm - - -");
    room_done(&s.room);
}

static void who_speaks_takes_the_slot_of_who_has_just_stopped(void **state)
{
    struct scene s;
    init(&s, "abc");
    for (const char *id = "abc"; *id != 0; id++) {
        show(&s, (char[]){ *id, 0 }, SOURCE_MICROPHONE);
        room_find(&s.room, (char[]){ *id, 0 })->spoke_at = SECONDS(10);
    }
    room_find(&s.room, "a")->speaks = room_find(&s.room, "b")->speaks = true;
    assign(&s);
    assert_shown(&s, "am bm - - -");
    room_find(&s.room, "a")->speaks = false;
    room_find(&s.room, "b")->spoke_at = room_find(&s.room, "c")->spoke_at = SECONDS(11);
    room_find(&s.room, "c")->speaks = true;
    assign(&s);
    assert_shown(&s, "cm bm - - -");
    room_done(&s.room);
}

/* {"speakers"} as the media node tells them. */
static void hear(struct scene *s, const char *ids, usec now)
{
    json_t *list = json_array();
    for (size_t i = 0; ids[i] != 0; i++)
        json_array_append_new(
            list, json_pack("{s:s,s:i}", "participant", (char[]){ ids[i], 0 }, "level", 30));
    (void)room_on_speakers(&s->room, list, now);
    json_decref(list);
    s->viewer.now = now;
}

static bool is_heard(const struct scene *s, char id)
{
    for (size_t i = 0; i < 5; i++)
        if (s->slots[i].is_audio && s->slots[i].participant[0] == id)
            return true;
    return false;
}

/* Sixty microphones are open; five people speak in turns, and one begins while another ends. Three
 * slots: each voice is heard at once, and only the one that has been silent for longest gives way.
 */
static void five_people_who_take_turns_share_three_slots(void **state)
{
    static const char members[] = "abcdeABCDEFGHIJKLMNOPQRSTUVWXYZfghijklmnopqrstuvwxyz01234567";
    static const char *const turns[] = { "a", "ab", "b", "bc", "c", "cd", "d", "de", "e", "ea" };
    struct scene s;
    init(&s, members);
    s.slots[2].is_audio = true;
    for (const char *id = members; *id != 0; id++)
        show(&s, (char[]){ *id, 0 }, SOURCE_MICROPHONE);
    assign(&s);
    size_t changes = 0, voices = 0;
    for (size_t i = 0; i < 100; i++) {
        const char *now = turns[i % 10];
        bool was_heard = is_heard(&s, now[strlen(now) - 1]);
        hear(&s, now, SECONDS(10) + (usec)i * MILLIS(700));
        enum slot_change change = assign(&s);
        voices += !was_heard;
        changes += change == SLOT_CHANGE_TRACK;
        for (const char *id = now; *id != 0; id++)
            assert_true(is_heard(&s, *id));
    }
    assert_int_equal(changes, voices); /* nothing changes but for a voice that was not heard */
    assert_in_range(changes, 40, 50);  /* five in turns: each comes back when three others were */
    room_done(&s.room);
}

/* All at once: the first three stay. */
static void five_people_who_speak_at_once_do_not_flap(void **state)
{
    struct scene s;
    init(&s, "abcde");
    s.slots[2].is_audio = true;
    for (const char *id = "abcde"; *id != 0; id++)
        show(&s, (char[]){ *id, 0 }, SOURCE_MICROPHONE);
    hear(&s, "abcde", SECONDS(10));
    assign(&s);
    for (int i = 1; i < 100; i++) {
        hear(&s, i % 2 ? "edcba" : "cabed", SECONDS(10) + i * MILLIS(250));
        assert_int_equal(assign(&s), SLOT_CHANGE_NONE);
    }
    room_done(&s.room);
}

static void screen_audio_is_heard_before_microphones(void **state)
{
    struct scene s;
    init(&s, "abc");
    show(&s, "a", SOURCE_MICROPHONE);
    show(&s, "b", SOURCE_MICROPHONE);
    room_find(&s.room, "a")->spoke_at = room_find(&s.room, "b")->spoke_at = SECONDS(50);
    assign(&s);
    show(&s, "c", SOURCE_SCREEN_AUDIO);
    assign(&s);
    assert_shown(&s, "am cx - - -");
    room_done(&s.room);
}

static void the_smallest_sufficient_layer_is_asked_for(void **state)
{
    static const struct {
        unsigned wanted, published, layer;
    } cases[] = { { 180, 720, 0 }, { 200, 720, 0 }, { 203, 720, 1 },  { 360, 720, 1 },
                  { 406, 720, 2 }, { 720, 720, 2 }, { 2000, 720, 2 }, { 0, 720, 2 },
                  { 100, 0, 2 },   { 180, 360, 0 }, { 203, 360, 1 },  { 360, 360, 1 },
                  { 360, 180, 0 }, { 1, 1, 0 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(slot_policy_spatial(cases[i].wanted, cases[i].published), cases[i].layer);
}

static void another_size_is_for_the_node_only(void **state)
{
    struct scene s;
    init(&s, "a");
    show(&s, "a", SOURCE_CAMERA);
    want(&s, "a", SOURCE_CAMERA, 720);
    assign(&s);
    assert_int_equal(s.slots[2].spatial_max, 2);
    s.view[0].height = 180;
    assert_int_equal(assign(&s), SLOT_CHANGE_SIZE);
    assert_int_equal(s.slots[2].spatial_max, 0);
    room_done(&s.room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screens_come_before_cameras_in_joining_order),
        cmocka_unit_test(nobody_is_shown_to_themselves),
        cmocka_unit_test(muted_or_unpublished_video_is_not_shown),
        cmocka_unit_test(a_shown_track_keeps_its_slot_when_the_order_changes),
        cmocka_unit_test(entries_beyond_the_slots_wait),
        cmocka_unit_test(an_empty_view_shows_no_video),
        cmocka_unit_test(without_the_grant_to_subscribe_nothing_is_shown),
        cmocka_unit_test(who_spoke_last_gets_an_audio_slot_and_others_keep_theirs),
        cmocka_unit_test(an_audio_slot_does_not_flap_between_people_who_speak_at_once),
        cmocka_unit_test(who_speaks_takes_the_slot_of_who_has_just_stopped),
        cmocka_unit_test(five_people_who_take_turns_share_three_slots),
        cmocka_unit_test(five_people_who_speak_at_once_do_not_flap),
        cmocka_unit_test(screen_audio_is_heard_before_microphones),
        cmocka_unit_test(the_smallest_sufficient_layer_is_asked_for),
        cmocka_unit_test(another_size_is_for_the_node_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
