/* recording_name.c - names of recordings. SPDX-License-Identifier: Apache-2.0 */
#include "core/recording.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

enum { PUBLISHER_MAX = 96, SOURCE_MAX = 24 };

/* Letters, digits, '-', '.' (not first) and UTF-8 stay; a sequence of anything else is one '_',
 * at an end none. Cuts between characters. */
static size_t write_safe(const char *text, size_t max, char *ret)
{
    size_t len = 0;
    for (const char *c = text; *c != '\0'; c++) {
        uint8_t byte = (uint8_t)*c;
        bool fine = byte >= 0x80 || isalnum(byte) || *c == '-' || (*c == '.' && len > 0);
        bool begins = (byte & 0xc0) != 0x80; /* of a character */
        size_t character = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        if (begins && len + character > max)
            break;
        if (fine)
            ret[len++] = *c;
        else if (len == 0 || ret[len - 1] != '_')
            ret[len++] = '_';
        if (len == max)
            break;
    }
    if (len > 1 && ret[len - 1] == '_')
        len--;
    if (len == 0)
        ret[len++] = '_';
    ret[len] = '\0';
    return len;
}

static const char *codec_word(enum codec codec)
{
    switch (codec) {
    case CODEC_VP8:
        return "vp8";
    case CODEC_VP9:
        return "vp9";
    case CODEC_H264:
        return "h264";
    case CODEC_AV1:
        return "av1";
    default:
        return "opus";
    }
}

void recording_file_name(const char *publisher, const char *source, enum codec codec,
                         wall_usec began, unsigned number, char ret[RECORDING_FILE_NAME_SIZE])
{
    char who[PUBLISHER_MAX + 1], what[SOURCE_MAX + 1], when[24], which[16] = "";
    write_safe(publisher, PUBLISHER_MAX, who);
    write_safe(source, SOURCE_MAX, what);
    time_t seconds = (time_t)(began / USEC_PER_SEC);
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &utc) == 0)
        when[0] = '\0';
    if (number > 0)
        snprintf(which, sizeof which, "-%u", number + 1);
    snprintf(ret, RECORDING_FILE_NAME_SIZE, "%s-%s-%s-%s%s.%s", who, what, codec_word(codec), when,
             which, media_file_extension(codec));
}
