/* Participants whose network changes: ICE restarts, other addresses, addresses without consent; and
 * streams that end for good.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "core/worker_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct call call;

enum { CAMERA_SSRC = 7000, AUDIO_SSRC = 9000, RESTARTS = 1000 };

/* a publishes, b views: audio slot 0, video slot 0. */
static struct scene {
    struct client *a, *b;
    struct stream audio, camera[2];
    size_t audio_sent;
} scene;

static const struct net_addr elsewhere = { .family = NET_IPV4,
                                           .ip = { 198, 51, 100, 7 },
                                           .port = 6000 };

static int start(void **state)
{
    call_init(&call);
    memset(&scene, 0, sizeof scene);
    scene.a = call_join(&call, 0, "p_a", SOURCES_ALL);
    scene.b = call_join(&call, 1, "p_b", SOURCES_ALL);
    stream_audio(&scene.audio, scene.a, AUDIO_SSRC);
    stream_camera(&scene.camera[0], scene.a, "q", CAMERA_SSRC);
    stream_camera(&scene.camera[1], scene.a, "h", CAMERA_SSRC + 10);
    call_view_nothing(scene.a);
    call_view_nothing(scene.b);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    call_view(scene.b, 0, scene.a, SOURCE_CAMERA, 2);
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

static uint32_t audio_ssrc(void)
{
    return client_slot_ssrc(scene.b, MEDIA_AUDIO, 0, false);
}

static uint32_t video_ssrc(void)
{
    return client_slot_ssrc(scene.b, MEDIA_VIDEO, 0, false);
}

static bool is_found(const char *ufrag)
{
    return transport_find_ufrag(call.worker, bytes_of_str(ufrag)) != NULL;
}

/* One packet of audio and, in the mask, one frame of each layer. */
static void send_media(unsigned layers)
{
    stream_send_audio(&scene.audio);
    scene.audio_sent++;
    for (size_t i = 0; i < ARRAY_LEN(scene.camera); i++) {
        struct stream *s = &scene.camera[i];
        bool asked = client_count_pli(scene.a, s->ssrc) > 0;
        if (layers & (1u << i))
            stream_send_frame(s, asked, 2);
        for (size_t j = 0; asked && j < scene.a->pli_count; j++) {
            if (scene.a->pli[j].ssrc == s->ssrc)
                scene.a->pli[j].ssrc = 0;
        }
    }
}

static void publish(usec ms, unsigned layers)
{
    for (usec t = 0; t < ms; t += 20) {
        send_media(layers);
        call_flush(&call);
        call_wait(&call, MILLIS(20));
    }
}

static void expect_nothing_lost(void)
{
    assert_int_equal(client_check_stream(scene.b, audio_ssrc()), scene.audio_sent);
    client_check_stream(scene.b, video_ssrc());
    assert_int_equal(stat_of(STAT_DROP_AUTH) + stat_of(STAT_DROP_UNKNOWN), 0);
    assert_int_equal(stat_of(STAT_NACK_OUT), 0);
}

static void a_viewers_restart_loses_nothing(void **state)
{
    publish(1000, 3);
    struct client *b = scene.b;
    char old_ufrag[sizeof b->ufrag];
    memcpy(old_ufrag, b->ufrag, sizeof old_ufrag);
    b->other = elsewhere;
    assert_int_equal(call_restart(b, 1), OK);
    assert_true(is_found(old_ufrag) && is_found(b->ufrag));
    publish(500, 3);
    assert_int_equal(b->other_count, 0);
    call_check_from(b, &elsewhere, false);
    publish(500, 3);
    assert_int_equal(b->other_count, 0); /* media goes where it went */
    assert_false(is_found(old_ufrag));   /* but the old credentials are over */
    call_check_from(b, &elsewhere, true);
    size_t before = b->seen_count;
    publish(500, 3);
    assert_int_equal(b->other_count, b->seen_count - before);
    assert_int_equal(client_count(b, video_ssrc()) > 200, 1);
    expect_nothing_lost();
    assert_int_equal(stat_of(STAT_ICE_RESTARTS), 1);
}

/* Browsers ask for a keyframe themselves, but not before 3 s without a picture. */
static void a_viewer_who_was_away_gets_a_keyframe_with_their_new_path(void **state)
{
    publish(1000, 3);
    struct client *a = scene.a, *b = scene.b;
    uint32_t h = scene.camera[1].ssrc;
    client_forget(a);
    b->other = elsewhere;
    assert_int_equal(call_restart(b, 1), OK);
    call_wait(&call, MILLIS(700)); /* nothing of either */
    call_check_from(b, &elsewhere, false);
    call_flush(&call);
    assert_int_equal(client_count_pli(a, h), 0); /* it would go the old way */
    call_wait(&call, MILLIS(100));
    call_check_from(b, &elsewhere, true);
    call_flush(&call);
    assert_int_equal(client_count_pli(a, h), 1);
}

static void a_publishers_restart_loses_nothing_that_is_on_its_way(void **state)
{
    publish(500, 3);
    struct client *a = scene.a;
    struct net_addr old = a->addr;
    assert_int_equal(call_restart(a, 1), OK);
    publish(200, 3);
    call_check_from(a, &elsewhere, true);
    call_flush(&call);
    send_media(3); /* left before the nomination, came after it */
    call_wait(&call, MILLIS(20));
    a->addr = elsewhere;
    publish(1000, 3);
    expect_nothing_lost();
    call_wait(&call, SECONDS(3));
    a->addr = old; /* and much later nothing is taken from there */
    stream_send_audio(&scene.audio);
    call_flush(&call);
    assert_int_equal(stat_of(STAT_DROP_UNKNOWN), 1);
}

static void old_credentials_are_refused_after_a_restart(void **state)
{
    struct client *b = scene.b;
    struct client old = *b;
    char remote[sizeof b->negotiated->params.remote_ufrag];
    memcpy(remote, b->negotiated->params.remote_ufrag, sizeof remote);
    assert_int_equal(call_restart(b, 1), OK);
    call_check(b);
    call_flush(&call);
    uint32_t answers = b->stun_answers;
    uint64_t dropped = stat_of(STAT_DROP_STUN);
    memcpy(b->ufrag, old.ufrag, sizeof b->ufrag);
    memcpy(b->pwd, old.pwd, sizeof b->pwd);
    memcpy(b->negotiated->params.remote_ufrag, remote, sizeof remote);
    call_check(b);
    call_flush(&call);
    assert_int_equal(b->stun_answers, answers);
    assert_int_equal(stat_of(STAT_DROP_STUN), dropped + 1);
}

static void the_same_offer_again_is_the_same_restart(void **state)
{
    assert_int_equal(call_restart(scene.b, 1), OK);
    assert_int_equal(call_restart(scene.b, 1), OK);
    assert_int_equal(stat_of(STAT_ICE_RESTARTS), 1);
    call_check(scene.b);
    call_flush(&call);
    assert_int_equal(call_restart(scene.b, 1), OK); /* a retry that comes late */
    assert_int_equal(stat_of(STAT_ICE_RESTARTS), 1);
    publish(500, 3);
    expect_nothing_lost();
}

static void somebody_elses_ufrag_is_refused(void **state)
{
    memcpy(scene.b->name, "p_a", 4); /* an update for a, with b's credentials */
    struct command update = { .kind = COMMAND_TRANSPORT_UPDATE, .participant = "p_a" };
    update.transport = scene.a->negotiated->params;
    snprintf(update.transport.local_ufrag, sizeof update.transport.local_ufrag, "%s",
             scene.b->ufrag);
    assert_int_equal(call_command(&call, &update), ERR_BAD_STATE);
    memcpy(scene.b->name, "p_b", 4);
    publish(100, 3);
    expect_nothing_lost();
}

static void a_storm_of_restarts_ends_with_the_last(void **state)
{
    for (unsigned n = 0; n < RESTARTS; n++) {
        assert_int_equal(call_restart(scene.b, n), OK);
        call.event_count = 0;
        if (n % 100 == 0)
            call_check(scene.b);
        if (n % 50 == 0)
            publish(20, 3);
    }
    assert_false(is_found("p_b998"));
    call_check(scene.b);
    publish(500, 3);
    expect_nothing_lost();
    assert_int_equal(call.worker->by_ufrag.len, 2);
    call_leave(scene.b);
    assert_int_equal(call.worker->by_ufrag.len, 1);
}

static void restarts_alone_do_not_keep_a_transport(void **state)
{
    call.no_checks = true;
    usec begin = call.now;
    for (unsigned n = 0; !call_was_told(&call, "p_b", TRANSPORT_EVENT_FAILED); n++) {
        (void)call_restart(scene.b, n);
        call_wait(&call, SECONDS(1));
        assert_true(call.now - begin < SECONDS(40));
    }
    assert_in_range(call.now - begin, SECONDS(29), SECONDS(33));
}

static void a_restart_that_is_pending_gets_its_time(void **state)
{
    publish(1000, 3);
    scene.b->joined = false; /* its network is gone: no checks */
    usec gone_at = call.now;
    publish(25000, 1);
    assert_int_equal(call_restart(scene.b, 1), OK);
    publish(10000, 1);
    assert_false(call_was_told(&call, "p_b", TRANSPORT_EVENT_FAILED));
    const struct seen *last = &scene.b->seen[scene.b->seen_count - 1];
    assert_true(last->at - gone_at <= ICE_CONSENT_TIMEOUT); /* nothing was sent without consent */
    assert_true(last->at - gone_at > SECONDS(20));
    scene.b->addr = elsewhere;
    call_check(scene.b);
    size_t before = scene.b->seen_count;
    publish(500, 1);
    assert_true(scene.b->seen_count >= before + 25);
}

static void a_restart_in_the_middle_of_the_handshake_is_survived(void **state)
{
    struct client *d = call_enter(&call, 2, "p_d", SOURCES_ALL);
    call_check(d);
    call_flush(&call);
    struct dtls_fingerprint expected;
    assert_int_equal(
        dtls_fingerprint_parse(bytes_of_str("sha-256"), bytes_of_str(call.fingerprint), &expected),
        OK);
    d->dtls = dtls_new(d->identity, DTLS_CLIENT, &expected, 1, call.now);
    dtls_start(d->dtls, call.now);
    for (struct bytes hello; dtls_next_datagram(d->dtls, &hello);)
        call_receive(&call, &d->addr, hello);
    d->addr = elsewhere; /* the answer goes where nobody is any more */
    call_flush(&call);
    assert_int_equal(call_restart(d, 1), OK);
    call_check(d);
    for (int i = 0; i < 30 && d->sender == NULL; i++) {
        call_wait(&call, MILLIS(100));
        dtls_tick(d->dtls, call.now);
        for (struct bytes again; dtls_next_datagram(d->dtls, &again);)
            call_receive(&call, &d->addr, again);
        call_flush(&call);
    }
    assert_non_null(d->sender);
    assert_true(call_was_told(&call, "p_d", TRANSPORT_EVENT_CONNECTED));
}

static void media_follows_an_address_that_a_nat_changes(void **state)
{
    publish(500, 3);
    scene.b->addr = elsewhere;
    call_check(scene.b);
    size_t before = scene.b->seen_count;
    publish(500, 3);
    assert_true(scene.b->seen_count >= before + 75);
    expect_nothing_lost();
}

static void media_follows_without_a_nomination_when_the_old_address_is_silent(void **state)
{
    publish(500, 3);
    scene.b->joined = false;
    scene.b->other = elsewhere;
    call_check_from(scene.b, &elsewhere, false);
    publish(3000, 3);
    assert_int_equal(scene.b->other_count, 0);
    call_wait(&call, ICE_SILENT_TIME);
    call_check_from(scene.b, &elsewhere, false);
    publish(500, 3);
    assert_true(scene.b->other_count >= 75);
    expect_nothing_lost();
}

static void an_address_without_consent_is_neither_sent_to_nor_heard(void **state)
{
    call_check_from(scene.a, &elsewhere, false);
    call_wait(&call, SECONDS(31)); /* checks from the first address go on */
    struct net_addr first = scene.a->addr;
    scene.a->addr = elsewhere;
    stream_send_audio(&scene.audio);
    call_flush(&call);
    assert_int_equal(stat_of(STAT_DROP_UNKNOWN), 1);
    scene.a->addr = first;
    assert_false(call_was_told(&call, "p_a", TRANSPORT_EVENT_DISCONNECTED));
    const struct transport *a = transport_find(call.worker, "default/test", "p_a");
    assert_int_equal(a->address_count, 1);
}

/* Agents of RFC 5245 send indications instead of checks; GStreamer's is one. */
static void media_keeps_what_a_check_began(void **state)
{
    publish(500, 3);
    scene.a->joined = false; /* sends, but never checks */
    call.event_count = 0;
    publish(70000, 1);
    assert_false(call_was_told(&call, "p_a", TRANSPORT_EVENT_DISCONNECTED));
    assert_false(call_was_told(&call, "p_a", TRANSPORT_EVENT_FAILED));
    call_wait(&call, ICE_CONSENT_TIMEOUT + SECONDS(1));
    assert_true(call_was_told(&call, "p_a", TRANSPORT_EVENT_FAILED));
}

/* … and who only watches reports every 5 s, or a little later. */
static void who_never_checks_may_be_silent_for_longer(void **state)
{
    publish(500, 3);
    scene.a->joined = false;
    publish(12000, 1);
    call.event_count = 0;
    call_wait(&call, TRANSPORT_UNCHECKED_DISCONNECTED_TIME - SECONDS(1));
    assert_false(call_was_told(&call, "p_a", TRANSPORT_EVENT_DISCONNECTED));
    call_wait(&call, SECONDS(2));
    assert_true(call_was_told(&call, "p_a", TRANSPORT_EVENT_DISCONNECTED));
}

/* … and their address stays theirs for as long. */
static void who_never_checks_keeps_their_address(void **state)
{
    publish(500, 3);
    scene.a->joined = false;
    publish(12000, 1);
    call_wait(&call, TRANSPORT_DISCONNECTED_TIME + SECONDS(2));
    call_check_from(scene.b, &scene.a->addr, true); /* forged */
    call_flush(&call);
    assert_int_equal(stat_of(STAT_DROP_ADDRESS), 1);
    call.event_count = 0;
    publish(2000, 1);
    assert_int_equal(stat_of(STAT_DROP_AUTH), 0);
    assert_false(call_was_told(&call, "p_a", TRANSPORT_EVENT_DISCONNECTED));
}

static void a_later_offer_does_not_change_known_media(void **state)
{
    publish(500, 3);
    struct command c = { .kind = COMMAND_TRANSPORT_UPDATE, .participant = "p_a" };
    c.transport = scene.a->negotiated->params;
    memset(c.transport.formats, 0, sizeof c.transport.formats); /* other codecs than before */
    memset(&c.transport.ext, 0, sizeof c.transport.ext);
    for (size_t i = 0; i < c.transport.media_count; i++) {
        struct media_params *m = &c.transport.media[i];
        m->payload_type_count = 0;
        if (i % 2 == 1)
            m->role = MEDIA_UNUSED; /* inactive for now */
    }
    assert_int_equal(call_command(&call, &c), OK);
    publish(500, 3);
    expect_nothing_lost();
    c.transport.media[4].mid[0] ^= 1;
    assert_int_equal(call_command(&call, &c), ERR_MALFORMED);
    c.transport.media_count = 3;
    assert_int_equal(call_command(&call, &c), ERR_MALFORMED);
}

static bool has_bye(const struct client *c, uint32_t ssrc)
{
    for (size_t i = 0; i < c->bye_count; i++) {
        if (c->byes[i] == ssrc)
            return true;
    }
    return false;
}

static void streams_end_with_a_bye_and_only_for_good(void **state)
{
    publish(500, 3);
    call_view_nothing(scene.b);
    call_view(scene.b, 0, scene.a, SOURCE_MICROPHONE, 0);
    publish(500, 3);
    call_wait(&call, SECONDS(2));
    assert_int_equal(scene.b->bye_count, 0); /* a slot that is empty is not over */
    struct command remove = { .kind = COMMAND_TRANSPORT_REMOVE, .participant = "p_b" };
    assert_int_equal(call_command(&call, &remove), OK);
    call_flush(&call);
    assert_true(has_bye(scene.b, audio_ssrc()) && has_bye(scene.b, video_ssrc()));
    assert_int_equal(scene.b->bye_count, 3); /* ours, and no slot that never had anything */
}

static void a_layer_of_which_the_publisher_says_bye_is_left_at_once(void **state)
{
    publish(1000, 3);
    uint32_t low = scene.camera[0].ssrc;
    scene.a->pli_count = 0;
    uint8_t packet[64];
    struct writer w = writer_of(packet, sizeof packet);
    rtcp_write_rr(&w, scene.camera[1].ssrc, NULL, 0);
    rtcp_write_bye(&w, &scene.camera[1].ssrc, 1, bytes_of_str("done"));
    client_send_rtcp(scene.a, bytes_of(packet, writer_len(&w)));
    call_flush(&call);
    call_wait(&call, MILLIS(250)); /* no silence is waited for: ENCODING_SILENT_TIME is longer */
    assert_int_equal(client_count_pli(scene.a, low), 1);
    size_t before = client_count(scene.b, video_ssrc());
    publish(200, 1);
    assert_true(client_count(scene.b, video_ssrc()) >= before + 10);
    expect_nothing_lost();
}

int main(void)
{
    check(srtp_init() == srtp_err_status_ok);
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_viewers_restart_loses_nothing),
        TEST(a_viewer_who_was_away_gets_a_keyframe_with_their_new_path),
        TEST(a_publishers_restart_loses_nothing_that_is_on_its_way),
        TEST(old_credentials_are_refused_after_a_restart),
        TEST(the_same_offer_again_is_the_same_restart),
        TEST(somebody_elses_ufrag_is_refused),
        TEST(a_storm_of_restarts_ends_with_the_last),
        TEST(restarts_alone_do_not_keep_a_transport),
        TEST(a_restart_that_is_pending_gets_its_time),
        TEST(a_restart_in_the_middle_of_the_handshake_is_survived),
        TEST(media_follows_an_address_that_a_nat_changes),
        TEST(media_follows_without_a_nomination_when_the_old_address_is_silent),
        TEST(an_address_without_consent_is_neither_sent_to_nor_heard),
        TEST(media_keeps_what_a_check_began),
        TEST(who_never_checks_may_be_silent_for_longer),
        TEST(who_never_checks_keeps_their_address),
        TEST(a_later_offer_does_not_change_known_media),
        TEST(streams_end_with_a_bye_and_only_for_good),
        TEST(a_layer_of_which_the_publisher_says_bye_is_left_at_once),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
