/* Whole calls through one worker, on a virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "core/associations_state.h"
#include "core/worker_state.h"
#include "rtc/seal_streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct call call;

enum { CAMERA_SSRC = 7000, AUDIO_SSRC = 9000 };

/* A publisher with everything on, viewed by the others: audio slot 0, video slot 0. */
struct scene {
    struct client *a, *b, *c;
    struct stream audio, camera[3];
};

static struct scene scene;

static int start(void **state)
{
    call_init(&call);
    memset(&scene, 0, sizeof scene);
    scene.a = call_join(&call, 0, "p_a", SOURCES_ALL);
    scene.b = call_join(&call, 1, "p_b", SOURCES_ALL);
    scene.c = call_join(&call, 2, "p_c", SOURCES_ALL);
    static const char *const rids[3] = { "q", "h", "f" };
    stream_audio(&scene.audio, scene.a, AUDIO_SSRC);
    for (uint32_t i = 0; i < 3; i++)
        stream_camera(&scene.camera[i], scene.a, rids[i], CAMERA_SSRC + i * 10);
    call_view_nothing(scene.a);
    call_view_nothing(scene.b);
    call_view_nothing(scene.c);
    return 0;
}

static int stop(void **state)
{
    call_done(&call);
    return 0;
}

static uint64_t stat_of(enum worker_stat s)
{
    return stats_read(worker_stats(call.worker), s);
}

static uint32_t video_ssrc(const struct client *c)
{
    return client_slot_ssrc(c, MEDIA_VIDEO, 0, false);
}

static uint32_t audio_ssrc(const struct client *c)
{
    return client_slot_ssrc(c, MEDIA_AUDIO, 0, false);
}

/* Sends `ms` of media; a layer whose keyframe is asked for sends one. layers: bit mask. */
static void publish(usec ms, unsigned layers)
{
    for (usec t = 0; t < ms; t += 10) {
        if (t % 20 == 0)
            stream_send_audio(&scene.audio);
        for (size_t i = 0; i < 3 && t % 30 == 0; i++) {
            struct stream *s = &scene.camera[i];
            bool asked = client_count_pli(scene.a, s->ssrc) > 0;
            if (layers & (1u << i))
                stream_send_frame(s, asked, i + 1);
            for (size_t j = 0; asked && j < scene.a->pli_count; j++) {
                if (scene.a->pli[j].ssrc == s->ssrc)
                    scene.a->pli[j].ssrc = 0;
            }
        }
        call_flush(&call);
        call_wait(&call, MILLIS(10));
    }
}

static void everybody_gets_what_they_view_without_gaps(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    call_view(scene.c, 0, scene.a, SOURCE_CAMERA, 0);
    publish(3000, 7);
    assert_int_equal(client_check_stream(scene.b, audio_ssrc(scene.b)), 150);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 250); /* 3 packets a frame */
    assert_in_range(client_check_stream(scene.c, video_ssrc(scene.c)), 95, 100); /* 1 */
    assert_int_equal(client_count(scene.c, audio_ssrc(scene.c)), 0);             /* not viewed */
    assert_int_equal(scene.a->seen_count, 0);
    assert_int_equal(stat_of(STAT_DROP_DUPLICATE) + stat_of(STAT_UNSENT_REPEATED), 0);
}

static void payloads_arrive_unchanged_and_start_with_a_keyframe(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(500, 7);
    const struct seen *audio = client_find(scene.b, audio_ssrc(scene.b), 3);
    assert_int_equal(load_be32(audio->payload), AUDIO_SSRC);
    assert_int_equal(audio->len, 60);
    assert_int_equal(audio->payload_type, scene.audio.payload_type);
    struct vp8_descriptor d;
    const struct seen *video = client_find(scene.b, video_ssrc(scene.b), 0);
    assert_int_equal(vp8_parse(bytes_of(video->payload, video->len), &d), OK);
    assert_true(d.keyframe);
    assert_int_equal(d.width, 640);
    size_t at = d.len + 10u;
    assert_in_range(load_be32(video->payload + at), CAMERA_SSRC, CAMERA_SSRC + 20);
    assert_int_equal(video->payload[video->len - 1], 0x5a);
    assert_string_equal(video->mid, client_slot_mid(scene.b, MEDIA_VIDEO, 0));
}

static void extensions_have_the_viewers_meaning(void **state)
{
    scene.audio.audio_level = 33;
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    publish(1000, 1);
    uint16_t next = scene.b->seen[0].transport_seq;
    for (size_t i = 0; i < scene.b->seen_count; i++) {
        const struct seen *s = &scene.b->seen[i];
        assert_true(s->extensions & RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC));
        assert_true(s->extensions & RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME));
        assert_int_equal(s->transport_seq, next++); /* one numbering over all streams */
        assert_false(s->extensions & RTP_EXT_BIT(RTP_EXT_RID));
        if (s->ssrc == audio_ssrc(scene.b))
            assert_int_equal(s->audio_level, 33);
    }
}

static void picture_ids_go_on_over_layer_switches(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    for (uint8_t i = 0; i < 9; i++) {
        call_view(scene.b, 0, scene.a, SOURCE_CAMERA, i % 3);
        publish(400, 7);
    }
    assert_true(stat_of(STAT_SWITCHES) >= 8);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 200);
    int last = -1;
    uint32_t timestamp = 0;
    for (size_t i = 0; i < scene.b->seen_count; i++) {
        const struct seen *s = &scene.b->seen[i];
        struct vp8_descriptor d;
        assert_int_equal(vp8_parse(bytes_of(s->payload, s->len), &d), OK);
        if (last >= 0 && s->timestamp == timestamp)
            assert_int_equal(d.picture_id, last);
        else if (last >= 0)
            assert_int_equal(d.picture_id, (last + 1) & 0x7fff);
        last = d.picture_id;
        timestamp = s->timestamp;
    }
}

static bool lose_fifth(const struct client *c, const struct seen *p)
{
    const struct seen *first = client_find(c, video_ssrc(c), 0);
    return p->ssrc == video_ssrc(c) && first != NULL && p->seq == (uint16_t)(first->seq + 5);
}

static void a_nack_is_answered_from_the_cache(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    call_view(scene.c, 0, scene.a, SOURCE_CAMERA, 2);
    scene.b->lose = lose_fifth;
    publish(500, 4);
    uint16_t lost = (uint16_t)(client_find(scene.b, video_ssrc(scene.b), 0)->seq + 5);
    client_send_nack(scene.b, video_ssrc(scene.b), &lost, 1);
    call_flush(&call);
    uint32_t rtx = client_slot_ssrc(scene.b, MEDIA_VIDEO, 0, true);
    assert_int_equal(client_count(scene.b, rtx), 1);
    const struct seen *again = client_find(scene.b, rtx, 0);
    const struct seen *other = client_find(scene.c, video_ssrc(scene.c), 5);
    assert_int_equal(load_be16(again->payload), lost);
    assert_int_equal(again->len, other->len + 2);
    assert_memory_equal(again->payload + 2 + 7, other->payload + 7, other->len - 7u);
    assert_int_equal(again->payload_type, scene.camera[2].rtx_type);
    /* at once again: not within the round trip; never sent: not at all */
    client_send_nack(scene.b, video_ssrc(scene.b), &lost, 1);
    uint16_t future = (uint16_t)(lost + 5000);
    client_send_nack(scene.b, video_ssrc(scene.b), &future, 1);
    call_flush(&call);
    assert_int_equal(client_count(scene.b, rtx), 1);
}

/* A viewer whose network was away for longer than packets are kept. */
static void what_is_too_old_to_be_sent_again_is_made_good_by_a_keyframe(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(1000, 4);
    size_t count = client_count(scene.b, video_ssrc(scene.b));
    uint16_t last = client_find(scene.b, video_ssrc(scene.b), count - 1)->seq;
    uint16_t seqs[] = { (uint16_t)(last + 1), (uint16_t)(last + 2), (uint16_t)(last + 3) };
    publish(1200, 4);
    client_forget(scene.a);
    client_send_nack(scene.b, video_ssrc(scene.b), seqs, ARRAY_LEN(seqs));
    call_wait(&call, MILLIS(50));
    assert_int_equal(client_count(scene.b, client_slot_ssrc(scene.b, MEDIA_VIDEO, 0, true)), 0);
    assert_int_equal(client_count_pli(scene.a, CAMERA_SSRC + 20), 1);
    publish(1000, 4); /* the keyframe is among them */
    client_forget(scene.a);
    client_send_nack(scene.b, video_ssrc(scene.b), seqs, ARRAY_LEN(seqs));
    call_wait(&call, MILLIS(50));
    assert_int_equal(scene.a->pli_count, 0); /* that was before it */
}

/* One viewer that asks for everything again, over and over, costs the others nothing. */
static void a_flood_of_nacks_does_not_take_the_others_place(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    call_view(scene.c, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(500, 4);
    uint16_t seqs[250];
    uint16_t first = client_find(scene.b, video_ssrc(scene.b), 0)->seq;
    for (uint16_t i = 0; i < ARRAY_LEN(seqs); i++)
        seqs[i] = (uint16_t)(first + i);
    for (int i = 0; i < 50; i++) {
        for (int j = 0; j < 100; j++)
            client_send_nack(scene.b, video_ssrc(scene.b), seqs, ARRAY_LEN(seqs));
        stream_send_audio(&scene.audio);
        call_wait(&call, MILLIS(20));
    }
    assert_int_equal(client_check_stream(scene.c, audio_ssrc(scene.c)), 25 + 50);
    size_t sent = client_count(scene.b, video_ssrc(scene.b));
    uint32_t rtx = client_slot_ssrc(scene.b, MEDIA_VIDEO, 0, true);
    assert_in_range(client_count(scene.b, rtx), 1, sent * RESEND_MAX);
}

static void a_loss_of_the_publisher_is_asked_for_and_filled(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(300, 4);
    uint16_t lost = scene.camera[2].seq;
    scene.camera[2].lose_next = true;
    publish(100, 4);
    assert_true(scene.a->nacked_count >= 1);
    assert_int_equal(scene.a->nacked[0].seq, lost);
    assert_int_equal(scene.a->nacked[0].ssrc, CAMERA_SSRC + 20);
    stream_send_rtx(&scene.camera[2], lost);
    call_flush(&call);
    /* every number is there, the restored one later than its neighbours */
    const struct seen *first = client_find(scene.b, video_ssrc(scene.b), 0);
    size_t count = client_count(scene.b, video_ssrc(scene.b));
    bool had[1000] = { false };
    for (size_t i = 0; i < count; i++)
        had[(uint16_t)(client_find(scene.b, video_ssrc(scene.b), i)->seq - first->seq)] = true;
    for (size_t i = 0; i < count; i++)
        assert_true(had[i]);
    stream_send_rtx(&scene.camera[2], lost); /* a second copy is a duplicate */
    call_flush(&call);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), count);
    assert_int_equal(stat_of(STAT_DROP_DUPLICATE), 1);
}

static void a_keyframe_whose_first_packet_comes_late_is_caught_up(void **state)
{
    publish(100, 4);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    uint16_t lost = scene.camera[2].seq;
    scene.camera[2].lose_next = true;
    stream_send_frame(&scene.camera[2], true, 5);
    call_flush(&call);
    stream_send_frame(&scene.camera[2], false, 2);
    call_flush(&call);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), 0);
    stream_send_rtx(&scene.camera[2], lost);
    stream_send_frame(&scene.camera[2], false, 2); /* in the same pass */
    call_flush(&call);
    assert_int_equal(client_check_stream(scene.b, video_ssrc(scene.b)), 9);
    assert_int_equal(stat_of(STAT_DROP_DUPLICATE) + stat_of(STAT_UNSENT_REPEATED), 0);
}

/* All of it, and what is behind it came long ago. */
static void a_keyframe_of_before_a_pause_is_no_beginning(void **state)
{
    struct stream *camera = &scene.camera[2];
    publish(100, 4);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    uint16_t lost = camera->seq;
    for (int i = 0; i < 3; i++) {
        camera->lose_next = true;
        stream_send_frame(camera, i == 0, 1);
    }
    camera->timestamp += 11 * 90000;
    stream_send_frame(camera, false, 2);
    call_flush(&call);
    for (uint16_t i = 0; i < 3; i++)
        stream_send_rtx(camera, (uint16_t)(lost + i));
    call_flush(&call);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), 0);
    call_wait(&call, MILLIS(600)); /* another is asked for */
    stream_send_frame(camera, true, 2);
    call_flush(&call);
    assert_int_equal(client_check_stream(scene.b, video_ssrc(scene.b)), 2);
}

static void a_request_of_a_viewer_reaches_the_publisher_and_is_throttled(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(1000, 4);
    client_forget(scene.a);
    client_send_pli(scene.b, video_ssrc(scene.b));
    call_flush(&call);
    assert_int_equal(client_count_pli(scene.a, CAMERA_SSRC + 20), 1);
    for (int i = 0; i < 10; i++) {
        client_send_pli(scene.b, video_ssrc(scene.b));
        call_wait(&call, MILLIS(10));
    }
    assert_int_equal(scene.a->pli_count, 1);
    call_wait(&call, MILLIS(600));
    assert_in_range(scene.a->pli_count, 2, 3); /* none came: asked again */
    stream_send_frame(&scene.camera[2], true, 1);
    call_flush(&call);
    client_forget(scene.a);
    call_wait(&call, SECONDS(2));
    assert_int_equal(scene.a->pli_count, 0);
}

static void viewing_somebody_asks_for_a_keyframe_at_once(void **state)
{
    publish(200, 7);
    assert_int_equal(scene.a->pli_count, 0); /* nobody looks */
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 1);
    call_flush(&call);
    assert_int_equal(client_count_pli(scene.a, CAMERA_SSRC + 10), 1);
    assert_int_equal(scene.a->pli_count, 1);
}

static void who_connects_after_the_keyframe_is_given_another(void **state)
{
    publish(200, 7);
    struct client *d = call_enter(&call, 3, "p_d", SOURCES_ALL);
    call_view(d, 0, scene.a, SOURCE_CAMERA, 0);
    publish(500, 7); /* a keyframe was asked for and came, but not to d */
    call_connect(d);
    publish(1000, 7);
    assert_true(client_check_stream(d, video_ssrc(d)) > 20);
}

static void a_keyframe_that_is_lost_inside_is_asked_for_again(void **state)
{
    publish(200, 1);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    call_flush(&call);
    call.worker->queue_used = call.worker->config.queue_max; /* a pass that is full */
    stream_send_frame(&scene.camera[0], true, 1);
    call_flush(&call);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), 0);
    client_forget(scene.a); /* the publisher answered; nothing asks any more */
    publish(3000, 1);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 10);
}

static void a_viewer_that_waits_is_asked_for_as_long_as_it_takes(void **state)
{
    publish(200, 1);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    for (usec t = 0; t < 30; t++) { /* the publisher does not hear us */
        for (usec i = 0; i < 20; i++) {
            stream_send_frame(&scene.camera[0], false, 1);
            call_wait(&call, MILLIS(50));
        }
        client_forget(scene.a);
    }
    publish(3000, 1);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 10);
    client_forget(scene.a);
    call_wait(&call, MILLIS(900));
    assert_int_equal(client_count_pli(scene.a, CAMERA_SSRC), 0);
}

static void a_muted_track_is_dropped_and_comes_back_without_a_gap(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 1);
    publish(500, 7);
    call_mute(scene.a, SOURCE_CAMERA, true);
    call_mute(scene.a, SOURCE_MICROPHONE, true);
    size_t before = scene.b->seen_count;
    publish(2000, 7);
    assert_int_equal(scene.b->seen_count, before);
    assert_true(stat_of(STAT_DROP_MUTED) > 100);
    assert_int_equal(scene.a->nacked_count, 0);
    call_mute(scene.a, SOURCE_CAMERA, false);
    call_mute(scene.a, SOURCE_MICROPHONE, false);
    publish(500, 7);
    assert_true(scene.b->seen_count > before + 40);
    client_check_stream(scene.b, audio_ssrc(scene.b));
    client_check_stream(scene.b, video_ssrc(scene.b));
    assert_int_equal(scene.a->nacked_count, 0);
}

/* The path turns the last packet of the mute and the one before it round. */
static void sound_begins_behind_what_was_dropped_while_muted(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(500, 0);
    call_mute(scene.a, SOURCE_MICROPHONE, true);
    publish(100, 0);
    uint16_t late = scene.audio.seq++;
    publish(20, 0);
    call_mute(scene.a, SOURCE_MICROPHONE, false);
    size_t before = client_count(scene.b, audio_ssrc(scene.b));
    uint16_t next = scene.audio.seq;
    scene.audio.seq = late;
    stream_send_audio(&scene.audio);
    scene.audio.seq = next;
    call_flush(&call);
    publish(200, 0);
    assert_int_equal(client_count(scene.b, audio_ssrc(scene.b)), before + 10);
    assert_int_equal(client_check_stream(scene.b, audio_ssrc(scene.b)), before + 10);
}

/* Half of all numbers go by: what comes then is not taken for something old. */
static void sound_comes_back_after_a_mute_of_many_minutes(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(500, 0);
    call_mute(scene.a, SOURCE_MICROPHONE, true);
    for (unsigned i = 0; i < 4; i++) { /* one in ten thousand is enough of them */
        publish(20, 0);
        scene.audio.seq += 10000;
    }
    call_mute(scene.a, SOURCE_MICROPHONE, false);
    size_t before = client_count(scene.b, audio_ssrc(scene.b));
    publish(200, 0);
    assert_int_equal(client_count(scene.b, audio_ssrc(scene.b)), before + 10);
    client_check_stream(scene.b, audio_ssrc(scene.b));
}

static void a_source_the_grant_does_not_allow_is_dropped(void **state)
{
    call_leave(scene.a);
    scene.a = call_join(&call, 0, "p_a", SOURCE_BIT(SOURCE_MICROPHONE));
    stream_audio(&scene.audio, scene.a, AUDIO_SSRC);
    stream_camera(&scene.camera[0], scene.a, "q", CAMERA_SSRC);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(300, 1);
    assert_int_equal(client_count(scene.b, audio_ssrc(scene.b)), 15);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), 0);
    assert_int_equal(stat_of(STAT_DROP_FORBIDDEN), 10);
}

static void leaving_and_coming_back_goes_on_in_the_same_slot(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(500, 1);
    call_leave(scene.a);
    assert_int_equal(stat_of(STAT_PARTICIPANTS), 2);
    assert_int_equal(stat_of(STAT_ENCODINGS), 0);
    assert_int_equal(stat_of(STAT_CACHED_PACKETS), 0);
    size_t before = scene.b->seen_count;
    call_wait(&call, SECONDS(1));
    assert_int_equal(scene.b->seen_count, before);
    /* the wish was remembered: a new transport of that name, with other SSRCs, feeds the slot */
    scene.a = call_join(&call, 0, "p_a", SOURCES_ALL);
    stream_audio(&scene.audio, scene.a, AUDIO_SSRC + 1);
    stream_camera(&scene.camera[0], scene.a, "q", CAMERA_SSRC + 1);
    publish(500, 1);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 25);
    assert_true(client_check_stream(scene.b, audio_ssrc(scene.b)) == 50);
}

static void a_slot_changes_to_another_participant_without_a_gap(void **state)
{
    struct stream other;
    stream_audio(&other, scene.c, 555);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    for (int i = 0; i < 100; i++) {
        if (i == 50)
            call_view(scene.b, 0, scene.c, SOURCE_MICROPHONE, 0);
        stream_send_audio(&scene.audio);
        stream_send_audio(&other);
        call_wait(&call, MILLIS(20));
    }
    assert_int_equal(client_check_stream(scene.b, audio_ssrc(scene.b)), 100);
    assert_int_equal(load_be32(client_find(scene.b, audio_ssrc(scene.b), 99)->payload), 555);
}

static uint32_t last_layer(const struct client *c)
{
    size_t count = client_count(c, video_ssrc(c));
    const struct seen *s = client_find(c, video_ssrc(c), count - 1);
    struct vp8_descriptor d;
    assert_int_equal(vp8_parse(bytes_of(s->payload, s->len), &d), OK);
    return (load_be32(s->payload + d.len + (d.keyframe ? 10 : 3)) - CAMERA_SSRC) / 10;
}

static void a_layer_that_stops_is_replaced_by_a_lower_one(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(500, 7);
    assert_int_equal(last_layer(scene.b), 2);
    publish(1500, 3); /* the top layer is gone */
    assert_int_equal(last_layer(scene.b), 1);
    publish(500, 7); /* and back */
    assert_int_equal(last_layer(scene.b), 2);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 100);
}

static void padding_of_the_publisher_leaves_no_gap(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(200, 4);
    for (int i = 0; i < 20; i++) {
        stream_send_padding(&scene.camera[2]);
        stream_send_padding(&scene.camera[2]);
        publish(30, 4);
    }
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 60);
    assert_int_equal(scene.a->nacked_count, 0);
}

static void a_stream_that_starts_anew_with_another_ssrc_goes_on(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    publish(500, 1);
    call_wait(&call, MILLIS(200));
    stream_camera(&scene.camera[0], scene.a, "q", 424242);
    publish(500, 1);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) >= 30);
    assert_int_equal(stat_of(STAT_ENCODINGS), 2);
}

static void publishers_get_reports_and_transport_feedback(void **state)
{
    publish(3000, 7);
    assert_true(scene.a->receiver_report_count >= 4 * 2);
    assert_int_equal(scene.a->fraction_lost_max, 0);
    assert_true(scene.a->twcc_count >= 25);
    for (int i = 0; i < 50; i++) {
        scene.audio.lose_next = i % 2 == 0;
        publish(20, 0);
    }
    call_wait(&call, SECONDS(1));
    assert_true(scene.a->fraction_lost_max > 60);
}

static void sender_reports_keep_audio_and_video_in_step(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    /* the publisher's wall clock is hours away from ours */
    wall_usec wall = SECONDS(1000000);
    uint32_t audio_at = scene.audio.timestamp, video_at = scene.camera[0].timestamp;
    stream_send_audio(&scene.audio);
    stream_send_frame(&scene.camera[0], true, 1);
    scene.audio.timestamp = audio_at;
    scene.camera[0].timestamp = video_at;
    stream_send_report(&scene.audio, wall);
    stream_send_report(&scene.camera[0], wall);
    call_flush(&call);
    uint32_t audio_out = client_find(scene.b, audio_ssrc(scene.b), 0)->timestamp;
    uint32_t video_out = client_find(scene.b, video_ssrc(scene.b), 0)->timestamp;
    call_wait(&call, MILLIS(1500));
    assert_true(scene.b->report_count >= 2);
    int seen = 0;
    usec skew[2] = { 0 };
    for (size_t i = 0; i < scene.b->report_count; i++) {
        const struct rtcp_sender_info *r = &scene.b->reports[i];
        bool audio = r->ssrc == audio_ssrc(scene.b);
        uint32_t out = audio ? audio_out : video_out;
        /* wall time of the first packet, which both captured at the same instant */
        skew[audio] = ntp_to_wall(r->ntp) -
                      (usec)(r->timestamp - out) * USEC_PER_SEC / (audio ? 48000 : 90000);
        seen |= audio ? 1 : 2;
    }
    assert_int_equal(seen, 3);
    assert_true(skew[0] - skew[1] < 1000 && skew[1] - skew[0] < 1000);
}

static void the_room_is_told_who_speaks(void **state)
{
    publish(500, 0);
    size_t before = call.event_count;
    scene.audio.audio_level = 25;
    publish(1000, 0);
    scene.audio.audio_level = 127;
    publish(2000, 0);
    const struct event *first = NULL, *last = NULL;
    size_t count = 0;
    for (size_t i = before; i < call.event_count; i++) {
        if (call.events[i].kind != EVENT_SPEAKERS)
            continue;
        first = first == NULL ? &call.events[i] : first;
        last = &call.events[i];
        count++;
    }
    assert_non_null(first);
    assert_in_range(count, 2, 6);
    assert_int_equal(first->speaker_count, 1);
    assert_string_equal(first->speakers[0].participant, "p_a");
    assert_string_equal(first->room, "default/test");
    assert_int_equal(last->speaker_count, 0);
}

static const struct event *last_speakers(void)
{
    for (size_t i = call.event_count; i-- > 0;) {
        if (call.events[i].kind == EVENT_SPEAKERS)
            return &call.events[i];
    }
    return NULL;
}

/* Syllables of a voice in a quiet room. */
static void talk(struct stream *s, usec ms)
{
    for (usec t = 0; t < ms; t += 20) {
        s->audio_level = t % 240 < 180 ? 25 : 60;
        stream_send_audio(s);
        call_flush(&call);
        call_wait(&call, MILLIS(20));
    }
    s->audio_level = 127;
}

static void the_room_is_told_whose_turn_it_is(void **state)
{
    struct stream other;
    stream_audio(&other, scene.b, AUDIO_SSRC + 1);
    talk(&scene.audio, 400); /* "yes" */
    assert_string_equal(last_speakers()->speakers[0].participant, "p_a");
    assert_string_equal(last_speakers()->dominant, "");
    talk(&scene.audio, 2000);
    assert_string_equal(last_speakers()->dominant, "p_a");
    talk(&other, 400);
    assert_string_equal(last_speakers()->dominant, "p_a");
    talk(&other, 3000);
    assert_string_equal(last_speakers()->dominant, "p_b");
    call_wait(&call, SECONDS(3)); /* silence */
    assert_int_equal(last_speakers()->speaker_count, 0);
    assert_string_equal(last_speakers()->dominant, "p_b");
    call_leave(scene.b);
    talk(&scene.audio, 400);
    assert_string_equal(last_speakers()->dominant, "");
}

static size_t speakers_told(void)
{
    size_t count = 0;
    for (size_t i = 0; i < call.event_count; i++)
        count += call.events[i].kind == EVENT_SPEAKERS;
    return count;
}

static void who_connects_later_is_told_whose_turn_it_is(void **state)
{
    call_wait(&call, SECONDS(1));
    assert_int_equal(speakers_told(), 0); /* nobody's */
    call_leave(scene.c);
    talk(&scene.audio, 2400);
    call_wait(&call, SECONDS(3));
    size_t before = speakers_told();
    scene.c = call_join(&call, 2, "p_d", SOURCES_ALL);
    call_wait(&call, SECONDS(1));
    assert_int_equal(speakers_told(), before + 1);
    assert_string_equal(last_speakers()->dominant, "p_a");
    assert_int_equal(last_speakers()->speaker_count, 0);
}

/* A resume: media goes on, and the participant's new signald has never heard of the room. */
static void whose_turn_it_is_is_told_again_when_asked(void **state)
{
    talk(&scene.audio, 2400);
    call_wait(&call, SECONDS(3));
    size_t before = speakers_told();
    call_wait(&call, SECONDS(10));
    assert_int_equal(speakers_told(), before);
    struct command c = { .kind = COMMAND_SLOTS_SET, .participant = "p_b" };
    c.slots_set.tell_again = true; /* of an old version, too */
    assert_int_equal(call_command(&call, &c), OK);
    call_wait(&call, SECONDS(1));
    assert_int_equal(speakers_told(), before + 1);
    assert_string_equal(last_speakers()->dominant, "p_a");
    call_wait(&call, SECONDS(5));
    assert_int_equal(speakers_told(), before + 1);
}

static void a_new_voice_is_told_at_once(void **state)
{
    struct stream other;
    stream_audio(&other, scene.b, AUDIO_SSRC + 1);
    talk(&scene.audio, 1000);
    usec worst = 0;
    for (int turn = 0; turn < 10; turn++) {
        usec from = call.now;
        call.event_count = 0;
        const struct event *e = NULL;
        for (int i = 0; i < 20 && e == NULL; i++) {
            other.audio_level = 25;
            stream_send_audio(&other);
            talk(&scene.audio, 20);
            e = last_speakers();
            e = e != NULL && e->speaker_count == 2 ? e : NULL;
        }
        assert_non_null(e);
        worst = MAX(worst, call.now - from);
        talk(&scene.audio, 1500); /* the other one has ended */
        assert_int_equal(last_speakers()->speaker_count, 1);
    }
    print_message("a new voice is told after at most %lld ms\n", (long long)(worst / 1000));
    assert_true(worst <= MILLIS(200));
}

/* What the publisher was told last about its camera; 9: nothing yet. */
static int told_layers(void)
{
    int told = 9;
    for (size_t i = 0; i < call.event_count; i++) {
        if (call.events[i].kind == EVENT_LAYERS && call.events[i].source == SOURCE_CAMERA)
            told = call.events[i].layer_max;
    }
    return told;
}

static void a_publisher_is_told_which_layers_are_watched(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    call_view(scene.c, 0, scene.a, SOURCE_CAMERA, 1);
    publish(4000, 7);
    assert_int_equal(told_layers(), 9); /* may change again */
    publish(2000, 7);
    assert_int_equal(told_layers(), 1);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    publish(20, 3);
    assert_int_equal(told_layers(), 2);
    call_view_nothing(scene.b);
    call_view_nothing(scene.c);
    publish(10000, 7);
    assert_int_equal(told_layers(), 2);
    publish(6000, 7);
    assert_int_equal(told_layers(), -1);
}

static void a_publisher_that_did_not_hear_is_told_again(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    publish(5500, 7);
    assert_int_equal(told_layers(), 0);
    call.event_count = 0;
    publish(4000, 7);
    assert_int_equal(told_layers(), 9);
    publish(2000, 7);
    assert_int_equal(told_layers(), 0);
    call.event_count = 0;
    publish(20000, 1); /* now it does as told */
    assert_int_equal(told_layers(), 9);
}

static void silence_is_told_and_then_ends_the_transport(void **state)
{
    call.no_checks = true;
    call_wait(&call, SECONDS(6));
    assert_true(call_was_told(&call, "p_a", TRANSPORT_EVENT_DISCONNECTED));
    assert_false(call_was_told(&call, "p_a", TRANSPORT_EVENT_FAILED));
    call.event_count = 0;
    publish(20, 0);
    assert_true(call_was_told(&call, "p_a", TRANSPORT_EVENT_CONNECTED));
    call_wait(&call, SECONDS(31));
    assert_true(call_was_told(&call, "p_a", TRANSPORT_EVENT_FAILED));
    assert_true(call_was_told(&call, "p_b", TRANSPORT_EVENT_FAILED));
    assert_int_equal(stat_of(STAT_PARTICIPANTS), 0);
    assert_int_equal(stat_of(STAT_ROOMS), 0);
    assert_int_equal(worker_next_deadline(call.worker), USEC_NEVER);
}

/* A participant who can forge source addresses must not get what belongs to another. */
static void an_address_in_use_is_not_taken_over(void **state)
{
    call_view(scene.c, 0, scene.a, SOURCE_MICROPHONE, 0);
    struct net_addr own = scene.b->addr;
    scene.b->addr = scene.a->addr;
    call_check(scene.b);
    call_flush(&call);
    assert_int_equal(stat_of(STAT_DROP_ADDRESS), 1);
    scene.b->addr = own;
    publish(100, 0);
    assert_int_equal(client_count(scene.c, audio_ssrc(scene.c)), 5);
    assert_int_equal(stat_of(STAT_DROP_AUTH), 0);
}

static void an_address_whose_owner_is_silent_is_taken_over(void **state)
{
    struct net_addr address = scene.a->addr; /* a NAT gives it to somebody else */
    scene.a->joined = false;
    call_wait(&call, TRANSPORT_DISCONNECTED_TIME + SECONDS(1));
    scene.b->addr = address;
    call_check(scene.b);
    call_flush(&call);
    assert_int_equal(stat_of(STAT_DROP_ADDRESS), 0);
    struct stream audio;
    stream_audio(&audio, scene.b, AUDIO_SSRC + 1);
    stream_send_audio(&audio);
    call_flush(&call);
    assert_int_equal(stat_of(STAT_DROP_AUTH), 0);
    assert_int_equal(stat_of(STAT_RTP_IN), 1);
}

static void strangers_are_not_answered(void **state)
{
    struct net_addr stranger = net_addr_ipv4((const uint8_t[4]){ 203, 0, 113, 9 }, 1);
    static const uint8_t client_hello[] = {
        22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4
    };
    static const uint8_t rtp[] = { 0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 35, 40, 1, 2, 3, 4 };
    call_flush(&call);
    size_t sent = call.delivered_count;
    call_receive(&call, &stranger, bytes_of(client_hello, sizeof client_hello));
    call_receive(&call, &stranger, bytes_of(rtp, sizeof rtp));
    assert_int_equal(stat_of(STAT_DROP_UNKNOWN), 2);
    call_receive(&call, &scene.a->addr, bytes_of(rtp, sizeof rtp)); /* not sealed */
    assert_true(stat_of(STAT_DROP_AUTH) + stat_of(STAT_DROP_MALFORMED) == 1);
    call_flush(&call);
    assert_int_equal(call.delivered_count, sent);
}

static void an_older_slots_set_is_ignored(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    struct command old = { .kind = COMMAND_SLOTS_SET, .participant = "p_b" };
    old.slots_set.version = 1; /* would empty everything */
    assert_int_equal(call_command(&call, &old), OK);
    publish(100, 0);
    assert_int_equal(client_count(scene.b, audio_ssrc(scene.b)), 5);
}

static void commands_for_what_is_not_there_say_so(void **state)
{
    struct command c = { .kind = COMMAND_SLOTS_SET, .participant = "p_nobody" };
    assert_int_equal(call_command(&call, &c), ERR_NOT_FOUND);
    assert_int_equal(call_command(&call, &scene.a->command), ERR_BAD_STATE); /* there already */
}

static void removing_who_has_gone_already_is_fine(void **state)
{
    uint64_t there = stat_of(STAT_PARTICIPANTS);
    struct command c = { .kind = COMMAND_TRANSPORT_REMOVE, .participant = "p_nobody" };
    assert_int_equal(call_command(&call, &c), OK);
    snprintf(c.room, sizeof c.room, "default/nowhere");
    assert_int_equal(call_command(&call, &c), OK);
    assert_int_equal(stat_of(STAT_PARTICIPANTS), there);
}

static void a_full_worker_refuses_and_frees_what_it_took(void **state)
{
    uint64_t rooms = stat_of(STAT_ROOMS);
    size_t created = 0;
    enum err err = OK;
    struct command c = scene.a->command;
    while (err == OK) {
        snprintf(c.participant, sizeof c.participant, "p_%zu", created);
        snprintf(c.transport.local_ufrag, sizeof c.transport.local_ufrag, "more%04zu", created);
        err = call_command(&call, &c);
        created += err == OK;
    }
    assert_int_equal(err, ERR_FULL);
    assert_in_range(created, 4, 5);
    for (size_t i = 0; i < created; i++) {
        struct command r = { .kind = COMMAND_TRANSPORT_REMOVE };
        snprintf(r.participant, sizeof r.participant, "p_%zu", i);
        assert_int_equal(call_command(&call, &r), OK);
    }
    assert_int_equal(stat_of(STAT_PARTICIPANTS), 3);
    assert_int_equal(stat_of(STAT_ROOMS), rooms);
}

static void who_never_finishes_the_handshake_is_removed(void **state)
{
    struct client *d = call_enter(&call, 3, "p_d", SOURCES_ALL);
    d->joined = true; /* checks go on, DTLS never comes */
    call_wait(&call, SECONDS(29));
    assert_false(call_was_told(&call, "p_d", TRANSPORT_EVENT_FAILED));
    call_wait(&call, SECONDS(2));
    assert_true(d->stun_answers >= 7);
    assert_true(call_was_told(&call, "p_d", TRANSPORT_EVENT_FAILED));
    assert_int_equal(stat_of(STAT_PARTICIPANTS), 3);
}

static void dtls_from_an_address_without_a_check_is_not_answered(void **state)
{
    struct client *d = call_enter(&call, 3, "p_d", SOURCES_ALL);
    static const uint8_t hello[] = { 22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4 };
    call_flush(&call);
    size_t sent = call.delivered_count;
    call_receive(&call, &d->addr, bytes_of(hello, sizeof hello));
    call_flush(&call);
    assert_int_equal(call.delivered_count, sent);
    assert_int_equal(stat_of(STAT_DROP_UNKNOWN), 1);
    call_connect(d);
}

static void an_update_adds_slots_while_media_flows(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    publish(300, 1);
    static struct command c;
    c = scene.b->command;
    c.kind = COMMAND_TRANSPORT_UPDATE;
    struct transport_params *p = &c.transport;
    p->media[p->media_count] = p->media[p->media_count - 1];
    memcpy(p->media[p->media_count].mid, "17", 3);
    p->media[p->media_count].ssrc = 171717;
    p->media[p->media_count].rtx_ssrc = 171718;
    p->media_count++;
    assert_int_equal(call_command(&call, &c), OK);
    struct command view = { .kind = COMMAND_SLOTS_SET, .participant = "p_b" };
    view.slots_set.version = ++call.versions;
    view.slots_set.slot_count = 1;
    struct slot_setting *s = &view.slots_set.slots[0];
    *s = (struct slot_setting){
        .mid = "17", .has_track = true, .participant = "p_a", .source = SOURCE_CAMERA
    };
    assert_int_equal(call_command(&call, &view), OK);
    size_t before = client_count(scene.b, video_ssrc(scene.b));
    publish(500, 1);
    assert_true(client_check_stream(scene.b, 171717) > 10);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), before);
}

static void a_layer_that_starts_with_a_keyframe_is_not_asked_for_one(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
    stream_send_frame(&scene.camera[0], true, 1);
    call_flush(&call);
    call_wait(&call, SECONDS(1));
    assert_int_equal(scene.a->pli_count, 0);
    assert_int_equal(client_count(scene.b, video_ssrc(scene.b)), 1);
}

static void goodbyes_are_said_and_heard_long_after_the_handshake(void **state)
{
    call_wait(&call, DTLS_SETTLE_TIME + SECONDS(1));
    call_leave(scene.c); /* looks that it was told */
    dtls_close(scene.b->dtls);
    for (struct bytes d; dtls_next_datagram(scene.b->dtls, &d);)
        call_receive(&call, &scene.b->addr, d);
    call_wait(&call, MILLIS(100));
    assert_true(call_was_told(&call, "p_b", TRANSPORT_EVENT_FAILED));
    assert_int_equal(stat_of(STAT_PARTICIPANTS), 1);
}

static void a_dtls_restart_changes_the_keys_under_flowing_media(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    call_view(scene.c, 0, scene.a, SOURCE_CAMERA, 0);
    publish(300, 1);
    call_wait(&call, RESTART_INTERVAL_MIN + SECONDS(1));
    call_restart_dtls(scene.b); /* a viewer */
    publish(300, 1);
    call_restart_dtls(scene.a); /* the publisher */
    publish(300, 1);
    call_wait(&call, REKEY_TIME + SECONDS(1));
    publish(300, 1);
    size_t of_b = client_check_stream(scene.b, video_ssrc(scene.b));
    assert_int_equal(of_b, client_check_stream(scene.c, video_ssrc(scene.c)));
    assert_true(of_b > 30);
    assert_int_equal(stat_of(STAT_DROP_AUTH), 0);
    assert_int_equal(stat_of(STAT_CONNECTED), 3);
    const struct associations_stats *s = associations_stats(call.associations);
    assert_int_equal(associations_stat_read(s, ASSOCIATIONS_RESTARTED), 2);
}

static void packets_sealed_with_the_old_keys_still_count_after_a_restart(void **state)
{
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    publish(300, 1);
    call_wait(&call, RESTART_INTERVAL_MIN + SECONDS(1));
    srtp_t late = scene.a->sender; /* it still sends with these when the worker has new ones */
    scene.a->sender = NULL;
    call_restart_dtls(scene.a);
    srtp_t fresh = scene.a->sender;
    scene.a->sender = late;
    size_t before = client_check_stream(scene.b, video_ssrc(scene.b));
    stream_send_frame(&scene.camera[0], false, 3);
    call_flush(&call);
    assert_int_equal(client_check_stream(scene.b, video_ssrc(scene.b)), before + 3);
    scene.a->sender = fresh;
    stream_send_frame(&scene.camera[0], false, 3);
    call_flush(&call);
    assert_int_equal(client_check_stream(scene.b, video_ssrc(scene.b)), before + 6);
    call_wait(&call, REKEY_TIME + SECONDS(1));
    scene.a->sender = late;
    stream_send_frame(&scene.camera[0], false, 3);
    call_flush(&call);
    assert_int_equal(client_check_stream(scene.b, video_ssrc(scene.b)), before + 6);
    assert_int_equal(stat_of(STAT_DROP_AUTH), 3);
    scene.a->sender = fresh;
    (void)srtp_dealloc(late);
}

static void a_flood_of_dtls_is_cut_off_before_the_engine(void **state)
{
    uint8_t junk[200] = { 22, 254, 253 };
    for (size_t i = 0; i < 200; i++)
        call_receive(&call, &scene.a->addr, bytes_of(junk, sizeof junk));
    call_flush(&call);
    assert_true(stat_of(STAT_DROP_DTLS_RATE) >= 200 - ASSOCIATION_DATAGRAMS_BURST);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 0);
    publish(300, 1);
    assert_true(client_check_stream(scene.b, video_ssrc(scene.b)) > 5);
}

/* Of a participant, in bytes that are touched. */
struct part {
    const char *name;
    size_t bytes;
};

static size_t sum_of(const struct part *parts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        print_message("  %-36s %6zu\n", parts[i].name, parts[i].bytes);
        sum += parts[i].bytes;
    }
    return sum;
}

/* Connected, with 4 tracks and 13 slots in which nothing flows. */
static size_t idle_bytes(const struct transport *t)
{
    enum { MANY = 1024, LAST_FLIGHT = 160 };
    size_t blocks =
        (t->params.media_count + TRANSPORT_MEDIA_BLOCK - 1) / (size_t)TRANSPORT_MEDIA_BLOCK;
    size_t indexes = hash_index_memory((size_t)MANY * ICE_REMOTE_MAX) + 3 * hash_index_memory(MANY);
    const struct part parts[] = {
        { "transport", sizeof *t },
        { "m-lines", blocks * sizeof(struct media_block) },
        { "4 tracks", 4 * sizeof(struct track) },
        { "13 slots", 13 * sizeof(struct slot) },
        { "sealer", sealer_memory(t->sealer) },
        { "opener", opener_memory(t->opener) },
        { "headers of recent packets", sizeof(struct packet_ring) },
        { "association, on both sides",
          sizeof(struct association_place) + sizeof(struct association) + dtls_memory() },
        { "its last flight and goodbye", LAST_FLIGHT },
        { "places in indexes, deadlines", indexes / MANY + 3 * sizeof(usec) },
    };
    return sum_of(parts, ARRAY_LEN(parts));
}

/* What comes to it for somebody who sees 9 videos. */
static size_t viewer_bytes(void)
{
    const struct part parts[] = {
        { "9 logs of what was sent", (size_t)9 * SLOT_LOG_COUNT * sizeof(struct send_record) },
        { "numbers of 13 slots", 13 * sizeof(struct slot_memory) },
        { "estimator's memory", sizeof(struct bwe_memory) },
        { "packets that wait", PACER_PACKETS * sizeof(struct paced_packet) },
        { "replay windows of 22 streams", 22 * sizeof(struct seal_stream) },
    };
    return sum_of(parts, ARRAY_LEN(parts));
}

static void participants_are_as_small_as_promised(void **state)
{
    const struct transport *t = transport_find(call.worker, "default/test", "p_b");
    assert_int_equal(t->params.media_count, 17);
    print_message("idle participant:\n");
    size_t idle = idle_bytes(t);
    print_message("viewer of 9 videos, beside:\n");
    size_t viewer = idle + viewer_bytes();
    print_message("idle %zu bytes, viewer of 9 videos %zu, encoding %zu\n", idle, viewer,
                  sizeof(struct encoding));
    assert_true(idle < 32 * 1024);
    assert_true(viewer < 200 * 1024);
}

/* What nobody uses is not touched: that is what the sum above goes by. */
static void who_only_listens_to_silence_touches_no_memory_of_media(void **state)
{
    struct worker *w = call.worker;
    const struct transport *t = transport_find(w, "default/test", "p_b");
    const struct bwe_memory no_estimator = { 0 };
    const struct slot_memory no_numbers = { 0 };
    call_wait(&call, SECONDS(3));
    size_t place = handle_index(t->self);
    assert_memory_equal(&w->sent[place], &no_estimator, sizeof no_estimator);
    for (size_t i = 0; i < TWCC_WINDOW; i++)
        assert_int_equal(w->arrivals[place * TWCC_WINDOW + i], 0);
    for (size_t i = 0; i < t->params.media_count; i++) {
        if (transport_media(t, i)->role == MEDIA_SLOT)
            assert_memory_equal(&w->slot_memory[handle_index(t->media[i])], &no_numbers,
                                sizeof no_numbers);
    }
    assert_true(sealer_memory(t->sealer) + opener_memory(t->opener) < 8 * 1024);
}

int main(void)
{
    check(srtp_init() == srtp_err_status_ok);
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(everybody_gets_what_they_view_without_gaps),
        TEST(payloads_arrive_unchanged_and_start_with_a_keyframe),
        TEST(extensions_have_the_viewers_meaning),
        TEST(picture_ids_go_on_over_layer_switches),
        TEST(a_nack_is_answered_from_the_cache),
        TEST(what_is_too_old_to_be_sent_again_is_made_good_by_a_keyframe),
        TEST(a_flood_of_nacks_does_not_take_the_others_place),
        TEST(a_loss_of_the_publisher_is_asked_for_and_filled),
        TEST(a_keyframe_whose_first_packet_comes_late_is_caught_up),
        TEST(a_keyframe_of_before_a_pause_is_no_beginning),
        TEST(a_request_of_a_viewer_reaches_the_publisher_and_is_throttled),
        TEST(viewing_somebody_asks_for_a_keyframe_at_once),
        TEST(who_connects_after_the_keyframe_is_given_another),
        TEST(a_keyframe_that_is_lost_inside_is_asked_for_again),
        TEST(a_viewer_that_waits_is_asked_for_as_long_as_it_takes),
        TEST(a_muted_track_is_dropped_and_comes_back_without_a_gap),
        TEST(sound_begins_behind_what_was_dropped_while_muted),
        TEST(sound_comes_back_after_a_mute_of_many_minutes),
        TEST(a_source_the_grant_does_not_allow_is_dropped),
        TEST(leaving_and_coming_back_goes_on_in_the_same_slot),
        TEST(a_slot_changes_to_another_participant_without_a_gap),
        TEST(a_layer_that_stops_is_replaced_by_a_lower_one),
        TEST(padding_of_the_publisher_leaves_no_gap),
        TEST(a_stream_that_starts_anew_with_another_ssrc_goes_on),
        TEST(publishers_get_reports_and_transport_feedback),
        TEST(sender_reports_keep_audio_and_video_in_step),
        TEST(the_room_is_told_who_speaks),
        TEST(the_room_is_told_whose_turn_it_is),
        TEST(who_connects_later_is_told_whose_turn_it_is),
        TEST(whose_turn_it_is_is_told_again_when_asked),
        TEST(a_new_voice_is_told_at_once),
        TEST(a_publisher_is_told_which_layers_are_watched),
        TEST(a_publisher_that_did_not_hear_is_told_again),
        TEST(silence_is_told_and_then_ends_the_transport),
        TEST(an_address_in_use_is_not_taken_over),
        TEST(an_address_whose_owner_is_silent_is_taken_over),
        TEST(strangers_are_not_answered),
        TEST(an_older_slots_set_is_ignored),
        TEST(commands_for_what_is_not_there_say_so),
        TEST(removing_who_has_gone_already_is_fine),
        TEST(a_full_worker_refuses_and_frees_what_it_took),
        TEST(who_never_finishes_the_handshake_is_removed),
        TEST(dtls_from_an_address_without_a_check_is_not_answered),
        TEST(an_update_adds_slots_while_media_flows),
        TEST(a_layer_that_starts_with_a_keyframe_is_not_asked_for_one),
        TEST(goodbyes_are_said_and_heard_long_after_the_handshake),
        TEST(a_dtls_restart_changes_the_keys_under_flowing_media),
        TEST(packets_sealed_with_the_old_keys_still_count_after_a_restart),
        TEST(a_flood_of_dtls_is_cut_off_before_the_engine),
        TEST(participants_are_as_small_as_promised),
        TEST(who_only_listens_to_silence_touches_no_memory_of_media),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
