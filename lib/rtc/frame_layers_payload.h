/* frame_layers_payload.h - layers from payload descriptors: the inner part of frame_layers.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_FRAME_LAYERS_PAYLOAD_H
#define RTC_FRAME_LAYERS_PAYLOAD_H

#include "rtc/frame_layers.h"

void frame_layers_vp8(struct layer_reader *r, const struct vp8_descriptor *d,
                      struct frame_layers *fl);
void frame_layers_vp9(struct layer_reader *r, const struct vp9_descriptor *d,
                      struct frame_layers *fl);

#endif
