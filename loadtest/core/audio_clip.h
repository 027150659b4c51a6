/* audio_clip.h - the packets of an Ogg Opus file (RFC 7845), to be published in a loop.
 *
 * Pure: parsing allocates, nothing else does.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_AUDIO_CLIP_H
#define LOADTEST_AUDIO_CLIP_H

#include "common/bytes.h"

enum { AUDIO_CLIP_FRAMES_MAX = 2000000, AUDIO_CLIP_PACKET_MAX = 1275 };

struct audio_frame {
    uint32_t offset;
    uint16_t len;
    uint16_t samples; /* of 48 kHz */
};

struct audio_clip {
    struct audio_frame *frames; /* owned */
    size_t frame_count;         /* at least 1 */
    uint8_t *bytes;             /* owned */
    size_t byte_count;
    uint64_t samples; /* of one round */
};

/* Copies what it needs of the file. OK, ERR_TRUNCATED, ERR_MALFORMED, ERR_UNSUPPORTED (no Ogg Opus,
 * or packets that do not fit a datagram), ERR_NOT_FOUND (no packets), ERR_FULL (too long, or no
 * memory). */
MUST_USE enum err audio_clip_parse(struct bytes file, struct audio_clip *ret);
void audio_clip_done(struct audio_clip *c); /* a zeroed one is fine */

/* Packet `index`, of any number: loops. */
struct bytes audio_clip_packet(const struct audio_clip *c, uint64_t index);
unsigned audio_clip_samples(const struct audio_clip *c, uint64_t index);

#endif
