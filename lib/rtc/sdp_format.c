/* sdp_format.c - what the format parameters of each codec mean to us.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_text.h"

/* A small number parameter; absent is `otherwise`; -1 if it is not a number. */
static int small_parameter(struct bytes fmtp, const char *key, int otherwise)
{
    struct bytes value = sdp_fmtp_value(fmtp, key);
    uint64_t n;
    if (value.len == 0)
        return otherwise;
    return sdp_number(value, 255, &n) ? (int)n : -1;
}

static bool resolve_profile(struct format *f, struct bytes fmtp, const char *key)
{
    int profile = small_parameter(fmtp, key, 0);
    if (profile < 0)
        return false;
    f->profile = (uint8_t)profile;
    return true;
}

static bool resolve_h264(struct format *f, struct bytes fmtp)
{
    struct bytes hex = sdp_fmtp_value(fmtp, "profile-level-id");
    if (hex.len == 0)
        hex = bytes_of_str("420010"); /* RFC 6184 §8.1: baseline, level 1 */
    enum h264_profile profile;
    int mode = small_parameter(fmtp, "packetization-mode", 0);
    if (h264_profile_level_parse(hex, &profile, &f->level) != OK || mode < 0 || mode > 1 ||
        profile == H264_PROFILE_UNKNOWN)
        return false;
    f->profile = (uint8_t)profile;
    f->packetization_mode = (uint8_t)mode;
    return true;
}

static bool resolve_rtx(struct format *f, struct bytes fmtp)
{
    uint64_t apt;
    if (!sdp_number(sdp_fmtp_value(fmtp, "apt"), 127, &apt))
        return false;
    f->apt = (uint8_t)apt;
    return true;
}

/* "111/111": every block is of that type (RFC 2198 §5). */
static bool resolve_red(struct format *f, struct bytes fmtp)
{
    uint64_t primary, other;
    if (!sdp_number(sdp_cut(&fmtp, '/'), 127, &primary))
        return false;
    while (fmtp.len > 0)
        if (!sdp_number(sdp_cut(&fmtp, '/'), 127, &other) || other != primary)
            return false;
    f->apt = (uint8_t)primary;
    return f->clock_rate == 48000 && f->channels == 2;
}

static bool resolve(struct format *f, struct bytes fmtp)
{
    switch ((enum codec)f->codec) {
    case CODEC_OPUS:
        return f->clock_rate == 48000 && f->channels == 2;
    case CODEC_RED:
        return resolve_red(f, fmtp);
    case CODEC_VP8:
        return f->clock_rate == 90000;
    case CODEC_VP9:
        return f->clock_rate == 90000 && resolve_profile(f, fmtp, "profile-id");
    case CODEC_AV1:
        return f->clock_rate == 90000 && resolve_profile(f, fmtp, "profile");
    case CODEC_H264:
        return f->clock_rate == 90000 && resolve_h264(f, fmtp);
    case CODEC_RTX:
        return resolve_rtx(f, fmtp);
    case CODEC_NONE:
    case CODEC_COUNT:
        break;
    }
    return false;
}

void sdp_resolve_formats(struct sdp_media *media)
{
    for (size_t i = 0; i < media->format_count; i++) {
        struct sdp_format *f = &media->formats[i];
        if (!resolve(&f->format, f->fmtp))
            f->format.codec = CODEC_NONE;
    }
}
