/* bwe_sim.h - a small network for the bandwidth estimator: flows of bursty media through one
 * bottleneck with a queue, feedback by the real recorder, a virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BWE_SIM_H
#define TESTS_BWE_SIM_H

#include "prng.h"

#include "rtc/bwe.h"

enum {
    SIM_STEP_US = 250,
    SIM_FLOWS = 2,
    SIM_SLOTS_MAX = 9,
    SIM_LINE = 16384,
    SIM_FEEDBACKS = 128,
    SIM_PACKET = 1200,
    SIM_FRAME_US = 33333,
    SIM_AUDIO_US = 20000,
    SIM_AUDIO_SIZE = 120,
};

struct sim_packet {
    usec at;
    uint16_t seq, size;
    uint8_t flow;
    bool marker;
};

/* First in, first out. */
struct sim_line {
    struct sim_packet packets[SIM_LINE];
    size_t head, count;
};

struct sim_feedback {
    usec at;
    size_t len;
    uint8_t bytes[TWCC_FEEDBACK_SIZE_MAX];
};

/* What was called, for the replay. */
struct sim_call {
    enum { CALL_SENT, CALL_FEEDBACK, CALL_PROBE, CALL_DEMAND } kind;
    usec now;
    uint16_t seq, size;
    uint8_t cluster;
    uint64_t demand, allocated, estimate;
    usec rtt_us;
    size_t bytes_at, bytes_len;
};

struct sim_trace {
    struct sim_call *calls;
    size_t count, max;
    uint8_t *bytes;
    size_t bytes_len, bytes_max;
};

struct sim_flow {
    /* given */
    bool on;
    bool silent;         /* sends nothing */
    uint64_t demand_bps; /* of its video */
    size_t slot_count;
    unsigned keyframe_every; /* frames; 0: never */
    unsigned keyframe_factor;
    const uint64_t *layers; /* ascending, ends with 0; NULL: any rate */
    bool no_padding;
    /* state */
    struct bwe bwe;
    struct bwe_memory sent;
    struct twcc_recorder recorder;
    uint32_t arrival[TWCC_WINDOW];
    uint16_t seq;
    usec frame_at[SIM_SLOTS_MAX];
    unsigned frame_number[SIM_SLOTS_MAX];
    usec audio_at;
    struct sim_line line; /* behind the bottleneck */
    struct sim_feedback feedback[SIM_FEEDBACKS];
    size_t feedback_head, feedback_count;
    /* measured */
    uint64_t received_bytes, sent_bytes;
};

struct sim {
    /* given */
    uint64_t rate_bps;
    usec queue_us, propagation_us, jitter_us;
    unsigned loss_permille, feedback_loss_permille;
    usec receiver_ahead_us; /* of our clock */
    bool no_marker;         /* frames' ends are not seen: feedback is rare */
    /* state */
    usec now;
    struct prng prng;
    struct sim_line queue;
    uint64_t queue_bytes;
    int64_t credit; /* byte-microseconds: bits the link may still send */
    struct sim_flow flows[SIM_FLOWS];
    struct sim_trace *trace; /* of flow 0 */
    /* measured */
    usec queue_delay_sum;
    uint64_t queue_delay_count;
    usec queue_delay_max;
    uint64_t dropped;
};

/* A link without loss and jitter, nothing on. */
void sim_init(struct sim *s, uint64_t seed, uint64_t rate_bps, usec queue_us, usec rtt_us);
void sim_start(struct sim *s, size_t flow, uint64_t demand_bps, size_t slot_count);
void sim_run(struct sim *s, usec duration);
void sim_clear_figures(struct sim *s);
void sim_replay_call(struct bwe *b, const struct sim_trace *t, const struct sim_call *c);

static inline uint64_t sim_estimate(const struct sim *s, size_t flow)
{
    return bwe_estimate_bps(&s->flows[flow].bwe);
}

#endif
