/* codec.c - names and matching of payload formats.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/codec.h"

#include <strings.h>

static const char *const names[CODEC_COUNT] = {
    [CODEC_NONE] = "none", [CODEC_OPUS] = "opus", [CODEC_RED] = "red", [CODEC_VP8] = "VP8",
    [CODEC_VP9] = "VP9",   [CODEC_H264] = "H264", [CODEC_AV1] = "AV1", [CODEC_RTX] = "rtx",
};

const char *codec_name(enum codec c)
{
    check((unsigned)c < CODEC_COUNT);
    return names[c];
}

enum codec codec_from_name(struct bytes name)
{
    for (unsigned c = CODEC_NONE + 1; c < CODEC_COUNT; c++)
        if (strlen(names[c]) == name.len &&
            strncasecmp(names[c], (const char *)name.data, name.len) == 0)
            return (enum codec)c;
    return CODEC_NONE;
}

enum media_kind codec_kind(enum codec c)
{
    return c == CODEC_OPUS || c == CODEC_RED ? MEDIA_AUDIO : MEDIA_VIDEO;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* RFC 6184 §8.1, table 5: profile_idc and the constraint bits that matter. */
static enum h264_profile profile_of(uint8_t idc, uint8_t iop)
{
    bool set0 = (iop & 0x80) != 0, set1 = (iop & 0x40) != 0;
    switch (idc) {
    case 0x42:
        return set1 ? H264_PROFILE_CONSTRAINED_BASELINE : H264_PROFILE_BASELINE;
    case 0x4d:
        return set0 ? H264_PROFILE_CONSTRAINED_BASELINE : H264_PROFILE_MAIN;
    case 0x58:
        return set0 && set1 ? H264_PROFILE_CONSTRAINED_BASELINE
               : set0       ? H264_PROFILE_BASELINE
                            : H264_PROFILE_UNKNOWN;
    case 0x64:
        return iop == 0x0c ? H264_PROFILE_CONSTRAINED_HIGH : H264_PROFILE_HIGH;
    case 0xf4:
        return H264_PROFILE_HIGH_444;
    default:
        return H264_PROFILE_UNKNOWN;
    }
}

enum err h264_profile_level_parse(struct bytes hex, enum h264_profile *ret_profile,
                                  uint8_t *ret_level_idc)
{
    if (hex.len != 6)
        return ERR_MALFORMED;
    uint8_t octets[3];
    for (size_t i = 0; i < 3; i++) {
        int high = hex_digit(hex.data[2 * i]), low = hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_MALFORMED;
        octets[i] = (uint8_t)(high << 4 | low);
    }
    *ret_profile = profile_of(octets[0], octets[1]);
    *ret_level_idc = octets[2];
    return OK;
}

bool format_matches(const struct format *a, const struct format *b)
{
    return a->codec == b->codec && a->codec != CODEC_NONE && a->clock_rate == b->clock_rate &&
           a->channels == b->channels && a->profile == b->profile &&
           a->packetization_mode == b->packetization_mode;
}

const struct format *format_find(const struct format *formats, size_t count,
                                 const struct format *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (format_matches(&formats[i], wanted))
            return &formats[i];
    return NULL;
}
