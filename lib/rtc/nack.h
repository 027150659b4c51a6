/* nack.h - what one incoming RTP stream lost: asking again (RFC 4585 §6.2.1) and reporting it
 * (RFC 3550 §6.4, A.1, A.3, A.8).
 *
 * Pure: time is a parameter, memory is inside the structs, nothing is allocated. Owned by the
 * thread that owns the stream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_NACK_H
#define RTC_NACK_H

#include "rtc/rtcp.h"
#include "rtc/seq.h"

enum {
    NACK_MISSING_MAX = 256, /* packets missing at once; more means a keyframe is cheaper */
    NACK_AGE_MAX = 2000,    /* in packets: older is given up */
    NACK_TRIES_MAX = 10,
    NACK_REORDER_PACKETS = 2, /* a gap is asked for when this many newer packets have come … */
    NACK_REORDER_US = 10000,  /* … or after this long */
    /* Each request is made twice: it may be lost itself, and who has answered does not answer again
     * within a round trip. Then after the round trip from the second. */
    NACK_ECHO_US = 10000,
    NACK_REPEAT_MIN_US = 20000,
    NACK_RTT_DEFAULT_US = 100000,
    NACK_BATCH_MAX = 128,    /* sequence numbers per nack_take() */
    NACK_TAIL_MAX = 4,       /* packets behind the newest that are taken for lost at once */
    NACK_TAIL_TRIES_MAX = 4, /* they may never have been sent */
    NACK_RESTART_GAP = 3000, /* a jump this wide is a restarted stream, not loss */
};

/* One missing packet. */
struct nack_entry {
    int64_t seq;   /* extended */
    usec asked_at; /* when found missing, then when last asked */
    uint8_t tries;
};

struct nack_generator {
    struct seq_unwrapper unwrapper;
    struct nack_entry missing[NACK_MISSING_MAX]; /* ascending by seq */
    size_t missing_count;
    struct nack_entry tail[NACK_TAIL_MAX]; /* from the newest on, without a gap */
    size_t tail_count;
    int64_t keyframe_seq; /* newest packet known to start a keyframe */
    bool has_keyframe;
    bool keyframe_wanted;
    usec rtt_us;
    /* counters */
    uint64_t asked_count, recovered_count, lost_count;
};

void nack_init(struct nack_generator *g);

/* Measured round trip to the publisher; paces repeats. */
void nack_set_rtt(struct nack_generator *g, usec rtt_us);

/* A packet of the media stream arrived, or was restored from RTX with its original number.
 * keyframe_start: it is the first packet of a keyframe. Returns the extended sequence number. */
int64_t nack_on_packet(struct nack_generator *g, uint16_t seq, bool keyframe_start, usec now);

/* The publisher has sent up to `count` packets that did not come, and they may be the next ones of
 * this stream: that the end of a frame is lost would otherwise show only when the next frame comes.
 * Asked for like others, but not missed if they never come. */
void nack_suspect_tail(struct nack_generator *g, size_t count, usec now);

/* A packet of this number would be news: it is newer than all, or missing. */
bool nack_is_missing(const struct nack_generator *g, uint16_t seq);

/* The numbers to ask for now, ascending; they count as asked. At most NACK_BATCH_MAX. After the
 * last try a packet is forgotten and counted lost. */
size_t nack_take(struct nack_generator *g, usec now, uint16_t ret_seqs[NACK_BATCH_MAX]);

/* When nack_take() may next have something; USEC_NEVER if nothing is missing. */
usec nack_next_deadline(const struct nack_generator *g);

/* True once after packets were given up that a decoder needs: ask the publisher for a keyframe. */
bool nack_take_keyframe_wanted(struct nack_generator *g);

/* Statistics of one incoming stream for receiver reports. Zero-initialised with a clock rate. */
struct receive_stats {
    uint32_t clock_rate; /* Hz, given */
    struct seq_unwrapper unwrapper;
    int64_t base_seq;
    uint64_t received;
    int64_t expected_prior;
    uint64_t received_prior;
    uint32_t jitter_q4; /* RFC 3550 A.8, scaled by 16 */
    uint32_t transit;
    bool has_transit;
    uint32_t last_sr; /* middle 32 bits; 0: none */
    usec last_sr_at;
    uint64_t bytes;        /* payload bytes received */
    uint8_t fraction_lost; /* of the last report */
};

void receive_stats_init(struct receive_stats *s, uint32_t clock_rate);
/* Each packet of the stream once, retransmissions excluded (RFC 4588 §6.3). */
void receive_stats_on_packet(struct receive_stats *s, uint16_t seq, uint32_t timestamp,
                             size_t payload_len, usec now);
void receive_stats_on_sr(struct receive_stats *s, uint64_t ntp, usec now);
/* Fills a report block for `ssrc` and starts the next interval. False if nothing arrived yet. */
bool receive_stats_report(struct receive_stats *s, uint32_t ssrc, usec now,
                          struct rtcp_report *ret);

#endif
