/* associations_stats.h - the counters of the association engine: one writer, any reader.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_ASSOCIATIONS_STATS_H
#define SFUD_CORE_ASSOCIATIONS_STATS_H

#include "core/stats.h"

/* id, metric name, label (or NULL), is gauge, help */
#define ASSOCIATIONS_STATS_TABLE(X)                                                                \
    X(OPEN, "sfud_associations", NULL, true, "DTLS associations.")                                 \
    X(RUNNING, "sfud_handshakes_running", NULL, true, "DTLS handshakes that have begun.")          \
    X(WAITING, "sfud_handshakes_waiting", NULL, true, "DTLS handshakes that wait for a turn.")     \
    X(DONE, "sfud_handshakes_completed_total", NULL, false, "DTLS handshakes completed.")          \
    X(RESTARTED, "sfud_handshakes_restarted_total", NULL, false,                                   \
      "DTLS handshakes on a connected association.")                                               \
    X(FAILED_AUTH, "sfud_handshakes_failed_total", "reason=\"auth\"", false,                       \
      "DTLS handshakes that failed, by reason.")                                                   \
    X(FAILED_UNSUPPORTED, "sfud_handshakes_failed_total", "reason=\"unsupported\"", false, "")     \
    X(FAILED_EXPIRED, "sfud_handshakes_failed_total", "reason=\"expired\"", false, "")             \
    X(FAILED_MALFORMED, "sfud_handshakes_failed_total", "reason=\"malformed\"", false, "")         \
    X(FAILED_FULL, "sfud_handshakes_failed_total", "reason=\"full\"", false, "")                   \
    X(FAILED_SYSTEM, "sfud_handshakes_failed_total", "reason=\"system\"", false, "")               \
    X(DROP_STALE, "sfud_association_datagrams_dropped_total", "reason=\"stale\"", false,           \
      "DTLS datagrams that no handshake or association could use, by reason.")                     \
    X(DROP_NO_HELLO, "sfud_association_datagrams_dropped_total", "reason=\"no-hello\"", false, "") \
    X(DROP_FULL, "sfud_association_datagrams_dropped_total", "reason=\"full\"", false, "")         \
    X(DATA_MEMBERS, "sfud_data_participants", NULL, true, "Participants with data channels.")      \
    X(DATA_IN, "sfud_data_messages_total", "direction=\"in\"", false,                              \
      "Messages of data channels; each is sent to everybody it is for.")                           \
    X(DATA_OUT, "sfud_data_messages_total", "direction=\"out\"", false, "")                        \
    X(DATA_ERRORS, "sfud_data_errors_total", NULL, false,                                          \
      "Messages of data channels that were refused, and the sender told.")                         \
    X(DATA_DROPPED, "sfud_data_dropped_total", NULL, false,                                        \
      "Messages that a receiver was too slow for.")                                                \
    X(DATA_CLOSED, "sfud_data_channels_closed_total", NULL, false,                                 \
      "Reliable channels closed since their receiver was too slow.")                               \
    X(DATA_LOST, "sfud_data_packets_lost_total", NULL, false,                                      \
      "SCTP packets that found no room on their way out; SCTP repeats them.")

enum associations_stat {
#define X(id, name, label, gauge, help) ASSOCIATIONS_##id,
    ASSOCIATIONS_STATS_TABLE(X)
#undef X
        ASSOCIATIONS_STAT_COUNT,
};

struct associations_stats {
    _Atomic uint64_t value[ASSOCIATIONS_STAT_COUNT];
};

const struct stat_info *associations_stat_info(enum associations_stat s);

/* Any thread. */
static inline uint64_t associations_stat_read(const struct associations_stats *s,
                                              enum associations_stat stat)
{
    return atomic_load_explicit(&s->value[stat], memory_order_relaxed);
}

#endif
