/* clip_data.h - the files of the built-in clips, as clips/embed.py puts them into the binary.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_CLIP_DATA_H
#define LOADTEST_CLIP_DATA_H

#include "rtc/codec.h"

struct clip_data {
    enum codec codec;
    uint16_t height;
    struct bytes file;
};

extern const struct clip_data clip_data[];
extern const size_t clip_data_count;

#endif
