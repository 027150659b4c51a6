/* sdp_layout.h - the offer that docs/protocol.md asks a client for: microphone, camera (q, h, f),
 * screen, screen audio, then 4 audio and 9 video slots.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SDP_LAYOUT_H
#define TESTS_SDP_LAYOUT_H

#include "rtc/sdp_remote.h"

#include <stdio.h>

enum { LAYOUT_SEND_COUNT = 4, LAYOUT_AUDIO_SLOTS = 4, LAYOUT_COUNT = 17 };

struct sdp_layout {
    struct sdp_offer_media media[SDP_MEDIA_MAX];
    char mids[SDP_MEDIA_MAX][4];
    struct sdp_candidate candidates[2];
};

static inline void layout_media(struct sdp_layout *l, size_t index, bool audio)
{
    struct sdp_offer_media *m = &l->media[index];
    (void)snprintf(l->mids[index], sizeof(l->mids[index]), "%u", (unsigned)(index & 63));
    *m = (struct sdp_offer_media){
        .kind = audio ? MEDIA_AUDIO : MEDIA_VIDEO,
        .mid = l->mids[index],
        .direction = SDP_RECVONLY,
        .codecs = { CODEC_VP8, CODEC_H264, CODEC_VP9, CODEC_AV1 },
        .extensions = audio ? SDP_OFFER_AUDIO_EXTENSIONS : SDP_OFFER_VIDEO_EXTENSIONS,
    };
    if (audio)
        memcpy(m->codecs, (enum codec[CODEC_COUNT]){ CODEC_OPUS, CODEC_RED }, sizeof(m->codecs));
}

static inline void layout_sender(struct sdp_layout *l, size_t index, bool audio, const char *track)
{
    struct sdp_offer_media *m = &l->media[index];
    layout_media(l, index, audio);
    m->direction = SDP_SENDONLY;
    m->ssrc = (uint32_t)(1000 * (index + 1));
    m->rtx_ssrc = audio ? 0 : m->ssrc + 1;
    m->stream = "bot";
    m->track = track;
}

/* The offer borrows from `l`, which may be cut to its first `count` m-lines. */
static inline struct sdp_offer layout_offer(struct sdp_layout *l, size_t count)
{
    *l =
        (struct sdp_layout){ .candidates = { { .address = "192.0.2.9", .port = 45000 },
                                             { .address = "192.0.2.9", .port = 9, .tcp = true } } };
    layout_sender(l, 0, true, "microphone");
    layout_sender(l, 1, false, "camera");
    layout_sender(l, 2, false, "screen");
    layout_sender(l, 3, true, "screen-audio");
    l->media[1].ssrc = l->media[1].rtx_ssrc = 0;
    l->media[1].rid_count = 3;
    l->media[1].rids[0] = "q";
    l->media[1].rids[1] = "h";
    l->media[1].rids[2] = "f";
    for (size_t i = LAYOUT_SEND_COUNT; i < count; i++)
        layout_media(l, i, i < LAYOUT_SEND_COUNT + LAYOUT_AUDIO_SLOTS);
    return (struct sdp_offer){
        .session_id = 7,
        .version = 1,
        .ice_ufrag = "bot1",
        .ice_pwd = "0123456789abcdefghijkl",
        .fingerprint = { .hash = SDP_SHA256, .len = 32, .value = { 0xab, 1, 2 } },
        .candidates = l->candidates,
        .candidate_count = 2,
        .cname = "bot",
        .media = l->media,
        .media_count = count,
    };
}

#endif
