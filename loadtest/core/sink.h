/* sink.h - one received stream of a bot: loss, latency, freezes, what arrives compared with what
 * should, and the feedback that it asks for (NACK, PLI, receiver reports).
 *
 * Pure. Owned by a leg. The stream keeps its SSRC while what flows in it changes (a slot).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SINK_H
#define LOADTEST_SINK_H

#include "core/frame_tracker.h"
#include "core/measure.h"
#include "core/stamp.h"
#include "core/tone.h"
#include "rtc/nack.h"
#include "rtc/rtp_ext.h"

enum {
    SINK_AUDIO_GAP_US = 60000,      /* a steady voice silent for longer is a gap */
    SINK_GAP_NOTED_US = 200000,     /* interruptions this long are noted one by one */
    SINK_NOTHING_US = 3000000,      /* a camera that has not come for so long has been a freeze */
    SINK_PLI_INTERVAL_US = 1000000, /* asking again for a keyframe */
    SINK_PLI_PATIENCE_US = 250000,  /* a new picture gets this long before it is asked for */
    SINK_FEEDBACK_SIZE_MAX = 24 + 4 * NACK_BATCH_MAX, /* what sink_write_feedback() may append */
};

/* An interruption of something that should have gone on. */
struct interruption {
    usec from, to; /* to USEC_NEVER: still on */
    int publisher; /* bot index, -1: not a bot */
    enum media_kind kind;
};

struct sink_packet {
    const struct rtp_packet *rtp; /* of RTX: rebuilt, with the original sequence number */
    const struct rtp_ext_values *ext;
    struct bytes payload; /* without a stamp's trailer */
    enum codec codec;
    bool keyframe_start;
    bool is_rtx;
    bool has_stamp;
    struct stamp stamp;
    wall_usec wall; /* when it arrived */
};

struct sink {
    /* given */
    uint32_t ssrc, rtx_ssrc;
    enum media_kind kind;
    char mid[17];
    /* what should flow in it */
    bool mapped;
    int publisher;                     /* bot index; -1: not a bot */
    char publisher_id[64], source[16]; /* as the driver has them; "": nothing */
    bool steady;                       /* audio: the publisher never pauses */
    uint16_t asked_height;
    usec mapped_at; /* since when */
    uint64_t onset; /* audio: the newest turn whose beginning was heard here, and whose; 0: none */
    usec wanted_at; /* when it was asked for; USEC_NEVER: no measurement of a switch is open */
    /* derived */
    struct receive_stats stats;
    struct seq_unwrapper unwrapper;
    struct nack_generator *nack;  /* video only */
    struct frame_tracker *frames; /* video only */
    struct layer_reader *reader;  /* video whose packets tell of layers; NULL: none yet */
    struct ear *ear;              /* audio that is listened to */
    usec listen_at;               /* when to listen again */
    int toned, mistoned;  /* speaker last heard right, wrong; -1: none since the last look */
    unsigned mistoned_hz; /* what was heard instead; 0: no tone */
    bool started;
    usec first_packet_at, first_keyframe_at; /* USEC_NEVER: not yet */
    usec last_packet_at;
    usec last_frame_at;     /* showable; audio: packet with a voice. USEC_NEVER: none yet */
    usec gap_from;          /* measuring of gaps begins; usually last_frame_at */
    int64_t frame_interval; /* smoothed, us; 0: unknown */
    usec pli_at;            /* last asked; USEC_NEVER: never */
    usec jitter_at, layer_at;
    bool keyframe_wanted;
    bool interrupted;     /* the newest interruption is still on */
    uint16_t last_sender; /* of the newest stamp */
    uint8_t last_layer;   /* of the newest stamp; of SVC: that is shown */
    bool has_sender;
    bool is_svc;    /* the newest packet was of a stream with several spatial layers */
    bool was_wrong; /* of somebody else, at the last look */
};

/* NULL without memory. kind: audio or video. */
struct sink *sink_new(enum media_kind kind, uint32_t ssrc, uint32_t rtx_ssrc, const char *mid,
                      usec now);
void sink_free(struct sink *s);

/* From now on this flows here. publisher -2: nothing. */
void sink_map(struct sink *s, int publisher, bool steady, usec now);

/* Returns what came to an end or began in `ret`, if true: an interruption that is over. */
bool sink_on_packet(struct sink *s, const struct sink_packet *p, usec now, struct measure *m,
                    struct interruption *ret);

/* A packet without payload, in the place of one that is not for us: its number is not missing. */
void sink_on_padding(struct sink *s, const struct rtp_packet *p, usec now, struct measure *m);

/* Once every 20 ms or so. True: an interruption has begun (ret.to is USEC_NEVER). */
bool sink_tick(struct sink *s, usec now, struct measure *m, struct interruption *ret);

/* Appends NACK and PLI that are due. */
void sink_write_feedback(struct sink *s, uint32_t sender_ssrc, usec now, struct writer *w,
                         struct measure *m);

/* The voice is known to go on for now, or no longer (talkers take turns). */
void sink_set_steady(struct sink *s, bool steady, usec now, struct measure *m);

/* Since when something that should flow is being waited for; false: nothing is expected here. A
 * connection that is given up takes this along: sink_expect_since() on what replaces it, or
 * sink_count_lost() if nothing did. */
bool sink_waits_since(const struct sink *s, usec *ret_from);
void sink_expect_since(struct sink *s, usec from);
void sink_count_lost(enum media_kind kind, usec length, struct measure *m);

/* The measured interval ends: counts what is still on. */
void sink_end(struct sink *s, usec now, struct measure *m);

#endif
