/* depdesc.c - mandatory fields of the dependency descriptor and the head of its structure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/depdesc.h"

/* AV1 RTP §A.8.2: mandatory_descriptor_fields(), then extended flags, then the structure. */
enum err depdesc_parse(struct bytes value, struct depdesc *ret)
{
    struct reader r = reader_of(value);
    uint8_t first = reader_u8(&r);
    struct depdesc d = {
        .start_of_frame = (first & 0x80) != 0,
        .end_of_frame = (first & 0x40) != 0,
        .template_id = first & 0x3f,
        .frame_number = reader_u16(&r),
    };
    if (!r.failed && reader_left(&r) > 0) {
        uint8_t flags = reader_u8(&r);
        d.structure_present = (flags & 0x80) != 0;
        d.active_targets_present = (flags & 0x40) != 0;
        d.custom_dtis = (flags & 0x20) != 0;
        d.custom_fdiffs = (flags & 0x10) != 0;
        d.custom_chains = (flags & 0x08) != 0;
        if (d.structure_present) {
            /* 3 bits of the flags' byte and 8 of the next: id offset (6), targets minus 1 (5) */
            unsigned bits = (unsigned)(flags & 0x07) << 8 | reader_u8(&r);
            d.template_id_offset = (uint8_t)(bits >> 5);
            d.decode_target_count = (uint8_t)((bits & 0x1f) + 1);
        }
    }
    if (r.failed)
        return ERR_TRUNCATED;
    *ret = d;
    return OK;
}
