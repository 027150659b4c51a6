/* twcc.h - transport-wide congestion control feedback
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01): writing it toward a publisher, reading it
 * from a viewer.
 *
 * Pure. Arrival times are kept in ticks of 250 µs, the unit of the wire; a 24-bit reference time of
 * 64 ms is exactly the upper part of a 32-bit tick counter.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_TWCC_H
#define RTC_TWCC_H

#include "rtc/rtcp.h"
#include "rtc/seq.h"

enum {
    TWCC_TICK_US = 250,
    TWCC_WINDOW = 1024,              /* packets remembered; a power of two */
    TWCC_INTERVAL_US = 100000,       /* feedback at least this often while packets come */
    TWCC_MARKER_INTERVAL_US = 20000, /* on a frame's last packet, if this long since the last */
    TWCC_PACKETS_PER_FEEDBACK = 400, /* more is split */
    TWCC_FEEDBACK_SIZE_MAX = 20 + TWCC_PACKETS_PER_FEEDBACK * 2 + 4 + TWCC_WINDOW / 7 * 2 + 4,
};

/* Arrivals on one transport, toward its publisher. Embedded; ready after _init. */
struct twcc_recorder {
    struct seq_unwrapper unwrapper;
    int64_t next_seq;   /* first number the next feedback covers */
    int64_t oldest_seq; /* nothing before it is remembered */
    uint32_t *arrival;  /* borrowed, TWCC_WINDOW places: ticks, valid if the bit is set */
    uint64_t received[TWCC_WINDOW / 64];
    bool pending; /* something arrived since the last feedback */
    bool marker;  /* … and a frame ended */
    bool started;
    usec sent_at;
    uint8_t feedback_count;
};

/* arrival: TWCC_WINDOW places, kept; not touched before the first packet. */
void twcc_recorder_init(struct twcc_recorder *r, uint32_t *arrival);

/* One packet that carries transport_seq. The first arrival wins. marker: RTP marker of video.
 * Returns how many numbers it skipped: packets that were lost, or will be late. */
size_t twcc_recorder_on_packet(struct twcc_recorder *r, uint16_t transport_seq, bool marker,
                               usec arrival);

/* When twcc_recorder_write() should be called; USEC_NEVER if nothing arrived. */
usec twcc_recorder_next_deadline(const struct twcc_recorder *r);

/* Appends one feedback packet if one is due. True if it did; call again until it is false (a wide
 * window is split). Needs up to TWCC_FEEDBACK_SIZE_MAX bytes; with less it writes nothing and
 * returns false, without the writer's failure. media_ssrc: any SSRC of the publisher, not 0. */
bool twcc_recorder_write(struct twcc_recorder *r, uint32_t sender_ssrc, uint32_t media_ssrc,
                         usec now, struct writer *w);

/* One feedback received. Iterate with twcc_feedback_next(). */
struct twcc_feedback {
    uint16_t base_seq;
    uint16_t status_count;
    int32_t reference_time; /* 24 bits signed, 64 ms each */
    uint8_t feedback_count;
    /* iteration */
    struct reader chunks, deltas;
    uint16_t index;
    uint16_t chunk;
    uint8_t chunk_left_symbols; /* vector symbols left */
    uint16_t chunk_left_run;    /* run length left */
    int64_t ticks;
};

struct twcc_result {
    uint16_t seq;
    bool received;
    int32_t delta_us;   /* since the previous received one of this feedback; if received */
    int64_t arrival_us; /* on the receiver's clock: reference time + deltas; if received */
};

/* fci: of a RTCP_TWCC message. Checks that chunks and deltas are all there: after OK the iteration
 * yields exactly status_count results. ERR_TRUNCATED or ERR_MALFORMED otherwise. */
MUST_USE enum err twcc_feedback_parse(struct bytes fci, struct twcc_feedback *ret);
bool twcc_feedback_next(struct twcc_feedback *f, struct twcc_result *ret);

#endif
