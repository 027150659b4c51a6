/* source.h - the four things a participant can publish.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_SOURCE_H
#define SFUD_CORE_SOURCE_H

#include "rtc/codec.h"

enum source {
    SOURCE_MICROPHONE,
    SOURCE_CAMERA,
    SOURCE_SCREEN,
    SOURCE_SCREEN_AUDIO,
    SOURCE_COUNT,
};

#define SOURCE_BIT(s) (1u << (s))
#define SOURCES_ALL   (SOURCE_BIT(SOURCE_COUNT) - 1u)

/* "microphone", "camera", "screen", "screen-audio". */
const char *source_name(enum source s);
/* False if it is none of them. */
bool source_from_name(struct bytes name, enum source *ret);
enum media_kind source_kind(enum source s);

#endif
