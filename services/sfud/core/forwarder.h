/* forwarder.h - many inputs become one continuous RTP stream.
 *
 * An input is one incoming stream: another participant, another simulcast layer, the same stream
 * after a restart. Whatever flows in, what flows out has one SSRC, no gap in the sequence numbers
 * that was not a loss, timestamps that never go back, and continuous picture ids (VP8, VP9) and
 * frame numbers (dependency descriptor). Template ids of two inputs in a row are different ones:
 * what comes before the first packet of a new input, which has its structure, is not taken for the
 * old input's. Video changes its input only where a keyframe of the new input starts; audio at
 * once.
 *
 * Pure. The whole state is this plain struct and its memory: copying both moves the stream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_FORWARDER_H
#define SFUD_CORE_FORWARDER_H

#include "rtc/frame_layers.h"

enum {
    FORWARDER_RANGES = 32, /* dropped frames remembered: about a second of every other frame */
    FORWARDER_RESTART_GAP = 3000, /* packets: a jump this wide is a new numbering, not loss */
};

/* A sender report's pairing of the input's media clock with the publisher's wall clock. */
struct media_clock {
    uint32_t domain; /* which publisher's wall clock; 0: not known */
    wall_usec ntp;
    uint32_t timestamp;
};

struct forwarder_packet {
    uint32_t input; /* handle of the incoming stream, not 0 */
    int64_t seq;    /* extended */
    uint32_t timestamp;
    uint32_t clock_rate; /* Hz */
    usec arrival;
    bool keyframe_start;
    bool is_unwanted; /* no payload, or of a layer that is not for this viewer: swallowed */
    const struct payload_descriptor *payload; /* NULL: none, as CODEC_NONE */
    bool has_frame_number;                    /* of a dependency descriptor */
    uint16_t frame_number;
    uint8_t template_count;          /* of the descriptor's structure */
    const struct media_clock *clock; /* of the input; NULL or domain 0: none yet */
};

enum forwarder_verdict {
    FORWARDER_SEND,
    FORWARDER_SWITCHED,  /* send, and it is the first packet of a new input */
    FORWARDER_NOT_INPUT, /* not from an input of ours */
    FORWARDER_WAITING,   /* from the wanted input, but a keyframe has to come first */
    FORWARDER_STALE,     /* from before the switch, or forgotten */
    FORWARDER_SWALLOWED, /* its number is not missing in the output */
    FORWARDER_FILL,      /* unwanted, but its number was left free: send it without payload */
};

struct forwarder_output {
    int64_t seq; /* extended */
    uint32_t timestamp;
    struct payload_descriptor payload; /* if the packet had one */
    struct depdesc_shift depdesc;      /* of its dependency descriptor */
};

/* Input numbers from `from` on are sent as number + offset; the `gap` numbers before it were
 * swallowed. */
struct forwarder_range {
    int64_t from;
    int64_t offset;
    uint32_t gap;
};

/* What is needed from the first packet on. */
struct forwarder_memory {
    struct forwarder_range ranges[FORWARDER_RANGES]; /* of `input`, oldest first */
    struct vp8_munger vp8;
};

struct forwarder {
    /* given */
    bool needs_keyframe; /* video */
    uint32_t input;      /* flows now; 0: none */
    uint32_t wanted;     /* takes over at its next keyframe; 0 or equal to input: nothing pending */
    /* derived */
    bool started; /* something was sent */
    uint8_t range_count;
    struct forwarder_memory *memory; /* borrowed */
    int64_t in_highest;
    int64_t out_highest; /* before the start: one before the first */
    uint32_t timestamp_offset;
    uint32_t out_timestamp; /* newest sent; before the start: the first */
    usec out_at;            /* arrival of the packet with out_timestamp */
    struct media_clock clock;
    struct vp9_munger vp9;
    struct depdesc_shift depdesc; /* of `input` */
    uint8_t template_count;       /* of the newest structure sent, 0: none */
    uint16_t out_frame;           /* newest frame number sent */
    uint64_t switch_count;
};

/* memory: kept; not touched before the first packet. seq, timestamp: where the output starts; seq
 * below 0x8000 (see rtc/seal.h). */
void forwarder_init(struct forwarder *f, struct forwarder_memory *memory, bool needs_keyframe,
                    uint16_t seq, uint32_t timestamp);

/* Which input should flow. The present one goes on until the wanted one can take over. */
void forwarder_want(struct forwarder *f, uint32_t input);

/* Nothing flows any more until forwarder_want() and a keyframe: the output will go on from here. */
void forwarder_stop(struct forwarder *f);

/* True if the wanted input is not flowing yet: a keyframe of it is needed. */
static inline bool forwarder_is_waiting(const struct forwarder *f)
{
    return f->wanted != 0 && f->wanted != f->input;
}

static inline bool forwarder_takes(const struct forwarder *f, uint32_t input)
{
    return f->input == input || f->wanted == input;
}

/* One packet. ret is written for SEND, SWITCHED and FILL only. */
enum forwarder_verdict forwarder_push(struct forwarder *f, const struct forwarder_packet *p,
                                      struct forwarder_output *ret);

/* A packet of the present input that will not be sent, whatever it is: it is from before the
 * switch, forgotten, or was swallowed. */
bool forwarder_is_past(const struct forwarder *f, int64_t seq);

/* The output timestamp for an input timestamp of the current input. */
static inline uint32_t forwarder_timestamp(const struct forwarder *f, uint32_t timestamp)
{
    return timestamp + f->timestamp_offset;
}

#endif
