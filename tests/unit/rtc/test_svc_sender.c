/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "prng.h"

#include "rtc/depdesc_read.h"
#include "rtc/svc_sender.h"

enum { PICTURES = 400, FRAMES = PICTURES * SVC_SPATIAL_MAX, FIRST = 65000 };

static struct depdesc_info read_frame(const struct depdesc_pattern *p, const struct svc_frame *f,
                                      struct depdesc_structure *s, size_t *ret_len)
{
    uint8_t memory[DEPDESC_PATTERN_SIZE_MAX];
    struct writer w = writer_of(memory, sizeof memory);
    struct depdesc_info d;
    svc_frame_write_depdesc(&w, p, f, true, true, 1280, 720);
    assert_false(w.failed);
    *ret_len = writer_len(&w);
    assert_int_equal(depdesc_read(bytes_of(memory, *ret_len), s, &d, s), OK);
    return d;
}

static void all_layers_are_as_their_templates_have_them(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        struct svc_sender s;
        struct depdesc_structure structure = { 0 };
        size_t len;
        if (p->name[0] != 'L')
            continue;
        svc_sender_init(&s, p, FIRST);
        for (unsigned i = 0; i < PICTURES; i++) {
            struct svc_frame frames[SVC_SPATIAL_MAX];
            bool wants_key = i % 37 == 36;
            assert_int_equal(svc_sender_picture(&s, wants_key, 3, frames), p->spatial_count);
            for (unsigned k = 0; k < p->spatial_count; k++) {
                struct depdesc_info d = read_frame(p, &frames[k], &structure, &len);
                assert_int_equal(d.spatial, k);
                assert_int_equal(frames[k].number, (uint16_t)(FIRST + i * p->spatial_count + k));
                assert_int_equal(frames[k].is_key, i == 0 || wants_key);
                if (!frames[k].starts_all)
                    assert_int_equal(len, 3); /* nothing is custom */
            }
        }
    }
}

struct sent {
    bool is_sent;
    uint8_t spatial;
    unsigned picture;
};

static void frames_refer_to_frames_that_were_sent_whatever_layers_end(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        for (uint64_t seed = 0; seed < 20 && p->name[0] == 'L'; seed++) {
            struct prng r = { seed };
            struct svc_sender s;
            struct depdesc_structure structure = { 0 };
            static struct sent sent[65536];
            unsigned layers = p->spatial_count, had = 0;
            memset(sent, 0, sizeof sent);
            svc_sender_init(&s, p, FIRST);
            for (unsigned i = 1; i < PICTURES; i++) {
                struct svc_frame frames[SVC_SPATIAL_MAX];
                if (prng_below(&r, 12) == 0)
                    layers = 1 + prng_below(&r, p->spatial_count);
                unsigned count = svc_sender_picture(&s, prng_below(&r, 40) == 0, layers, frames);
                assert_in_range(count, 1, layers);
                assert_true(!frames[0].counts_layers || frames[0].is_key || count != had);
                had = count;
                for (unsigned k = 0; k < count; k++) {
                    const struct svc_frame *f = &frames[k];
                    size_t len;
                    struct depdesc_info d = read_frame(p, f, &structure, &len);
                    assert_int_equal(d.spatial, k);
                    assert_int_equal(f->ends_picture, k + 1 == count);
                    if (d.head.active_targets_present)
                        assert_int_equal(d.active_targets, (1u << (count * p->temporal_count)) - 1);
                    assert_int_equal(d.reference_count, (f->inter_layer ? 1 : 0) + (f->back > 0));
                    for (unsigned j = 0; j < d.reference_count; j++) {
                        const struct sent *to = &sent[(uint16_t)(f->number - d.references[j])];
                        assert_true(to->is_sent);
                        bool is_below = to->picture == i && f->inter_layer && to->spatial == k - 1;
                        bool is_own = to->spatial == k && i - to->picture == f->back;
                        assert_true(is_below || is_own);
                    }
                    sent[f->number] = (struct sent){ true, (uint8_t)k, i };
                }
            }
        }
    }
}

/* As the tracker of libwebrtc does it: until every active chain has carried the mask. */
static void the_mask_is_told_when_layers_end_and_come_back(void **state)
{
    const struct depdesc_pattern *p = depdesc_pattern_find("L3T3");
    struct svc_sender s;
    struct svc_frame frames[SVC_SPATIAL_MAX];
    svc_sender_init(&s, p, 7);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(svc_sender_picture(&s, false, 3, frames), 3);
    unsigned told = 0, pictures = 0;
    do {
        assert_int_equal(svc_sender_picture(&s, false, 1, frames), 1);
        told += frames[0].told_layers == 1;
        assert_false(frames[0].is_key);
    } while (++pictures < 8);
    assert_in_range(told, 1, 4); /* up to the next frame of temporal layer 0 */
    for (pictures = 0; svc_sender_picture(&s, false, 2, frames) == 1; pictures++)
        assert_true(pictures < 4);
    assert_false(frames[0].is_key); /* full SVC: no keyframe is needed */
    assert_int_equal(frames[0].temporal, 0);
    assert_int_equal(frames[0].told_layers, 2);
    assert_true(frames[1].inter_layer);
    assert_int_equal(frames[1].back, 0);
}

static void independent_layers_come_back_with_a_keyframe(void **state)
{
    const struct depdesc_pattern *p = depdesc_pattern_find("L2T3_KEY");
    struct svc_sender s;
    struct svc_frame frames[SVC_SPATIAL_MAX];
    svc_sender_init(&s, p, 7);
    for (unsigned i = 0; i < 5; i++)
        (void)svc_sender_picture(&s, false, 2, frames);
    assert_false(frames[0].for_upper);
    assert_int_equal(svc_sender_picture(&s, false, 1, frames), 1);
    assert_false(frames[0].is_key);
    assert_int_equal(svc_sender_picture(&s, false, 2, frames), 2);
    assert_true(frames[0].is_key);
    assert_true(frames[0].for_upper && frames[1].inter_layer);
    assert_int_equal(frames[0].told_layers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_layers_are_as_their_templates_have_them),
        cmocka_unit_test(frames_refer_to_frames_that_were_sent_whatever_layers_end),
        cmocka_unit_test(the_mask_is_told_when_layers_end_and_come_back),
        cmocka_unit_test(independent_layers_come_back_with_a_keyframe),
    };
    return cmocka_run_group_tests_name("rtc/svc_sender", tests, NULL, NULL);
}
