/* What is told of whole calls: snapshots, headers of packets, stages of joining, freezes, scores.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "core/snapshot.h"
#include "core/worker_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct call call;
static struct participant_snapshot told;
static struct packets_snapshot packets;
static struct room_snapshot room;

struct scene {
    struct client *a, *b;
    struct stream audio, camera[3];
};
static struct scene scene;

enum { CAMERA_SSRC = 7000, AUDIO_SSRC = 9000 };

static int start(void **state)
{
    call_init(&call);
    memset(&scene, 0, sizeof scene);
    scene.a = call_join(&call, 0, "p_a", SOURCES_ALL);
    scene.b = call_join(&call, 1, "p_b", SOURCES_ALL);
    static const char *const rids[3] = { "q", "h", "f" };
    stream_audio(&scene.audio, scene.a, AUDIO_SSRC);
    for (uint32_t i = 0; i < 3; i++)
        stream_camera(&scene.camera[i], scene.a, rids[i], CAMERA_SSRC + i * 10);
    call_view_nothing(scene.a);
    call_view_nothing(scene.b);
    return 0;
}

static int stop(void **state)
{
    call_done(&call);
    return 0;
}

/* 10 ms at a time. layers: bit mask; lose: of 10 packets of audio so many, evenly. */
static void publish(usec ms, unsigned layers, unsigned lose, bool with_keyframes)
{
    static unsigned turn;
    for (usec t = 0; t < ms; t += 10) {
        scene.audio.lose_next = t % 20 == 0 && turn++ % 10 < lose;
        if (t % 20 == 0)
            stream_send_audio(&scene.audio);
        for (size_t i = 0; i < 3 && t % 30 == 0; i++) {
            struct stream *s = &scene.camera[i];
            if (layers & (1u << i))
                stream_send_frame(s, with_keyframes && client_count_pli(scene.a, s->ssrc) > 0,
                                  i + 1);
        }
        scene.a->pli_count = with_keyframes && t % 30 == 0 ? 0 : scene.a->pli_count;
        call_flush(&call);
        call_wait(&call, MILLIS(10));
    }
}

static enum err ask(struct command *c, const char *participant)
{
    c->kind = COMMAND_SNAPSHOT;
    memcpy(c->participant, participant, strlen(participant) + 1);
    enum err err = call_command(&call, c);
    call.event_count--;
    return err;
}

static const struct participant_snapshot *look(const char *participant)
{
    static struct command c;
    c = (struct command){ .snapshot.ret_participant = &told };
    assert_int_equal(ask(&c, participant), OK);
    return &told;
}

static int score_told(const char *participant)
{
    int score = QUALITY_UNKNOWN;
    for (size_t i = 0; i < call.event_count; i++) {
        const struct event *e = &call.events[i];
        for (size_t j = 0; e->kind == EVENT_QUALITY && j < e->score_count; j++) {
            if (strcmp(e->scores[j].participant, participant) == 0)
                score = e->scores[j].score;
        }
    }
    return score;
}

static size_t scores_told(void)
{
    size_t count = 0;
    for (size_t i = 0; i < call.event_count; i++)
        count += call.events[i].kind == EVENT_QUALITY ? call.events[i].score_count : 0;
    return count;
}

static uint64_t observed(enum worker_histogram_id h)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= histogram_info(h)->bound_count; i++)
        sum += worker_stats(call.worker)->histograms[h].buckets[i];
    return sum;
}

static void a_publisher_is_told_with_its_tracks_and_layers(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(5000, 7, 0, true);
    const struct participant_snapshot *s = look("p_a");
    assert_int_equal(s->transport.state, TRANSPORT_CONNECTED);
    assert_non_null(s->transport.suite);
    assert_true(net_addr_equal(&s->transport.address, &scene.a->addr));
    assert_true(s->transport.check_us >= 0 && s->transport.dtls_us >= 0);
    assert_true(s->transport.media_us >= 0);
    assert_true(s->transport.packets[PACKET_IN] > 1000);
    assert_true(s->transport.bps[PACKET_IN] > 100000);
    assert_int_equal(s->transport.loss_in_permille, 0);
    assert_int_equal(s->track_count, 4);
    const struct track_snapshot *mic = &s->tracks[0], *camera = &s->tracks[1];
    assert_int_equal(mic->source, SOURCE_MICROPHONE);
    assert_int_equal(mic->encodings[0].packets, 250);
    assert_int_equal(mic->encodings[0].ssrc, AUDIO_SSRC);
    assert_true(mic->encodings[0].bps > 10000);
    assert_int_equal(camera->source, SOURCE_CAMERA);
    assert_int_equal(camera->layer_count, 3);
    assert_int_equal(camera->slot_count, 1);
    assert_true(camera->encodings[2].is_active && camera->encodings[0].is_active);
    assert_true(camera->encodings[2].bps > camera->encodings[0].bps);
    assert_true(camera->encodings[2].keyframe_requests > 0);
    assert_false(s->tracks[2].encodings[0].is_known); /* the screen has sent nothing */
}

static void a_viewer_is_told_with_what_their_slots_show(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 1);
    publish(5000, 7, 0, true);
    const struct participant_snapshot *s = look("p_b");
    const struct slot_snapshot *slot = NULL;
    size_t flowing = 0;
    for (size_t i = 0; i < s->slot_count; i++) {
        flowing += s->slots[i].is_flowing;
        if (s->slots[i].has_wish)
            slot = &s->slots[i];
    }
    assert_int_equal(flowing, 1);
    assert_non_null(slot);
    assert_string_equal(slot->wish_participant, "p_a");
    assert_int_equal(slot->wish_source, SOURCE_CAMERA);
    assert_true(slot->has_track && slot->is_flowing && !slot->is_waiting && !slot->is_paused);
    assert_int_equal(slot->layer, 1);
    assert_int_equal(slot->wanted_spatial, 1);
    assert_true(slot->bps > 100000);
    assert_in_range(slot->packets, 300, 340);
    assert_int_equal(slot->freezes, 0);
    assert_true(s->transport.bps[PACKET_OUT] > slot->bps);
}

static usec playout_told(void)
{
    const struct participant_snapshot *s = look("p_b");
    usec longest = 0;
    for (size_t i = 0; i < s->slot_count; i++)
        longest = MAX(longest, s->slots[i].playout_us);
    assert_true(s->transport.playout_us <= longest);
    return longest;
}

static void how_late_pictures_are_to_be_shown_is_told(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 1);
    publish(3000, 7, 0, true);
    assert_int_equal(playout_told(), 0);
    for (unsigned i = 0; i < 200; i++) {
        scene.camera[1].lose_next = i % 4 == 3;
        publish(30, 7, 0, true);
    }
    assert_in_range(playout_told(), MILLIS(40), MILLIS(250));
    const struct worker_histogram *h = &worker_stats(call.worker)->histograms[HISTOGRAM_PLAYOUT];
    assert_in_range(h->buckets[0], 1, 10); /* without */
    assert_in_range(h->sum, MILLIS(40), SECONDS(2));
    assert_in_range(told.transport.playout_us, MILLIS(40), MILLIS(250));
}

static void who_is_not_here_is_not_found(void **state)
{
    static struct command c;
    c = (struct command){ .snapshot.ret_participant = &told };
    assert_int_equal(ask(&c, "p_nobody"), ERR_NOT_FOUND);
}

static void a_room_is_told_in_pages(void **state)
{
    static struct command c;
    c = (struct command){ .snapshot.ret_room = &room };
    assert_int_equal(ask(&c, ""), OK);
    assert_int_equal(room.participant_count, 2);
    assert_int_equal(room.count, 2);
    assert_string_equal(room.participants[0].participant, "p_a");
    c = (struct command){ .snapshot = { .ret_room = &room, .skip = 1 } };
    assert_int_equal(ask(&c, ""), OK);
    assert_int_equal(room.count, 1);
    assert_string_equal(room.participants[0].participant, "p_b");
    c = (struct command){ .snapshot = { .ret_room = &room, .skip = 7 } };
    assert_int_equal(ask(&c, ""), OK);
    assert_int_equal(room.count, 0);
}

static void headers_of_all_kinds_are_kept_and_no_payload(void **state)
{
    static struct command c;
    c = (struct command){ .snapshot.ret_packets = &packets };
    assert_int_equal(ask(&c, "p_a"), OK); /* has only joined */
    size_t stun = 0, dtls = 0, rtp = 0, rtcp = 0;
    for (size_t i = 0; i < packet_ring_len(&packets.ring); i++) {
        const struct packet_record *p = packet_ring_at(&packets.ring, i);
        stun += p->data[0] < 4;
        dtls += p->data[0] >= 20 && p->data[0] < 64;
    }
    assert_true(stun >= 2 && dtls >= 4);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(2000, 7, 0, true);
    c = (struct command){ .snapshot.ret_packets = &packets };
    assert_int_equal(ask(&c, "p_a"), OK);
    assert_int_equal(packet_ring_len(&packets.ring), PACKET_RING_COUNT);
    usec before = 0;
    for (size_t i = 0; i < PACKET_RING_COUNT; i++) {
        const struct packet_record *p = packet_ring_at(&packets.ring, i);
        assert_true(p->at >= before && p->at <= call.now);
        before = p->at;
        assert_true(net_addr_equal(packet_ring_address_of(&packets.ring, p), &scene.a->addr));
        if (p->data[0] < 128)
            continue;
        if (p->data[1] >= 200 && p->data[1] <= 206) {
            rtcp++;
            continue;
        }
        rtp++;
        struct rtp_packet h;
        uint8_t whole[PACKET_RECORD_BYTES];
        memcpy(whole, p->data, sizeof whole);
        assert_int_equal(rtp_parse(bytes_of(whole, p->kept), &h), OK);
        assert_int_equal(h.payload.len, 0); /* the header is all there is */
        assert_true(p->len > p->kept);
    }
    assert_true(rtp > 100 && rtcp > 2);
}

static void stages_of_joining_are_measured_once_each(void **state)
{
    assert_int_equal(observed(HISTOGRAM_JOIN_CHECK), 2);
    assert_int_equal(observed(HISTOGRAM_JOIN_DTLS), 2);
    assert_int_equal(observed(HISTOGRAM_JOIN_MEDIA), 0);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(500, 1, 0, true);
    assert_int_equal(observed(HISTOGRAM_JOIN_MEDIA), 2);
}

static void a_slot_that_waits_while_its_track_sends_is_a_freeze_once(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(2000, 7, 0, true);
    const struct worker_stats *stats = worker_stats(call.worker);
    assert_int_equal(stats_read(stats, STAT_FREEZES), 0);
    publish(5000, 1, 0, false); /* the layer that flowed ends, and the other has no keyframe */
    assert_int_equal(stats_read(stats, STAT_FREEZES), 1);
    publish(2000, 1, 0, true);
    const struct participant_snapshot *s = look("p_b");
    for (size_t i = 0; i < s->slot_count; i++)
        assert_int_equal(s->slots[i].freezes, s->slots[i].has_wish ? 1 : 0);
    publish(3000, 0, 0, true); /* nothing is sent: nothing freezes */
    assert_int_equal(stats_read(stats, STAT_FREEZES), 1);
}

static void a_good_call_is_perfect_and_said_so_once(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(20000, 7, 0, true);
    assert_int_equal(score_told("p_a"), QUALITY_PERFECT);
    assert_int_equal(score_told("p_b"), QUALITY_PERFECT);
    assert_int_equal(scores_told(), 2);
    assert_true(observed(HISTOGRAM_LOSS_IN) >= 8);
}

static void who_connects_later_is_told_every_score(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(20000, 7, 0, true);
    assert_int_equal(scores_told(), 2);
    (void)call_join(&call, 2, "p_c", SOURCES_ALL);
    call_wait(&call, QUALITY_GATHER_TIME + MILLIS(10));
    assert_int_equal(scores_told(), 4);
}

static void a_bad_uplink_lowers_its_owners_score_only(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(6000, 0, 0, true);
    publish(10000, 0, 2, true); /* a fifth is lost */
    assert_in_range(score_told("p_a"), 1, 2);
    assert_int_equal(score_told("p_b"), QUALITY_PERFECT);
    assert_in_range(look("p_a")->transport.loss_in_permille, 150, 250);
    publish(40000, 0, 0, true);
    assert_int_equal(score_told("p_a"), QUALITY_PERFECT);
}

static void a_layer_that_is_given_up_shows(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(6000, 7, 0, true);
    assert_int_equal(score_told("p_a"), QUALITY_PERFECT);
    publish(12000, 1, 0, true);
    assert_in_range(score_told("p_a"), 3, 4);
}

static void who_is_silent_is_lost_until_they_are_heard_again(void **state)
{
    publish(4000, 1, 0, true);
    assert_int_equal(score_told("p_a"), QUALITY_PERFECT);
    call.no_checks = true;
    call_wait(&call, TRANSPORT_DISCONNECTED_TIME + SECONDS(4));
    assert_int_equal(score_told("p_a"), QUALITY_LOST);
    call.no_checks = false;
    publish(5000, 1, 0, true);
    assert_int_equal(score_told("p_a"), QUALITY_PERFECT);
}

int main(void)
{
    check(srtp_init() == srtp_err_status_ok);
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
        T(a_publisher_is_told_with_its_tracks_and_layers),
        T(a_viewer_is_told_with_what_their_slots_show),
        T(who_is_not_here_is_not_found),
        T(a_room_is_told_in_pages),
        T(headers_of_all_kinds_are_kept_and_no_payload),
        T(stages_of_joining_are_measured_once_each),
        T(how_late_pictures_are_to_be_shown_is_told),
        T(a_slot_that_waits_while_its_track_sends_is_a_freeze_once),
        T(a_good_call_is_perfect_and_said_so_once),
        T(who_connects_later_is_told_every_score),
        T(a_bad_uplink_lowers_its_owners_score_only),
        T(a_layer_that_is_given_up_shows),
        T(who_is_silent_is_lost_until_they_are_heard_again),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
