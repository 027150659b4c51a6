/* packetizer_h264.c - NAL units into single NAL unit packets, STAP-A and FU-A (RFC 6184 §5.6-5.8).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/nal.h"
#include "rtc/packetizer_codec.h"

enum {
    FU_START = 0x80,
    FU_END = 0x40,
};

/* Types that a stream has: RFC 6184 uses the others for packets. */
static bool is_stream_type(struct bytes nal)
{
    return nal_type_of(nal) > 0 && nal_type_of(nal) < NAL_STAP_A;
}

/* How many NAL units from p->at fit into one STAP-A; at least 1. */
static unsigned count_aggregated(const struct packetizer *p)
{
    struct bytes nal;
    size_t at = p->at;
    size_t size = 1;
    unsigned count = 0;
    while (nal_next(p->frame.data, &at, &nal)) {
        size += 2 + nal.len;
        if (size > p->payload_max || nal.len > UINT16_MAX || !is_stream_type(nal))
            break;
        count++;
    }
    return MAX(count, 1);
}

/* The header's F is set if any has it, NRI is the highest (§5.7.1). */
static void write_stap(struct packetizer *p, unsigned count, struct writer *w)
{
    struct bytes nal;
    uint8_t forbidden = 0, importance = 0;
    size_t at = p->at;
    for (unsigned i = 0; i < count && nal_next(p->frame.data, &at, &nal); i++) {
        forbidden |= nal.data[0] & 0x80;
        importance = MAX(importance, nal.data[0] & 0x60);
    }
    writer_u8(w, forbidden | importance | NAL_STAP_A);
    for (unsigned i = 0; i < count && nal_next(p->frame.data, &p->at, &nal); i++) {
        writer_u16(w, (uint16_t)nal.len);
        writer_put(w, nal);
    }
}

/* p->done counts bytes behind the NAL unit's header. `next` is where the following one starts. */
static void write_fragment(struct packetizer *p, struct bytes nal, size_t next, struct writer *w)
{
    size_t total = nal.len - 1;
    size_t room = p->payload_max - 2;
    size_t count = (total + room - 1) / room;
    size_t len = MIN((total + count - 1) / count, total - p->done);
    bool is_first = p->done == 0;
    bool is_last = p->done + len == total;
    writer_u8(w, (nal.data[0] & 0xe0) | NAL_FU_A);
    writer_u8(w, (uint8_t)((is_first ? FU_START : 0) | (is_last ? FU_END : 0) | nal_type_of(nal)));
    writer_put(w, bytes_of(nal.data + 1 + p->done, len));
    p->done = is_last ? 0 : p->done + len;
    if (is_last)
        p->at = next;
}

enum err packetizer_step_h264(struct packetizer *p, struct writer *w)
{
    struct bytes nal;
    size_t next = p->at;
    if (!nal_next(p->frame.data, &next, &nal))
        return ERR_NOT_FOUND;
    if (!is_stream_type(nal))
        return ERR_MALFORMED;
    if (nal.len > p->payload_max) {
        write_fragment(p, nal, next, w);
        return OK;
    }
    unsigned count = count_aggregated(p);
    if (count > 1) {
        write_stap(p, count, w);
    } else {
        writer_put(w, nal);
        p->at = next;
    }
    return OK;
}
