/* fuzz_rtp.c - one packet into the RTP parser, extensions, descriptors and keyframe detection;
 * what is parsed must be written back as it was.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/depdesc.h"
#include "rtc/keyframe.h"
#include "rtc/packet_cache.h"
#include "rtc/rtp_ext.h"
#include "rtc/vp8.h"

static void check_round_trip(const struct rtp_packet *p, size_t len)
{
    static uint8_t buffer[1 << 19];
    struct writer w = writer_of(buffer, sizeof(buffer));
    struct rtp_packet again;
    rtp_write(&w, p);
    check(!w.failed && writer_len(&w) == len);
    check(rtp_parse(bytes_of(buffer, len), &again) == OK);
    check(again.seq == p->seq && again.ssrc == p->ssrc && again.padding_len == p->padding_len);
    check(bytes_equal(again.ext, p->ext) && bytes_equal(again.payload, p->payload));
}

static void check_extensions(const struct rtp_packet *p)
{
    struct rtp_ext_map map = { .allow_mixed = true };
    for (unsigned k = 1; k < RTP_EXT_KIND_COUNT; k++)
        check(rtp_ext_map_add(&map, (enum rtp_ext_kind)k, k) == OK);
    struct rtp_ext_values values, again;
    rtp_ext_read(&map, p, &values);
    uint8_t body[4096];
    struct writer w = writer_of(body, sizeof(body));
    struct rtp_packet copy = { .has_ext = true };
    rtp_ext_write(&map, &values, &w, &copy.ext_profile, NULL);
    check(!w.failed);
    copy.ext = bytes_of(body, writer_len(&w));
    rtp_ext_read(&map, &copy, &again);
    check(again.present == values.present);
    if ((values.present & RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR)) != 0) {
        struct depdesc d;
        struct frame_info info;
        enum err e = depdesc_parse(values.dependency_descriptor, &d);
        check(frame_inspect_depdesc(values.dependency_descriptor, &info) == e);
    }
}

static void check_vp8(struct bytes payload)
{
    struct vp8_descriptor d, again;
    if (vp8_parse(payload, &d) != OK)
        return;
    check(d.len < payload.len);
    uint8_t buffer[16];
    struct writer w = writer_of(buffer, sizeof(buffer));
    vp8_write(&w, &d);
    check(!w.failed && writer_len(&w) <= VP8_DESCRIPTOR_SIZE_MAX);
    writer_u8(&w, 0);
    check(vp8_parse(bytes_of(buffer, writer_len(&w)), &again) == OK);
    check(again.picture_id == d.picture_id && again.tl0_index == d.tl0_index);
    check(again.key_index == d.key_index && again.temporal_id == d.temporal_id);
    struct vp8_munger m = { 0 };
    vp8_munger_switch(&m, &d);
    vp8_munger_apply(&m, &d);
    check(d.picture_id == again.picture_id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rtp_packet p;
    if (len > 1 << 18 || rtp_parse(bytes_of(data, len), &p) != OK)
        return 0;
    check_round_trip(&p, len);
    check_extensions(&p);
    check_vp8(p.payload);
    for (unsigned c = 0; c < CODEC_COUNT; c++) {
        struct frame_info info;
        if (frame_inspect((enum codec)c, p.payload, &info) == OK)
            check(!info.keyframe_start || info.frame_start || c == CODEC_AV1);
    }
    uint16_t original;
    struct bytes inner;
    if (rtx_parse_payload(p.payload, &original, &inner) == OK)
        check(inner.len + 2 == p.payload.len);
    return 0;
}
