/* bwe_probe.h - short trains of packets at more than the estimate, to see if they come through.
 *
 * A cluster is 60 ms long. All that leaves meanwhile belongs to it, media too; padding fills up to
 * its rate. The result is the lower one of the rates at which the cluster left and arrived.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_BWE_PROBE_H
#define RTC_BWE_PROBE_H

#include "common/base.h"

enum {
    BWE_PROBE_DURATION_US = 60000,
    BWE_PROBE_DURATION_MAX_US = 200000, /* given up sending */
    BWE_PROBE_STEP_US = 5000,
    BWE_PROBE_RETRY_US = 100000,      /* due but not allowed: looks again */
    BWE_PROBE_PIECE_MIN = 200,        /* less padding than this waits for the next step */
    BWE_PROBE_STEP_BYTES_MAX = 16000, /* of one bwe_take_probe(): no larger burst */
    BWE_PROBE_PACKETS_MIN = 6,
    BWE_PROBE_RESULT_US = 1000000, /* waits this long for the result */
    BWE_PROBE_REACHED_PERCENT = 70,
    BWE_PROBE_INTERVAL_US = 2000000,     /* between probes that nothing calls for, at first … */
    BWE_PROBE_INTERVAL_MAX_US = 4000000, /* … and after some that failed */
    BWE_PROBE_SETTLE_US = 500000,        /* no probe so soon after a cut */
    BWE_PROBE_RECOVERY_US = 5000000,     /* a large drop is worth a recovery probe that long */
    BWE_PROBE_EXTENT_US = 1000,          /* what leaves or arrives within this is at one moment */
};

enum bwe_probe_state {
    BWE_PROBE_IDLE,
    BWE_PROBE_SENDING,
    BWE_PROBE_WAITING, /* for the feedback */
};

/* Zero-initialised is ready: no cluster is ever 0, the number of media. */
struct bwe_probe {
    enum bwe_probe_state state;
    uint8_t cluster;               /* the current or last one, 1..255 */
    uint64_t target_bps, from_bps; /* from_bps: the estimate when it began */
    usec started_at;               /* of sending */
    usec finished_at;              /* of sending */
    int64_t last_seq;              /* newest of the cluster */
    uint32_t sent_bytes, sent_packets;
    /* of what arrived */
    uint32_t got_bytes, got_packets;
    int64_t first_sent_us, last_sent_us, first_arrival_us, last_arrival_us;
    uint32_t last_sent_bytes, first_arrival_bytes; /* at those moments */
    /* when to probe */
    usec step_at;      /* next padding of this cluster */
    usec next_at;      /* next look whether to probe */
    usec interval_us;  /* between probes that nothing calls for */
    bool began;        /* the first probe was made */
    uint64_t drop_bps; /* the estimate before a large drop; 0: none */
    usec drop_at;
    /* counters */
    uint64_t started_count, reached_count, failed_count, padding_bytes;
};

/* What it needs to know. */
struct bwe_probe_view {
    uint64_t estimate_bps, demand_bps, max_bps;
    bool may_probe; /* no overuse, no standing queue, feedback flows */
};

/* Starts a cluster if one is due, gives up one that takes too long. */
void bwe_probe_tick(struct bwe_probe *p, const struct bwe_probe_view *v, usec now);

/* Padding due now; 0 if none. */
size_t bwe_probe_take(struct bwe_probe *p, usec now);

/* A packet left; true if it belongs to the cluster. */
bool bwe_probe_on_sent(struct bwe_probe *p, int64_t seq, size_t size, usec now);
void bwe_probe_on_received(struct bwe_probe *p, size_t size, int64_t sent_us, int64_t arrival_us);

/* After a feedback that reached newest_seq. The measured rate if the cluster is over, else 0. A
 * cluster that failed is over as well; *ret_done says so. */
uint64_t bwe_probe_result(struct bwe_probe *p, int64_t newest_seq, usec now, bool *ret_done);

/* The estimate was cut: the next probe waits a while. After a large drop there is one that asks
 * whether it was a passing one. */
void bwe_probe_on_cut(struct bwe_probe *p, uint64_t before_bps, uint64_t after_bps, usec now);

usec bwe_probe_next_deadline(const struct bwe_probe *p, const struct bwe_probe_view *v);

#endif
