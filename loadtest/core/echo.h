/* echo.h - one stream that is sent back: somebody else's packets, numbered anew.
 *
 * The payloads stay as they are; SSRC, sequence numbers and timestamps are ours and continuous,
 * also where the origin changes. What is missing of the origin is missing of the echo until it
 * comes (late packets keep their place), so that who receives the echo asks us and not the origin.
 * Video begins with a keyframe. Pure. Owned by a leg.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_ECHO_H
#define LOADTEST_ECHO_H

#include "rtc/codec.h"
#include "rtc/rtcp.h"

enum {
    ECHO_KEPT = 256,        /* packets that RTX can serve; a power of two */
    ECHO_SEQ_JUMP = 3000,   /* further apart: the origin began anew */
    ECHO_ASK_US = 500000,   /* between two wishes for a keyframe */
    ECHO_JUMP_US = 5000000, /* timestamps may differ from the clock by this */
};

/* A packet of the origin. */
struct echo_input {
    uint64_t origin; /* any number: another one is another stream */
    uint16_t seq;
    uint32_t timestamp;
    bool marker;
    bool keyframe_start;
    enum codec codec;
    struct bytes payload;
};

struct echo_packet {
    uint16_t seq;
    uint32_t timestamp;
    bool marker;
    bool named; /* one of the first of an origin, or of a keyframe: say whose it is */
    enum codec codec;
    struct bytes payload; /* borrowed */
};

struct echo {
    /* given */
    enum media_kind kind;
    uint32_t ssrc, rtx_ssrc; /* rtx_ssrc 0: nothing is kept */
    char mid[17];
    /* derived */
    bool started;  /* something was sent */
    bool flowing;  /* of the current origin */
    bool waiting;  /* for its keyframe */
    bool asked;    /* for a keyframe, by who receives the echo */
    usec asked_at; /* when we last asked the origin; USEC_NEVER: never */
    uint64_t origin;
    uint16_t first_seq, newest_seq; /* of the origin */
    uint16_t seq_offset;            /* ours - the origin's */
    uint32_t time_offset;
    uint16_t last_seq; /* of the echo: the newest */
    uint32_t last_timestamp;
    usec last_at;
    uint16_t rtx_seq;
    unsigned named; /* packets that are still to be named */
    uint32_t packet_count, octet_count;
    struct echo_kept *kept; /* ECHO_KEPT; NULL until there is one */
};

/* given: copied; its derived members are ignored. random: 64 uniform bits. */
void echo_init(struct echo *e, const struct echo *given, uint64_t random);
void echo_done(struct echo *e);

/* False: not to be sent (before a keyframe, or older than the beginning of this origin). */
bool echo_take(struct echo *e, const struct echo_input *in, usec now, struct echo_packet *ret);

/* Who receives the echo wants a keyframe (PLI, FIR). */
void echo_ask_keyframe(struct echo *e);
/* The origin is to be asked for one now. */
bool echo_take_keyframe_wanted(struct echo *e, usec now);

/* One sent before, for RTX; valid until the next echo_take(). */
bool echo_find_sent(const struct echo *e, uint16_t seq, struct echo_packet *ret);

/* What a sender report says now; false: nothing was sent yet, or not lately. */
bool echo_sender_info(const struct echo *e, usec now, wall_usec wall_minus_now,
                      struct rtcp_sender_info *ret);

#endif
