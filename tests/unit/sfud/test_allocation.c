/* After a worker is set up, media, RTCP and STUN take no memory: 12,000 packets forwarded to two
 * viewers, with losses and retransmissions, and not one allocation by our code or by OpenSSL.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "../rtc/alloc_probe.h"
#include "call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct call call;

static bool lose_some(const struct client *c, const struct seen *p)
{
    return p->seq % 37 == 0 && p->ssrc == client_slot_ssrc(c, MEDIA_VIDEO, 0, false);
}

/* Asks for what a gap of the video slot shows. */
static void ask_again(struct client *viewer)
{
    uint32_t ssrc = client_slot_ssrc(viewer, MEDIA_VIDEO, 0, false);
    const struct seen *last = NULL;
    for (size_t i = 0; i < viewer->seen_count; i++) {
        const struct seen *s = &viewer->seen[i];
        if (s->ssrc != ssrc)
            continue;
        if (last != NULL && s->seq == (uint16_t)(last->seq + 2)) {
            uint16_t seq = (uint16_t)(last->seq + 1);
            client_send_nack(viewer, ssrc, &seq, 1);
        }
        last = s;
    }
    viewer->seen_count = 0;
}

static void media_takes_no_memory(void **state)
{
    call_init(&call);
    struct client *a = call_join(&call, 0, "p_a", SOURCES_ALL);
    struct client *viewers[2] = { call_join(&call, 1, "p_b", SOURCES_ALL),
                                  call_join(&call, 2, "p_c", SOURCES_ALL) };
    static struct stream audio, camera[3];
    static const char *const rids[3] = { "q", "h", "f" };
    stream_audio(&audio, a, 5);
    audio.audio_level = 20;
    for (uint32_t i = 0; i < 3; i++)
        stream_camera(&camera[i], a, rids[i], 100 + i);
    for (size_t i = 0; i < 2; i++) {
        call_view(viewers[i], 0, a, SOURCE_CAMERA, 2);
        call_view(viewers[i], 0, a, SOURCE_MICROPHONE, 0);
        viewers[i]->lose = lose_some;
    }
    const struct worker_stats *stats = worker_stats(call.worker);
    call_wait(&call, DTLS_SETTLE_TIME + SECONDS(1)); /* handshakes are over, OpenSSL has gone */
    alloc_probe_reset(0, false);
    size_t frame = 0;
    for (; stats_read(stats, STAT_RTP_OUT) < 12000; frame++) {
        if (frame % 100 == 0)
            call_view(viewers[0], 0, a, SOURCE_CAMERA, (uint8_t)(frame / 100 % 3));
        stream_send_audio(&audio);
        for (size_t i = 0; i < 3; i++)
            stream_send_frame(&camera[i], frame % 50 == 0, i + 1);
        stream_send_report(&audio, SECONDS(1700000000) + call.now);
        call_flush(&call);
        call_wait(&call, MILLIS(30));
        ask_again(viewers[0]);
        ask_again(viewers[1]);
        call.event_count = 0;
    }
    assert_int_equal(alloc_probe.count, 0);
    /* it was a real call */
    assert_true(stats_read(stats, STAT_RTX_OUT) > 50);
    assert_true(stats_read(stats, STAT_SWITCHES) > 5);
    assert_true(stats_read(stats, STAT_TWCC_OUT) > 50);
    assert_int_equal(stats_read(stats, STAT_DROP_FULL) + stats_read(stats, STAT_UNSENT_FULL), 0);
    call_done(&call);
}

int main(void)
{
    alloc_probe_install();
    check(srtp_init() == srtp_err_status_ok);
    const struct CMUnitTest tests[] = { cmocka_unit_test(media_takes_no_memory) };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)srtp_shutdown();
    return failed;
}
