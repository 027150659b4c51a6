/* Ogg Opus files, published. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/media_file.h"
#include "core/source.h"

enum { PACKETS = 7 };

/* 20 ms and 60 ms packets by turns (RFC 6716 §3.1), each with its number in it. */
static struct bytes packet(unsigned i, uint8_t buffer[4])
{
    buffer[0] = i % 2 == 0 ? 0x78 : 0x18; /* CELT 20 ms; SILK 60 ms */
    buffer[1] = (uint8_t)i;
    return bytes_of(buffer, 2);
}

static unsigned samples(unsigned i)
{
    return i % 2 == 0 ? 960 : 2880;
}

static struct bytes file(void)
{
    static uint8_t buffer[8192];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct ogg_opus_writer o = { .serial = 1, .channels = 1 };
    uint32_t time = 0;
    for (unsigned i = 0; i < PACKETS; i++) {
        uint8_t opus[4];
        ogg_opus_write(&o, packet(i, opus), time, &w);
        time += samples(i);
    }
    ogg_opus_write_end(&o, &w);
    assert_false(w.failed);
    return bytes_of(buffer, writer_len(&w));
}

static void a_file_is_its_packets_in_a_loop(void **state)
{
    struct audio_clip c;
    assert_int_equal(audio_clip_parse(file(), &c), OK);
    assert_true(c.frame_count >= PACKETS && c.frame_count <= PACKETS + 1); /* the end may be one */
    for (unsigned i = 0; i < PACKETS; i++) {
        uint8_t opus[4];
        assert_true(bytes_equal(audio_clip_packet(&c, i), packet(i, opus)));
        assert_true(bytes_equal(audio_clip_packet(&c, i + 5 * c.frame_count), packet(i, opus)));
        assert_int_equal(audio_clip_samples(&c, i), samples(i));
    }
    audio_clip_done(&c);
    audio_clip_done(&c);
}

static void a_source_sends_them_as_long_as_they_sound(void **state)
{
    struct audio_clip c;
    assert_int_equal(audio_clip_parse(file(), &c), OK);
    struct source given = { .kind = MEDIA_AUDIO, .ssrc = 1, .audio = &c };
    struct source *s = source_new(&given, 99, SECONDS(1));
    source_set_active(s, true, SECONDS(1));
    s->speaks = true;
    uint32_t timestamp = 0;
    usec last = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct source_packet p;
        usec now = source_next_deadline(s);
        assert_true(source_next(s, now, &p));
        uint8_t buffer[64];
        struct writer w = writer_of(buffer, sizeof buffer);
        assert_true(source_write_payload(s, &p, &w) > 0);
        assert_true(bytes_equal(bytes_of(buffer, writer_len(&w)), audio_clip_packet(&c, i)));
        unsigned before = i == 0 ? 0 : audio_clip_samples(&c, i - 1);
        if (i > 0) {
            assert_int_equal(p.timestamp - timestamp, before);
            assert_int_equal(now - last, (usec)before * 1000 / 48);
        }
        timestamp = p.timestamp;
        last = now;
    }
    source_free(s);
    audio_clip_done(&c);
}

static void what_is_no_ogg_opus_is_refused(void **state)
{
    struct audio_clip c;
    assert_int_not_equal(audio_clip_parse(bytes_of_str("RIFF....WAVE"), &c), OK);
    assert_int_not_equal(audio_clip_parse(bytes_of(NULL, 0), &c), OK);
    struct bytes whole = file();
    assert_int_equal(audio_clip_parse(bytes_of(whole.data, whole.len - 3), &c), ERR_TRUNCATED);
    assert_null(c.frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_its_packets_in_a_loop),
        cmocka_unit_test(a_source_sends_them_as_long_as_they_sound),
        cmocka_unit_test(what_is_no_ogg_opus_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
