/* depdesc_write.c - dependency descriptors of one spatial layer: L1T1 and L1T3, in the templates of
 * depdesc_pattern.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/depdesc.h"

#include "rtc/depdesc_pattern.h"

/* L1T1: keyframe, delta. L1T3: keyframe, T0, T1, first T2 of a pattern, second T2. */
static uint8_t template_of(const struct depdesc_frame *f)
{
    if (f->keyframe)
        return 0;
    if (f->temporal_id < 2)
        return (uint8_t)(1 + f->temporal_id);
    return f->layer_sync ? 3 : 4;
}

void depdesc_write(struct writer *w, const struct depdesc_frame *f)
{
    check(f->temporal_count == 1 || f->temporal_count == 3);
    check(f->temporal_id < f->temporal_count);
    depdesc_pattern_write(
        w, &(struct depdesc_pattern_packet){
               .pattern = depdesc_pattern_find(f->temporal_count == 1 ? "L1T1" : "L1T3"),
               .template_index = template_of(f),
               .start_of_frame = f->start_of_frame,
               .end_of_frame = f->end_of_frame,
               .with_structure = f->keyframe && f->start_of_frame,
               .frame_number = f->frame_number,
               .width = f->width,
               .height = f->height });
}
