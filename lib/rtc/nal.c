/* nal.c - finds NAL units, and reads the SPS.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/nal.h"

/* Where the next 00 00 01 begins, or the end. Ones are rare, so looking for them is fast. */
static size_t find_start_code(struct bytes stream, size_t from)
{
    for (size_t i = from + 2; i < stream.len; i++) {
        const uint8_t *one = memchr(stream.data + i, 1, stream.len - i);
        if (one == NULL)
            break;
        i = (size_t)(one - stream.data);
        if (stream.data[i - 1] == 0 && stream.data[i - 2] == 0)
            return i - 2;
    }
    return stream.len;
}

bool nal_next(struct bytes stream, size_t *at, struct bytes *ret)
{
    size_t start = find_start_code(stream, *at);
    while (start < stream.len) {
        size_t from = start + 3;
        size_t next = find_start_code(stream, from);
        size_t end = next;
        while (end > from && stream.data[end - 1] == 0)
            end--;
        if (end > from) {
            *ret = bytes_of(stream.data + from, end - from);
            *at = next;
            return true;
        }
        start = next;
    }
    *at = stream.len;
    return false;
}

enum { SPS_SIZE_MAX = 512 };

/* Bits of an RBSP, sticky like a reader. */
struct bits {
    uint8_t data[SPS_SIZE_MAX];
    size_t len, at; /* bits */
    bool failed;
};

/* §7.4.1.1: drops the bytes that prevent start codes. What is too long is cut. */
static void bits_init(struct bits *b, struct bytes nal)
{
    unsigned zeros = 0;
    size_t len = 0;
    for (size_t i = 0; i < nal.len && len < SPS_SIZE_MAX; i++) {
        if (zeros >= 2 && nal.data[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = nal.data[i] == 0 ? zeros + 1 : 0;
        b->data[len++] = nal.data[i];
    }
    b->len = len * 8;
    b->at = 0;
    b->failed = false;
}

static uint32_t bits_take(struct bits *b, unsigned count)
{
    uint32_t v = 0;
    if (b->failed || count > b->len - b->at) {
        b->failed = true;
        return 0;
    }
    for (; count > 0; count--, b->at++)
        v = v << 1 | ((uint32_t)b->data[b->at / 8] >> (7 - b->at % 8) & 1);
    return v;
}

/* ue(v), §9.1. */
static uint32_t bits_ue(struct bits *b)
{
    unsigned zeros = 0;
    while (!b->failed && zeros < 32 && bits_take(b, 1) == 0)
        zeros++;
    if (zeros == 32)
        b->failed = true;
    return b->failed ? 0 : (uint32_t)((1ull << zeros) - 1 + bits_take(b, zeros));
}

/* se(v), §9.1.1. */
static int64_t bits_se(struct bits *b)
{
    int64_t k = bits_ue(b);
    return (k & 1) != 0 ? (k + 1) / 2 : -(k / 2);
}

/* §7.3.2.1.1.1: only to get behind it. */
static void skip_scaling_list(struct bits *b, unsigned size)
{
    int64_t last = 8, next = 8;
    for (unsigned i = 0; i < size && !b->failed; i++) {
        if (next != 0)
            next = (last + bits_se(b) + 256) % 256;
        last = next == 0 ? last : next;
    }
}

static void skip_high_profile(struct bits *b)
{
    uint32_t chroma = bits_ue(b);
    if (chroma == 3)
        (void)bits_take(b, 1);
    (void)bits_ue(b);
    (void)bits_ue(b);
    (void)bits_take(b, 1);
    if (bits_take(b, 1) == 0)
        return;
    for (unsigned i = 0; i < (chroma == 3 ? 12u : 8u); i++)
        if (bits_take(b, 1) != 0)
            skip_scaling_list(b, i < 6 ? 16 : 64);
}

static void skip_picture_order(struct bits *b)
{
    uint32_t type = bits_ue(b);
    if (type == 0) {
        (void)bits_ue(b);
    } else if (type == 1) {
        (void)bits_take(b, 1);
        (void)bits_se(b);
        (void)bits_se(b);
        uint32_t count = bits_ue(b);
        for (uint32_t i = 0; i < count && !b->failed; i++)
            (void)bits_se(b);
    }
}

static bool has_high_syntax(uint32_t profile)
{
    static const uint8_t profiles[] = {
        100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135
    };
    return memchr(profiles, (int)profile, sizeof(profiles)) != NULL;
}

/* §E.1.1 as far as timing. */
static void read_vui(struct bits *b, struct nal_sps *s)
{
    if (bits_take(b, 1) != 0 && bits_take(b, 8) == 255) /* aspect ratio */
        (void)bits_take(b, 32);
    if (bits_take(b, 1) != 0) /* overscan */
        (void)bits_take(b, 1);
    if (bits_take(b, 1) != 0) { /* signal type */
        (void)bits_take(b, 4);
        if (bits_take(b, 1) != 0)
            (void)bits_take(b, 24);
    }
    if (bits_take(b, 1) != 0) { /* chroma location */
        (void)bits_ue(b);
        (void)bits_ue(b);
    }
    if (bits_take(b, 1) == 0)
        return;
    uint32_t units = bits_take(b, 32);
    uint32_t scale = bits_take(b, 32);
    if (b->failed || units == 0 || units > UINT32_MAX / 2)
        return;
    s->fps_numerator = scale;
    s->fps_denominator = units * 2; /* it counts fields */
}

/* The picture in luma samples, cropped (4:2:0: in steps of two, of four for fields). */
static bool read_size(struct bits *b, struct nal_sps *s)
{
    uint64_t width = ((uint64_t)bits_ue(b) + 1) * 16;
    uint64_t height = ((uint64_t)bits_ue(b) + 1) * 16;
    bool frames_only = bits_take(b, 1) != 0;
    if (!frames_only)
        (void)bits_take(b, 1);
    height *= frames_only ? 1 : 2;
    (void)bits_take(b, 1);
    if (bits_take(b, 1) != 0) {
        uint64_t across = ((uint64_t)bits_ue(b) + bits_ue(b)) * 2;
        uint64_t down = ((uint64_t)bits_ue(b) + bits_ue(b)) * (frames_only ? 2 : 4);
        if (across >= width || down >= height)
            return false;
        width -= across;
        height -= down;
    }
    if (width > UINT16_MAX || height > UINT16_MAX)
        return false;
    s->width = (uint16_t)width;
    s->height = (uint16_t)height;
    return true;
}

enum err nal_parse_sps(struct bytes nal, struct nal_sps *ret)
{
    struct bits b;
    struct nal_sps s = { 0 };
    bits_init(&b, nal);
    uint32_t type = bits_take(&b, 8) & 0x1f;
    uint32_t profile = bits_take(&b, 8);
    (void)bits_take(&b, 16);
    (void)bits_ue(&b);
    if (!b.failed && type != NAL_SPS)
        return ERR_MALFORMED;
    if (has_high_syntax(profile))
        skip_high_profile(&b);
    (void)bits_ue(&b);
    skip_picture_order(&b);
    (void)bits_ue(&b);
    (void)bits_take(&b, 1);
    bool fits = read_size(&b, &s);
    if (bits_take(&b, 1) != 0 && !b.failed)
        read_vui(&b, &s);
    if (b.failed)
        return ERR_TRUNCATED;
    if (!fits)
        return ERR_MALFORMED;
    *ret = s;
    return OK;
}
