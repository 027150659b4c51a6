/* SPDX-License-Identifier: Apache-2.0 */
#include "camera.h"

#include "rtc/demux.h"
#include "rtc/depdesc.h"
#include "rtc/rtcp.h"
#include "rtc/vp8.h"

enum {
    NAMED_PACKETS = 150, /* they carry the mid, until a browser has heard that it arrived */
    KEYFRAME_HEADER_SIZE = 10,
    PART_MAX = 1150, /* of the frame in one packet: with all extensions below CAMERA_PACKET_MAX */
    WIDTH = 1280,
    HEIGHT = 720,
};

enum err camera_init(struct camera *c, const struct dtls_keys *keys)
{
    c->sealer = sealer_new(NULL, keys->profile, &keys->remote, 1);
    c->opener = opener_new(NULL, keys->profile, &keys->local, 1);
    c->index = 1;
    return c->sealer != NULL && c->opener != NULL ? OK : ERR_SYSTEM;
}

void camera_done(struct camera *c)
{
    sealer_free(c->sealer);
    opener_free(c->opener);
    c->sealer = NULL;
    c->opener = NULL;
}

void camera_hear(struct camera *c, uint8_t *datagram, size_t len)
{
    struct bytes packet = bytes_of(datagram, len);
    if (demux_classify(packet) != DEMUX_RTCP ||
        opener_rtcp(c->opener, packet, datagram, &len) != OK)
        return;
    struct rtcp_iter it = rtcp_iter_of(bytes_of(datagram, len));
    bool is_asked = false;
    for (struct rtcp_message m; rtcp_next(&it, &m) == OK;)
        is_asked |= m.kind == RTCP_PLI || m.kind == RTCP_FIR;
    if (is_asked && c->frame - c->keyframe_at >= CAMERA_KEYFRAME_SPACING)
        c->at = 0;
}

/* RFC 6386 §9.1: the frame tag; keyframes have a start code and their size. */
static void write_frame_header(struct writer *w, bool is_keyframe)
{
    writer_u8(w, is_keyframe ? 0x10 : 0x11);
    writer_u16(w, 0);
    if (!is_keyframe)
        return;
    writer_u24(w, 0x9d012a);
    writer_u16(w, (uint16_t)((WIDTH & 0xff) << 8 | WIDTH >> 8));
    writer_u16(w, (uint16_t)((HEIGHT & 0xff) << 8 | HEIGHT >> 8));
}

static void write_header(struct camera *c, const struct trace_frame *f, bool is_first, bool is_last,
                         usec now, struct writer *w)
{
    uint8_t descriptor[64], body[160];
    struct depdesc_frame d = { .temporal_count = 1,
                               .start_of_frame = is_first,
                               .end_of_frame = is_last,
                               .keyframe = f->is_keyframe,
                               .frame_number = (uint16_t)c->frame,
                               .width = WIDTH,
                               .height = HEIGHT };
    struct writer dw = writer_of(descriptor, sizeof descriptor);
    depdesc_write(&dw, &d);
    struct rtp_ext_values v = { .present = RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC) |
                                           RTP_EXT_BIT(RTP_EXT_ABS_SEND_TIME) |
                                           RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR),
                                .transport_seq = c->transport_seq++,
                                .abs_send_time = abs_send_time_of(now),
                                .dependency_descriptor = bytes_of(descriptor, writer_len(&dw)) };
    if (c->index < NAMED_PACKETS) {
        v.present |= RTP_EXT_BIT(RTP_EXT_MID);
        v.mid = bytes_of_str(c->mid);
    }
    struct rtp_packet h = { .payload_type = c->payload_type,
                            .marker = is_last,
                            .seq = (uint16_t)c->index,
                            .timestamp = c->frame * (90000 / TRACE_FPS),
                            .ssrc = c->ssrc };
    struct writer ew = writer_of(body, sizeof body);
    rtp_ext_write(&c->ext, &v, &ew, &h.ext_profile, NULL);
    h.ext = bytes_of(body, writer_len(&ew));
    h.has_ext = h.ext.len > 0;
    rtp_write_header(w, &h);
}

static void write_payload(const struct camera *c, const struct trace_frame *f, bool is_first,
                          size_t len, struct writer *w)
{
    struct vp8_descriptor d = { .partition_start = is_first,
                                .has_picture_id = true,
                                .picture_id = (uint16_t)(c->frame & 0x7fff) };
    vp8_write(w, &d);
    uint8_t *end = w->at + len;
    if (is_first)
        write_frame_header(w, f->is_keyframe);
    memset(w->at, 0x5a, (size_t)(end - w->at));
    w->at = end;
}

void camera_shoot(struct camera *c, usec now, struct camera_frame *ret)
{
    const struct trace_frame *f = &c->trace->frames[c->at];
    size_t size = MAX(f->size, (uint32_t)KEYFRAME_HEADER_SIZE);
    size_t count = (size + PART_MAX - 1) / PART_MAX, larger = size % count;
    check(count <= CAMERA_FRAME_PACKETS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint8_t header[256], payload[CAMERA_PACKET_MAX];
        bool is_first = i == 0, is_last = i + 1 == count;
        struct writer hw = writer_of(header, sizeof header);
        struct writer pw = writer_of(payload, sizeof payload);
        struct writer out = writer_of(ret->data[i], sizeof ret->data[i]);
        write_header(c, f, is_first, is_last, now, &hw);
        write_payload(c, f, is_first, size / count + (i >= count - larger), &pw);
        enum err err = sealer_rtp(c->sealer, c->index++, bytes_of(header, writer_len(&hw)),
                                  bytes_of(payload, writer_len(&pw)), &out);
        check(err == OK && !hw.failed && !pw.failed);
        ret->lens[i] = writer_len(&out);
    }
    ret->count = count;
    if (f->is_keyframe)
        c->keyframe_at = c->frame;
    c->frame++;
    c->at = (c->at + 1) % c->trace->count;
}
