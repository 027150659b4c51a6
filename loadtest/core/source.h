/* source.h - one RTP stream that a bot sends: a voice, one simulcast layer of its camera, or all
 * layers of its camera (SVC).
 *
 * Says which packet is due, with everything that a header wants; the leg adds what belongs to the
 * transport and seals it. Frames leave in small bursts (SOURCE_BURST packets each SOURCE_PACE), as
 * a pacer would send them. Old packets are rebuilt from the clip for RTX, so a source keeps 32
 * bytes for each packet that may be asked for again. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SOURCE_H
#define LOADTEST_SOURCE_H

#include "core/audio_clip.h"
#include "core/clip.h"
#include "core/source_svc.h"
#include "core/tone.h"
#include "rtc/packetizer.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"

enum {
    SOURCE_BURST = 8,
    SOURCE_PACE_US = 2000,
    SOURCE_SENT_MAX = 256, /* packets that RTX can serve; a power of two */
    SOURCE_PAYLOAD_MAX = 1100,
    SOURCE_AUDIO_US = 20000,
    SOURCE_QUIET_US = 400000, /* between comfort noise frames */
    SOURCE_KEYFRAME_SPACING_US = 300000,
};

struct source_packet {
    uint16_t seq;
    uint32_t timestamp;
    bool marker;
    bool keyframe;    /* it belongs to one */
    bool frame_start; /* first packet of its frame; of SVC a frame is one layer of a picture */
    bool frame_end;
    bool voice;         /* audio: it is speech, not comfort noise */
    uint8_t spatial_id; /* SVC */
    uint8_t temporal_id;
    bool layer_sync;
    uint16_t frame_number;
    uint32_t frame; /* index in the clip, or of the voice */
    uint16_t part;  /* which payload of it */
    uint16_t picture_id;
    uint8_t tl0_index;
    usec captured_at;
};

struct source {
    /* given */
    enum media_kind kind;
    uint32_t ssrc, rtx_ssrc; /* rtx_ssrc 0: no RTX */
    uint8_t payload_type, rtx_payload_type;
    char mid[17], rid[17];           /* rid "": none */
    uint8_t layer;                   /* 0: the smallest; of SVC: the lowest */
    const struct clip *clip;         /* video; borrowed. Of SVC: that of the highest layer */
    struct source_svc *svc;          /* taken; NULL: not SVC */
    const struct voice_bank *voices; /* audio; borrowed */
    const struct audio_clip *audio;  /* instead of a tone; borrowed, NULL: none */
    unsigned tone;
    /* derived */
    bool active;
    bool speaks;
    bool voice, was_voice;    /* audio: what the current and the last frame were */
    struct packetizer cutter; /* of the current frame */
    usec captured_at;
    usec frame_at;             /* when the current (or next) frame is due */
    usec paused_frame_at;      /* inactive: when it would have been due */
    usec packet_at;            /* when its next packet may leave */
    uint32_t frame;            /* index */
    uint16_t part, part_count; /* next payload of the current frame; part_count 0: between frames */
    uint64_t frame_count;      /* sent */
    uint16_t seq, rtx_seq;
    uint32_t timestamp;
    uint16_t picture_id;
    uint8_t tl0_index;
    bool keyframe_asked;
    usec keyframe_at;                   /* when the last one began */
    uint32_t packet_count, octet_count; /* for sender reports */
    bool started;
    struct source_packet *sent; /* SOURCE_SENT_MAX, video only */
};

/* given: copied; its derived members are ignored. random: 64 uniform bits. NULL without memory:
 * svc is freed then, too. */
struct source *source_new(const struct source *given, uint64_t random, usec now);
void source_free(struct source *s);
/* After a pause the clock of the stream has gone on, and video begins with a keyframe. */
void source_set_active(struct source *s, bool active, usec now);

/* Layers of a camera in this stream; a voice: 0. */
static inline unsigned source_layer_count(const struct source *s)
{
    return s->svc != NULL ? s->svc->sender.pattern->spatial_count : s->kind == MEDIA_VIDEO;
}

/* SVC: the lowest so many layers are sent. */
void source_set_layers(struct source *s, unsigned layers);

/* A keyframe was asked for (PLI, FIR): the clip starts again, unless it just has. */
void source_ask_keyframe(struct source *s, usec now);

/* The packet due now, if one is; it counts as sent. */
bool source_next(struct source *s, usec now, struct source_packet *ret);
usec source_next_deadline(const struct source *s);
/* One sent before, for RTX. */
bool source_find_sent(const struct source *s, uint16_t seq, struct source_packet *ret);

/* What a sender report says now; false: nothing was sent yet. */
bool source_sender_info(const struct source *s, usec now, wall_usec wall_minus_now,
                        struct rtcp_sender_info *ret);

/* Appends the payload. Returns its length, 0 if it does not fit. */
size_t source_write_payload(struct source *s, const struct source_packet *p, struct writer *w);

#endif
