/* SPDX-License-Identifier: Apache-2.0 */
#include "../rtc/cmocka_all.h"
#include "../rtc/layer_stream.h"

#include "core/layer_filter.h"
#include "rtc/frame_layers_payload.h"

enum { FRAMES = 600, PACKETS = FRAMES * STREAM_PACKETS_MAX, READER_PAYLOAD = 1 };

static const uint8_t payload[] = { 0x10 }; /* AV1 aggregation header: not looked at */

/* What became of a frame at the viewer's side of the filter. */
struct fate {
    bool arrived; /* at least one packet reached the filter */
    bool sent;
    uint32_t packets_sent, packets_dropped;
    uint8_t reference_count;
    uint32_t references[2];
    uint8_t spatial, temporal;
    uint32_t picture;
    bool is_key_picture;
};

struct world {
    struct prng random;
    struct layer_stream stream;
    struct layer_reader reader;
    struct layer_filter filter;
    struct layer_window window;
    struct fate frames[FRAMES];
    struct stream_packet packets[PACKETS];
    size_t packet_count;
    bool marked[FRAMES]; /* by picture: a sent packet had the marker */
    int marked_spatial[FRAMES], highest_sent[FRAMES];
};

static void start(struct world *w, const char *mode, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->random.state = seed;
    w->stream.pattern = depdesc_pattern_find(mode);
    w->stream.first_number = (uint16_t)prng_next(&w->random);
    layer_filter_init(&w->filter, &w->window);
    memset(w->highest_sent, -1, sizeof w->highest_sent);
}

static enum layer_verdict push(struct world *w, const struct stream_packet *p, bool *ret_marker)
{
    struct frame_layers fl;
    struct payload_descriptor d;
    assert_int_equal(layer_reader_read(&w->reader, CODEC_AV1, bytes_of(payload, READER_PAYLOAD),
                                       bytes_of(p->value, p->len), &fl, &d),
                     OK);
    if (p->is_first && p->is_key_picture && p->layer->spatial == 0)
        assert_true(fl.keyframe_start);
    enum layer_verdict v = layer_filter_push(&w->filter, &w->reader.structure, &fl, ret_marker);
    struct fate *f = &w->frames[p->frame];
    f->arrived = true;
    f->spatial = p->layer->spatial;
    f->temporal = p->layer->temporal;
    f->picture = p->picture;
    f->is_key_picture = p->is_key_picture;
    for (f->reference_count = 0; f->reference_count < 2 && p->references[f->reference_count] > 0;
         f->reference_count++)
        f->references[f->reference_count] = p->frame - p->references[f->reference_count];
    f->sent |= v == LAYER_SEND;
    if (v == LAYER_SEND) {
        f->packets_sent++;
        w->highest_sent[p->picture] = MAX(w->highest_sent[p->picture], f->spatial);
        if (p->marker || *ret_marker) {
            w->marked[p->picture] = true;
            w->marked_spatial[p->picture] = MAX(w->marked_spatial[p->picture], f->spatial);
        }
    } else {
        f->packets_dropped++;
    }
    return v;
}

static void make_packets(struct world *w, unsigned key_one_in)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        if (key_one_in > 0 && prng_below(&w->random, key_one_in) == 0)
            w->stream.wants_key = true;
        w->packet_count += stream_next(&w->stream, &w->random, &w->packets[w->packet_count]);
    }
}

/* Every packet moves by up to `by` places; one in `one_in` is lost and comes `late` places later,
 * or never. */
static void disturb(struct world *w, unsigned by, unsigned one_in, unsigned late)
{
    for (size_t i = 9; i + by + 1 < w->packet_count && by > 0; i++) {
        if (prng_below(&w->random, 10) == 0) {
            struct stream_packet p = w->packets[i];
            size_t to = i + 1 + prng_below(&w->random, by);
            w->packets[i] = w->packets[to];
            w->packets[to] = p;
        }
    }
    for (size_t i = 9; i + late + 1 < w->packet_count && one_in > 0; i++) {
        if (prng_below(&w->random, one_in) != 0)
            continue;
        struct stream_packet p = w->packets[i];
        size_t move = late > 0 && prng_below(&w->random, 4) != 0 ? late : 0;
        if (move == 0) {
            memmove(&w->packets[i], &w->packets[i + 1],
                    (w->packet_count - i - 1) * sizeof w->packets[0]);
            w->packet_count--;
            continue;
        }
        memmove(&w->packets[i], &w->packets[i + 1], move * sizeof w->packets[0]);
        w->packets[i + move] = p;
    }
}

static void wish_at_random(struct world *w)
{
    layer_filter_want(&w->filter, (uint8_t)prng_below(&w->random, 4),
                      (uint8_t)prng_below(&w->random, 4));
}

/* A decoder needs everything that a frame refers to. What never arrived at all is not the filter's
 * doing; all else must have been sent. */
static void assert_decodable(const struct world *w)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        const struct fate *f = &w->frames[i];
        assert_true(f->packets_sent == 0 || f->packets_dropped == 0);
        for (unsigned r = 0; f->sent && r < f->reference_count; r++) {
            const struct fate *needed = &w->frames[f->references[r]];
            assert_true(needed->sent || !needed->arrived);
        }
    }
}

static void no_frame_is_sent_without_what_it_needs(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        for (uint64_t seed = 0; seed < 60; seed++) {
            static struct world w;
            start(&w, depdesc_pattern_at(n)->name, seed * 1000 + n);
            make_packets(&w, seed % 3 == 0 ? 0 : 60);
            disturb(&w, (unsigned)(seed % 5 * 2), seed % 4 == 0 ? 0 : 20, seed % 2 ? 25 : 6);
            unsigned wishes = 3 + (unsigned)(seed % 40);
            bool marker;
            for (size_t i = 0; i < w.packet_count; i++) {
                if (prng_below(&w.random, wishes) == 0)
                    wish_at_random(&w);
                push(&w, &w.packets[i], &marker);
            }
            assert_decodable(&w);
        }
    }
}

/* In order and without loss, with a keyframe whenever the filter asks for one: the pictures flow,
 * each ends with a marker on its highest layer, and the wishes are kept. */
static void pictures_flow_and_end_with_a_marker(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        const struct depdesc_pattern *p = depdesc_pattern_at(n);
        for (uint64_t seed = 0; seed < 40; seed++) {
            static struct world w;
            start(&w, p->name, seed * 77 + n);
            unsigned wish_s = LAYER_ANY, wish_t = LAYER_ANY;
            uint32_t wished_at = 0;
            for (unsigned i = 0; i < FRAMES; i++) {
                struct stream_packet packets[STREAM_PACKETS_MAX];
                size_t count = stream_next(&w.stream, &w.random, packets);
                if (packets[0].layer->spatial == 0 && prng_below(&w.random, 60) == 0) {
                    wish_s = prng_below(&w.random, p->spatial_count);
                    wish_t = prng_below(&w.random, p->temporal_count);
                    layer_filter_want(&w.filter, (uint8_t)wish_s, (uint8_t)wish_t);
                    wished_at = packets[0].picture;
                }
                for (size_t k = 0; k < count; k++) {
                    bool marker;
                    push(&w, &packets[k], &marker);
                }
                assert_false(w.filter.broken);
                w.stream.wants_key = layer_filter_needs_keyframe(&w.filter);
                struct fate *f = &w.frames[i];
                /* a keyframe picture of simulcast carries the way up */
                if (packets[0].picture > wished_at + 6 && !f->is_key_picture) {
                    unsigned s = MIN(wish_s, p->spatial_count - 1u);
                    unsigned t = MIN(wish_t, p->temporal_count - 1u);
                    bool wanted =
                        f->temporal <= t &&
                        (strstr(p->name, "_KEY") != NULL || p->name[0] == 'S' ? f->spatial == s
                                                                              : f->spatial <= s);
                    assert_int_equal(f->sent, wanted);
                }
            }
            assert_decodable(&w);
            for (unsigned i = 0; i < w.stream.picture; i++) {
                if (w.highest_sent[i] < 0)
                    continue;
                assert_true(w.marked[i]);
                assert_int_equal(w.marked_spatial[i], w.highest_sent[i]);
            }
        }
    }
}

/* Runs until `frames` more frames were pushed; returns pictures until the target is (s, t). */
static int pictures_until(struct world *w, unsigned spatial, unsigned temporal, bool with_keys)
{
    uint32_t from = w->stream.picture;
    for (unsigned i = 0; i < 60; i++) {
        struct stream_packet packets[STREAM_PACKETS_MAX];
        size_t count = stream_next(&w->stream, &w->random, packets);
        for (size_t k = 0; k < count; k++) {
            bool marker;
            push(w, &packets[k], &marker);
        }
        if (with_keys)
            w->stream.wants_key = layer_filter_needs_keyframe(&w->filter);
        if (w->filter.target != LAYER_NONE && w->filter.spatial == spatial &&
            w->filter.temporal == temporal)
            return (int)(packets[0].picture - from);
    }
    return -1;
}

static void run(struct world *w, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        struct stream_packet packets[STREAM_PACKETS_MAX];
        size_t count = stream_next(&w->stream, &w->random, packets);
        for (size_t k = 0; k < count; k++) {
            bool marker;
            push(w, &packets[k], &marker);
        }
    }
}

static void temporal_layers_rise_within_one_turn_and_fall_at_once(void **state)
{
    static const char *const modes[] = { "L1T3", "L2T3", "L3T3", "L3T3_KEY", "S3T3" };
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        for (unsigned phase = 0; phase < 24; phase++) {
            static struct world w;
            start(&w, modes[m], 5 + phase);
            run(&w, 24 + phase);
            unsigned top = w.stream.pattern->spatial_count - 1u;
            assert_int_equal(w.filter.spatial, top);
            assert_int_equal(w.filter.temporal, 2);
            layer_filter_want(&w.filter, LAYER_ANY, 0);
            assert_in_range(pictures_until(&w, top, 0, false), 0, 1);
            run(&w, 7);
            layer_filter_want(&w.filter, LAYER_ANY, LAYER_ANY);
            assert_in_range(pictures_until(&w, top, 2, false), 0, 4);
            assert_decodable(&w);
        }
    }
}

static void spatial_layers_of_full_svc_fall_within_one_picture(void **state)
{
    static const char *const modes[] = { "L2T1", "L2T3", "L3T1", "L3T3" };
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        for (unsigned phase = 0; phase < 24; phase++) {
            static struct world w;
            start(&w, modes[m], 9 + phase);
            run(&w, 24 + phase);
            unsigned top_t = w.stream.pattern->temporal_count - 1u;
            layer_filter_want(&w.filter, 0, LAYER_ANY);
            assert_in_range(pictures_until(&w, 0, top_t, false), 0, 1);
            assert_false(layer_filter_needs_keyframe(&w.filter));
            run(&w, 2u * w.stream.pattern->turn_length);
            layer_filter_want(&w.filter, 1, LAYER_ANY);
            assert_int_equal(pictures_until(&w, 1, top_t, false), -1);
            assert_true(layer_filter_needs_keyframe(&w.filter));
            w.stream.wants_key = true;
            assert_in_range(pictures_until(&w, 1, top_t, false), 0, 1);
            assert_decodable(&w);
        }
    }
}

static void independent_spatial_layers_change_at_keyframes_only(void **state)
{
    static const char *const modes[] = { "L3T3_KEY", "S3T3" };
    for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
        static struct world w;
        start(&w, modes[m], 3);
        run(&w, 30);
        assert_int_equal(w.filter.spatial, 2);
        layer_filter_want(&w.filter, 0, LAYER_ANY);
        assert_int_equal(pictures_until(&w, 0, 2, false), -1);
        assert_true(layer_filter_needs_keyframe(&w.filter));
        assert_in_range(pictures_until(&w, 0, 2, true), 0, 2);
        assert_false(layer_filter_needs_keyframe(&w.filter));
        assert_decodable(&w);
    }
}

/* Whatever the instant of a wish: a picture of which something was sent ends with a marker. */
static void wishes_within_a_picture_leave_no_picture_without_end(void **state)
{
    for (size_t n = 0; depdesc_pattern_at(n) != NULL; n++) {
        for (uint64_t seed = 0; seed < 60; seed++) {
            static struct world w;
            start(&w, depdesc_pattern_at(n)->name, seed * 31 + n);
            for (unsigned i = 0; i < FRAMES; i++) {
                struct stream_packet packets[STREAM_PACKETS_MAX];
                size_t count = stream_next(&w.stream, &w.random, packets);
                for (size_t k = 0; k < count; k++) {
                    bool marker;
                    if (prng_below(&w.random, 20) == 0)
                        wish_at_random(&w);
                    push(&w, &packets[k], &marker);
                }
                w.stream.wants_key |= prng_below(&w.random, 40) == 0;
            }
            for (unsigned i = 0; i + 1 < w.stream.picture; i++) {
                if (w.highest_sent[i] < 0)
                    continue;
                assert_true(w.marked[i]);
                assert_int_equal(w.marked_spatial[i], w.highest_sent[i]);
            }
        }
    }
}

/* The frames behind it were decided on by the old target: the layers above were withheld. */
static void a_late_keyframe_leads_to_no_layer_that_was_withheld(void **state)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        static struct world w;
        bool marker;
        start(&w, "L2T3", seed);
        run(&w, 16);
        layer_filter_want(&w.filter, 0, LAYER_ANY);
        run(&w, 16);
        w.stream.wants_key = true;
        for (unsigned i = 0; i < 8; i++)
            w.packet_count += stream_next(&w.stream, &w.random, &w.packets[w.packet_count]);
        for (size_t i = 1; i < w.packet_count; i++) /* the first is the keyframe's first one */
            push(&w, &w.packets[i], &marker);
        layer_filter_want(&w.filter, 1, LAYER_ANY);
        push(&w, &w.packets[0], &marker);
        run(&w, 16);
        assert_false(w.filter.broken);
        assert_int_equal(w.filter.spatial, 0);
        assert_true(layer_filter_needs_keyframe(&w.filter));
        assert_decodable(&w);
        for (unsigned i = 0; i + 1 < w.stream.picture; i++)
            assert_true(w.highest_sent[i] < 0 || w.marked[i]);
    }
}

static void a_new_input_waits_for_its_keyframe(void **state)
{
    static struct world w;
    start(&w, "L1T3", 1);
    run(&w, 20);
    layer_filter_reset(&w.filter);
    assert_true(layer_filter_needs_keyframe(&w.filter));
    run(&w, 5);
    for (unsigned i = 20; i < 25; i++)
        assert_false(w.frames[i].sent);
    w.stream.wants_key = true;
    run(&w, 4);
    for (unsigned i = 25; i < 29; i++)
        assert_true(w.frames[i].sent);
}

static void the_mask_names_what_can_be_decoded(void **state)
{
    static struct world w;
    start(&w, "L3T3", 1);
    assert_null(layer_filter_active_targets(&w.filter));
    run(&w, 12);
    assert_null(layer_filter_active_targets(&w.filter));
    layer_filter_want(&w.filter, 1, 1);
    run(&w, 12);
    const uint32_t *mask = layer_filter_active_targets(&w.filter);
    assert_non_null(mask);
    assert_int_equal(*mask, 0x1b); /* S0T0 S0T1 S1T0 S1T1 */
}

/* Half a minute in which nothing comes: the numbers jump by more than the window. */
static void a_long_gap_keeps_the_target(void **state)
{
    static struct world w;
    start(&w, "L1T3", 1);
    run(&w, 21);
    w.stream.first_number = (uint16_t)(w.stream.first_number + 2000);
    run(&w, 40);
    for (unsigned i = 24; i < 60; i++)
        assert_true(w.frames[i].sent);
}

/* VP8 as libwebrtc sends three temporal layers: T1 refers to the T1 before it in the second half of
 * a turn of eight frames. */
static const struct {
    uint8_t temporal;
    bool sync;
    uint8_t references[2]; /* frames back */
} vp8_turn[8] = { { 0, false, { 4 } },    { 2, true, { 1 } },    { 1, true, { 2 } },
                  { 2, false, { 3, 1 } }, { 0, false, { 4 } },   { 2, false, { 1, 2 } },
                  { 1, false, { 2, 4 } }, { 2, false, { 1, 3 } } };

static enum layer_verdict push_vp8(struct world *w, uint32_t frame, bool key, bool *ret_layers)
{
    unsigned at = frame % 8;
    uint8_t memory[32];
    struct writer out = writer_of(memory, sizeof memory);
    vp8_write(&out, &(struct vp8_descriptor){ .partition_start = true,
                                              .has_picture_id = true,
                                              .picture_id = (32700 + frame) & 0x7fff,
                                              .has_tl0_index = true,
                                              .has_temporal_id = true,
                                              .temporal_id = vp8_turn[at].temporal,
                                              .layer_sync = vp8_turn[at].sync });
    writer_u8(&out, key ? 0 : 1);
    struct frame_layers fl;
    struct payload_descriptor d;
    bool marker;
    assert_int_equal(layer_reader_read(&w->reader, CODEC_VP8, bytes_of(memory, writer_len(&out)),
                                       bytes_of(NULL, 0), &fl, &d),
                     OK);
    *ret_layers = fl.has_layers;
    return layer_filter_push(&w->filter, &w->reader.structure, &fl, &marker);
}

static void temporal_layers_of_vp8_need_no_descriptor(void **state)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        static struct world w;
        start(&w, "L1T3", seed);
        unsigned wish = LAYER_ANY;
        uint32_t wished_at = 0;
        for (uint32_t i = 0; i < FRAMES; i++) {
            struct fate *f = &w.frames[i];
            if (prng_below(&w.random, 40) == 0) {
                wish = prng_below(&w.random, 3);
                wished_at = i;
                layer_filter_want(&w.filter, LAYER_ANY, (uint8_t)wish);
            }
            bool is_lost = i > 0 && seed % 2 && prng_below(&w.random, 20) == 0, has_layers;
            f->temporal = vp8_turn[i % 8].temporal;
            for (unsigned r = 0; r < 2 && i > 0; r++)
                if (vp8_turn[i % 8].references[r] > 0 && i >= vp8_turn[i % 8].references[r])
                    f->references[f->reference_count++] = i - vp8_turn[i % 8].references[r];
            if (is_lost)
                continue;
            f->arrived = true;
            f->sent = push_vp8(&w, i, i == 0, &has_layers) == LAYER_SEND;
            assert_true(has_layers);
            if (i > wished_at + 16 && seed % 2 == 0)
                assert_int_equal(f->sent, f->temporal <= wish);
            if (seed % 2 == 0)
                assert_false(layer_filter_needs_keyframe(&w.filter));
        }
        assert_decodable(&w);
    }
}

static enum layer_verdict push_vp9(struct world *w, uint16_t picture, uint8_t spatial,
                                   uint8_t structure)
{
    const struct vp9_descriptor d = { .has_picture_id = true,
                                      .picture_id_long = true,
                                      .picture_id = picture,
                                      .has_layers = true,
                                      .spatial_id = spatial,
                                      .inter_predicted = picture > 0,
                                      .inter_layer_predicted = spatial > 0,
                                      .frame_start = true,
                                      .frame_end = true,
                                      .has_structure = structure > 0,
                                      .spatial_count = structure };
    struct frame_layers fl = { 0 };
    bool marker;
    frame_layers_vp9(&w->reader, &d, &fl);
    return layer_filter_push(&w->filter, &w->reader.structure, &fl, &marker);
}

static void a_late_layer_of_a_picture_with_more_of_them_than_now_is_sent(void **state)
{
    static struct world w;
    start(&w, "L2T1", 1);
    assert_int_equal(push_vp9(&w, 0, 0, 2), LAYER_SEND);
    assert_int_equal(push_vp9(&w, 0, 1, 0), LAYER_SEND);
    assert_int_equal(push_vp9(&w, 1, 1, 0), LAYER_SEND); /* its lower layer was lost … */
    assert_int_equal(push_vp9(&w, 2, 0, 0), LAYER_SEND);
    assert_int_equal(push_vp9(&w, 3, 0, 1), LAYER_SEND); /* the upper layer ends */
    assert_int_equal(push_vp9(&w, 1, 0, 0), LAYER_SEND); /* … and comes now */
    assert_int_equal(push_vp9(&w, 2, 1, 0), LAYER_SEND);
    assert_int_equal(push_vp9(&w, 4, 0, 0), LAYER_SEND);
    assert_int_equal(push_vp9(&w, 4, 1, 0), LAYER_DROP); /* there is no such layer */
}

static void streams_without_layers_pass(void **state)
{
    struct layer_filter f;
    struct layer_window window;
    struct layer_reader r = { 0 };
    struct frame_layers fl;
    struct payload_descriptor d;
    bool marker;
    layer_filter_init(&f, &window);
    layer_filter_want(&f, 0, 0);
    static const uint8_t slice[] = { 0x61, 0x80, 0 };
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(layer_reader_read(&r, CODEC_H264, bytes_of(slice, sizeof slice),
                                           bytes_of(NULL, 0), &fl, &d),
                         OK);
        assert_int_equal(layer_filter_push(&f, &r.structure, &fl, &marker), LAYER_SEND);
        assert_false(layer_filter_needs_keyframe(&f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_frame_is_sent_without_what_it_needs),
        cmocka_unit_test(pictures_flow_and_end_with_a_marker),
        cmocka_unit_test(temporal_layers_rise_within_one_turn_and_fall_at_once),
        cmocka_unit_test(spatial_layers_of_full_svc_fall_within_one_picture),
        cmocka_unit_test(independent_spatial_layers_change_at_keyframes_only),
        cmocka_unit_test(wishes_within_a_picture_leave_no_picture_without_end),
        cmocka_unit_test(a_late_keyframe_leads_to_no_layer_that_was_withheld),
        cmocka_unit_test(a_new_input_waits_for_its_keyframe),
        cmocka_unit_test(the_mask_names_what_can_be_decoded),
        cmocka_unit_test(a_long_gap_keeps_the_target),
        cmocka_unit_test(temporal_layers_of_vp8_need_no_descriptor),
        cmocka_unit_test(a_late_layer_of_a_picture_with_more_of_them_than_now_is_sent),
        cmocka_unit_test(streams_without_layers_pass),
    };
    return cmocka_run_group_tests_name("sfud/layer_filter", tests, NULL, NULL);
}
