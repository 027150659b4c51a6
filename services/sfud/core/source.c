/* SPDX-License-Identifier: Apache-2.0 */
#include "core/source.h"

static const char *const names[SOURCE_COUNT] = {
    [SOURCE_MICROPHONE] = "microphone",
    [SOURCE_CAMERA] = "camera",
    [SOURCE_SCREEN] = "screen",
    [SOURCE_SCREEN_AUDIO] = "screen-audio",
};

const char *source_name(enum source s)
{
    check((unsigned)s < SOURCE_COUNT);
    return names[s];
}

bool source_from_name(struct bytes name, enum source *ret)
{
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        if (bytes_equal(name, bytes_of_str(names[i]))) {
            *ret = (enum source)i;
            return true;
        }
    }
    return false;
}

enum media_kind source_kind(enum source s)
{
    return s == SOURCE_CAMERA || s == SOURCE_SCREEN ? MEDIA_VIDEO : MEDIA_AUDIO;
}
