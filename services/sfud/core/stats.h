/* stats.h - the counters of a worker: written by its thread, read by any other.
 *
 * Relaxed atomics, one writer: no locked instruction on the media path. A metrics endpoint loops
 * over stat_info().
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_STATS_H
#define SFUD_CORE_STATS_H

#include "common/base.h"

#include <stdatomic.h>

/* id, metric name, label (or NULL), is gauge, help */
#define STATS_TABLE(X)                                                                             \
    X(PARTICIPANTS, "sfud_participants", NULL, true, "Transports on this worker.")                 \
    X(CONNECTED, "sfud_participants_connected", NULL, true, "Transports with DTLS done.")          \
    X(ROOMS, "sfud_rooms", NULL, true, "Rooms on this worker.")                                    \
    X(ENCODINGS, "sfud_encodings", NULL, true, "Incoming RTP streams.")                            \
    X(SLOTS_FED, "sfud_slots_fed", NULL, true, "Slots with an input.")                             \
    X(CACHED_PACKETS, "sfud_cached_packets", NULL, true, "Packets kept to answer NACKs.")          \
    X(RTP_IN, "sfud_rtp_received_total", NULL, false, "RTP packets opened.")                       \
    X(RTP_OUT, "sfud_rtp_forwarded_total", NULL, false, "RTP packets sealed for viewers.")         \
    X(RTX_OUT, "sfud_rtx_sent_total", NULL, false, "Retransmissions to viewers.")                  \
    X(RTX_IN, "sfud_rtx_received_total", NULL, false, "Retransmissions from publishers.")          \
    X(RTCP_IN, "sfud_rtcp_received_total", NULL, false, "RTCP compounds opened.")                  \
    X(RTCP_OUT, "sfud_rtcp_sent_total", NULL, false, "RTCP compounds sealed.")                     \
    X(STUN_IN, "sfud_stun_received_total", NULL, false, "STUN messages.")                          \
    X(DTLS_IN, "sfud_dtls_received_total", NULL, false, "DTLS datagrams.")                         \
    X(NACK_IN, "sfud_nacks_received_total", NULL, false, "Packets viewers asked for again.")       \
    X(NACK_OUT, "sfud_nacks_sent_total", NULL, false, "Packets asked for again from publishers.")  \
    X(PLI_IN, "sfud_keyframe_requests_received_total", NULL, false, "PLI and FIR from viewers.")   \
    X(PLI_OUT, "sfud_keyframe_requests_sent_total", NULL, false, "PLI to publishers.")             \
    X(REMB_IN, "sfud_remb_received_total", NULL, false, "REMB from viewers.")                      \
    X(TWCC_IN, "sfud_twcc_received_total", NULL, false, "Transport-cc feedback from viewers.")     \
    X(TWCC_OUT, "sfud_twcc_sent_total", NULL, false, "Transport-cc feedback to publishers.")       \
    X(LOST_IN, "sfud_rtp_lost_total", NULL, false, "Packets of publishers never received.")        \
    X(SWITCHES, "sfud_forwarder_switches_total", NULL, false, "Inputs changed by forwarders.")     \
    X(LAYERS_RAISED, "sfud_layer_changes_total", "direction=\"up\"", false,                        \
      "Slots given more or less by the bandwidth allocator.")                                      \
    X(LAYERS_LOWERED, "sfud_layer_changes_total", "direction=\"down\"", false, "")                 \
    X(SLOTS_PAUSED, "sfud_layer_changes_total", "direction=\"pause\"", false, "")                  \
    X(PROBE_BYTES, "sfud_probe_bytes_total", NULL, false, "Padding sent to find bandwidth.")       \
    X(FREEZES, "sfud_freezes_total", NULL, false,                                                  \
      "Video slots that got nothing for half a second while their track was sending.")             \
    X(EVENTS_DROPPED, "sfud_events_dropped_total", NULL, false, "Events nobody took.")             \
    X(ICE_RESTARTS, "sfud_ice_restarts_total", NULL, false, "Offers with new ICE credentials.")    \
    X(DROP_UNKNOWN, "sfud_packets_dropped_total", "reason=\"unknown-address\"", false,             \
      "Packets received and not used, by reason.")                                                 \
    X(DROP_STUN, "sfud_packets_dropped_total", "reason=\"stun\"", false, "")                       \
    X(DROP_ADDRESS, "sfud_packets_dropped_total", "reason=\"address-in-use\"", false, "")          \
    X(DROP_DTLS, "sfud_packets_dropped_total", "reason=\"dtls-not-validated\"", false, "")         \
    X(DROP_DTLS_RATE, "sfud_packets_dropped_total", "reason=\"dtls-rate\"", false, "")             \
    X(DROP_DTLS_FULL, "sfud_packets_dropped_total", "reason=\"dtls-queue-full\"", false, "")       \
    X(DROP_STATE, "sfud_packets_dropped_total", "reason=\"bad-state\"", false, "")                 \
    X(DROP_AUTH, "sfud_packets_dropped_total", "reason=\"auth\"", false, "")                       \
    X(DROP_REPLAY, "sfud_packets_dropped_total", "reason=\"replayed\"", false, "")                 \
    X(DROP_MALFORMED, "sfud_packets_dropped_total", "reason=\"malformed\"", false, "")             \
    X(DROP_SSRC, "sfud_packets_dropped_total", "reason=\"unknown-ssrc\"", false, "")               \
    X(DROP_FORMAT, "sfud_packets_dropped_total", "reason=\"payload-type\"", false, "")             \
    X(DROP_FORBIDDEN, "sfud_packets_dropped_total", "reason=\"forbidden\"", false, "")             \
    X(DROP_MUTED, "sfud_packets_dropped_total", "reason=\"muted\"", false, "")                     \
    X(DROP_DUPLICATE, "sfud_packets_dropped_total", "reason=\"duplicate\"", false, "")             \
    X(DROP_FULL, "sfud_packets_dropped_total", "reason=\"full\"", false, "")                       \
    X(UNSENT_FULL, "sfud_packets_unsent_total", "reason=\"full\"", false,                          \
      "Packets for participants that were not sent, by reason.")                                   \
    X(UNSENT_REPEATED, "sfud_packets_unsent_total", "reason=\"repeated\"", false, "")

enum worker_stat {
#define X(id, name, label, gauge, help) STAT_##id,
    STATS_TABLE(X)
#undef X
        STAT_COUNT,
};

/* id, metric name, label (or NULL), what its values are counted in, per unit of the metric
 * (1000000: microseconds shown as seconds), bounds, help */
#define HISTOGRAMS_TABLE(X)                                                                        \
    X(JOIN_CHECK, "sfud_join_seconds", "stage=\"check\"", 1000000, JOIN_BOUNDS,                    \
      "Time from a transport\'s creation to its first ICE check, DTLS keys, first media (stage).") \
    X(JOIN_DTLS, "sfud_join_seconds", "stage=\"dtls\"", 1000000, JOIN_BOUNDS, "")                  \
    X(JOIN_MEDIA, "sfud_join_seconds", "stage=\"media\"", 1000000, JOIN_BOUNDS, "")                \
    X(LOSS_IN, "sfud_loss_ratio", "direction=\"in\"", 1000, LOSS_BOUNDS,                           \
      "Share of packets lost from publishers and toward viewers, each participant every 2 s.")     \
    X(LOSS_OUT, "sfud_loss_ratio", "direction=\"out\"", 1000, LOSS_BOUNDS, "")                     \
    X(RTT, "sfud_rtt_seconds", NULL, 1000000, RTT_BOUNDS,                                          \
      "Round trip time to each viewer, every 2 s.")                                                \
    X(PLAYOUT, "sfud_playout_delay_seconds", NULL, 1000000, PLAYOUT_BOUNDS,                        \
      "How late each viewer is asked to show pictures for the sake of losses, every 2 s.")         \
    X(ESTIMATE, "sfud_estimate_bps", NULL, 1, BITRATE_BOUNDS,                                      \
      "Estimated bandwidth toward each viewer, every 2 s.")                                        \
    X(SHARE, "sfud_video_share_ratio", NULL, 1000, SHARE_BOUNDS,                                   \
      "What a viewer's video slots are given of what they would take at their best, every 2 s.")   \
    X(SCORE, "sfud_quality_score", NULL, 1, SCORE_BOUNDS,                                          \
      "Quality score of each participant (0 lost, 5 perfect), every 2 s.")

enum worker_histogram_id {
#define X(id, name, label, scale, bounds, help) HISTOGRAM_##id,
    HISTOGRAMS_TABLE(X)
#undef X
        HISTOGRAM_COUNT,
};

enum { HISTOGRAM_BOUNDS_MAX = 12 };

struct worker_histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BOUNDS_MAX + 1]; /* the last one holds what is beyond */
    _Atomic uint64_t sum;
};

struct histogram_info {
    const char *name;       /* equal names are consecutive */
    const char *label;      /* or NULL */
    const char *help;       /* empty for all but the first of a metric with labels */
    uint32_t scale;         /* of bounds and sum */
    const uint32_t *bounds; /* ascending, each the highest value of its bucket */
    size_t bound_count;
};

const struct histogram_info *histogram_info(enum worker_histogram_id h);

struct worker_stats {
    _Atomic uint64_t value[STAT_COUNT];
    struct worker_histogram histograms[HISTOGRAM_COUNT];
};

struct stat_info {
    const char *name;  /* Prometheus metric; equal names are consecutive */
    const char *label; /* "reason=\"auth\"", or NULL */
    const char *help;  /* empty for all but the first of a metric with labels */
    bool is_gauge;
};

const struct stat_info *stat_info(enum worker_stat s);

/* Any thread. */
static inline uint64_t stats_read(const struct worker_stats *s, enum worker_stat stat)
{
    return atomic_load_explicit(&s->value[stat], memory_order_relaxed);
}

/* The worker's thread only. */
static inline void stats_add(struct worker_stats *s, enum worker_stat stat, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&s->value[stat], memory_order_relaxed);
    atomic_store_explicit(&s->value[stat], v + n, memory_order_relaxed);
}

/* The worker's thread only. Cost: a look at the bounds. */
void stats_observe(struct worker_stats *s, enum worker_histogram_id h, uint64_t value);

static inline void stats_count(struct worker_stats *s, enum worker_stat stat)
{
    stats_add(s, stat, 1);
}

static inline void stats_set(struct worker_stats *s, enum worker_stat stat, uint64_t v)
{
    atomic_store_explicit(&s->value[stat], v, memory_order_relaxed);
}

#endif
