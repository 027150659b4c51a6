/* slot.h - one receive transceiver of a participant: what it should show, and the stream it gets.
 *
 * Lives in the worker's pool as long as its m-line. Owned by the viewer's transport.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_SLOT_H
#define SFUD_CORE_SLOT_H

#include "common/list.h"
#include "core/command.h"
#include "core/forwarder.h"
#include "core/layer_filter.h"
#include "core/observation.h"
#include "core/outbox.h"
#include "core/playout.h"
#include "core/pool.h"
#include "rtc/packet_cache.h"
#include "rtc/rtcp.h"

struct worker;
struct transport;
struct track;
struct encoding;
struct pass_packet;

enum {
    SLOT_LOG_COUNT = 256,   /* sent packets that can be sent again: 1 s of 2 Mbit/s */
    SLOT_MID_PACKETS = 100, /* the first packets carry the mid, until the SSRC is surely known */
    SLOT_NO_FORMAT = 0xff,
    SLOT_PLI_BURST = 4, /* keyframe requests of one viewer that are listened to … */
};
#define SLOT_PLI_WINDOW                                                                            \
    SECONDS(4) /* … within this time: one bad link must not flood a publisher                    \
                */

/* A slot that was lowered is raised again only if there is much room; longer, if it was raised a
 * moment before. */
#define SLOT_FLAP_TIME SECONDS(10)
#define SLOT_HOLD_MIN  SECONDS(1)
#define SLOT_HOLD_MAX  SECONDS(4)

/* What only a slot needs that shows something. */
struct slot_memory {
    struct forwarder_memory forwarder;
    struct layer_window window;
};

struct slot {
    /* given */
    handle self;
    handle transport;
    const struct media_params *params; /* its m-line; the transport's */
    enum media_kind kind;
    uint32_t ssrc, rtx_ssrc; /* rtx_ssrc 0: no RTX */

    /* what slots.set asked for; stays while that track is not here */
    enum source wish_source;
    uint8_t media_index;
    bool has_wish;
    uint8_t spatial_max;
    uint8_t priority;   /* 0 first, among those of the same size */
    uint64_t wish_hash; /* participant_hash() */
    char wish_participant[PARTICIPANT_KEY_MAX + 1];

    /* what it shows */
    handle track; /* 0: not here */
    struct list_link in_track;
    struct forwarder forwarder;
    struct layer_filter filter; /* of its input: what of it is sent */
    /* what the viewer's network leaves of it: bandwidth.c */
    bool has_target; /* of the present track */
    bool must_ask;   /* its input needs a keyframe that was not asked for yet */
    bool is_paused;
    uint8_t target_spatial, target_temporal;
    uint64_t target_bps;
    usec raised_at; /* 0: never */
    usec held_until, hold_time;
    usec layer_keyframe_at; /* when the filter last asked for one */
    struct send_log log;    /* video with RTX */
    uint64_t rtx_index;     /* extended number of the next retransmission */

    /* how the present input is called here */
    handle format_input;
    uint8_t format_in;  /* publisher's payload type; SLOT_NO_FORMAT: none looked up */
    uint8_t format_out; /* ours; SLOT_NO_FORMAT: the viewer cannot take it */
    uint8_t rtx_format; /* SLOT_NO_FORMAT: none */
    uint8_t red_type;   /* for opus with redundancy of ours; SLOT_NO_FORMAT: none */
    bool takes_primary; /* the publisher sends RED, and the viewer cannot take it */
    uint32_t clock_rate;

    /* sender report and receiver report */
    uint32_t packet_count, octet_count;
    uint64_t mid_packets;
    usec sent_at;          /* last packet */
    usec reported_at;      /* last sender report */
    uint8_t fraction_lost; /* of 256, in the last report */
    uint8_t loss;          /* the same, falling slowly */
    uint8_t pli_count;     /* since pli_window_at */
    uint32_t jitter;
    struct playout playout; /* video */
    usec pli_window_at;
    usec beyond_repair_at; /* when a picture could last not be repaired; 0: never */
    struct slot_sample sample;
};

/* NULL if the pool is empty. */
struct slot *slot_new(struct worker *w, struct transport *t, uint8_t media_index);
void slot_free(struct worker *w, struct slot *slot);

/* Applies one setting of slots.set; NULL empties the slot. */
void slot_set(struct worker *w, struct slot *slot, const struct slot_setting *setting, usec now);

/* The wished track is here: the slot shows it from now on. */
void slot_link(struct worker *w, struct slot *slot, struct track *track, usec now);
/* Its track goes away; the wish stays. */
void slot_unlink(struct worker *w, struct slot *slot);

/* Chooses the encoding that should flow, within the target, and asks for a keyframe if one is
 * needed. */
void slot_select(struct worker *w, struct slot *slot, usec now);

/* The viewer's transport can take media now: a keyframe that came before was not for it. */
void slot_on_connected(struct worker *w, struct slot *slot, usec now);

/* The viewer has come back by another path: what was sent over the one before is lost. Browsers
 * miss it only when they have seen no picture for 3 s. */
void slot_on_path_changed(struct worker *w, struct slot *slot, usec now);

/* The viewer asked for a keyframe (PLI or FIR). */
void slot_on_keyframe_request(struct worker *w, struct slot *slot, usec now);
/* The viewer misses something that we cannot send again: only a keyframe helps. */
void slot_on_beyond_repair(struct worker *w, struct slot *slot, usec now);

/* slot_send.c: what leaves.
 *
 * False: `out` is full and nothing was done. True: sent, or not for this slot. */
MUST_USE bool slot_forward(struct worker *w, struct transport *t, struct slot *slot,
                           const struct pass_packet *p, usec now, struct outbox *out);

/* Answers one NACKed number by RTX; if it is too old for that, and no keyframe has followed it, one
 * is asked for: browsers wait for 3 s before they do. False: `out` is full. */
MUST_USE bool slot_resend(struct worker *w, struct transport *t, struct slot *slot,
                          uint16_t out_seq, usec now, struct outbox *out);

struct padding {
    size_t wanted;   /* bytes; one packet is sent, of this size or more or less */
    uint8_t cluster; /* the probe that it belongs to */
    unsigned back;   /* which one of the recent packets to repeat */
};

/* Sends one packet of padding by RTX. Returns its size, 0: it cannot be sent. */
size_t slot_send_padding(struct worker *w, struct transport *t, struct slot *slot,
                         const struct padding *p, usec now, struct outbox *out);

/* Fills a sender report. False if nothing was sent yet. */
bool slot_report(struct worker *w, struct slot *slot, usec now, struct rtcp_sender_info *ret);

#endif
