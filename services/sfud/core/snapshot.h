/* snapshot.h - what a worker tells of rooms and participants when it is asked: plain values, copied
 * in one go, with nothing allocated. The memory is the asker's.
 *
 * Rates are of the last QUALITY_INTERVAL, counts since the thing exists. Microseconds, bits per
 * second, thousandths.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_SNAPSHOT_H
#define SFUD_CORE_SNAPSHOT_H

#include "core/packet_ring.h"
#include "core/transport.h"

enum { SNAPSHOT_PARTICIPANTS_MAX = 100 }; /* of a room at once: 100 cold transports are 20 us */

struct transport_snapshot {
    char participant[PARTICIPANT_KEY_MAX + 1];
    enum transport_state state;
    bool is_disconnected;
    int8_t score;            /* QUALITY_UNKNOWN: not measured */
    const char *suite;       /* static; NULL before DTLS is done */
    struct net_addr address; /* where media goes; unset: nowhere yet */
    usec age_us;
    usec check_us, dtls_us, media_us;      /* stages of joining; -1: not yet */
    usec rtt_us;                           /* -1: not known */
    uint64_t packets[2], bytes[2], bps[2]; /* by enum packet_direction */
    uint32_t loss_in_permille, loss_out_permille;
    usec jitter_in_us, jitter_out_us;
    usec playout_us; /* the longest of their slots, at the last sample */
    /* bandwidth toward them */
    bool is_controlled; /* false: they tell nothing of it, and get everything */
    struct bwe_stats bwe;
    uint64_t demand_bps, allocated_bps, audio_bps;
};

struct encoding_snapshot {
    bool is_known; /* it has sent within the last minute */
    bool is_active;
    uint32_t ssrc;
    uint64_t bps;
    uint64_t packets, bytes;
    uint64_t lost, nacked, recovered; /* packets */
    uint32_t keyframe_requests;
    usec jitter_us;
    uint8_t spatial_layers, temporal_layers; /* within it; 0: not known */
};

struct track_snapshot {
    char mid[SDP_MID_MAX + 1];
    enum source source;
    enum media_kind kind;
    bool muted, allowed;
    int8_t told;   /* highest layer the publisher was told to send; -1: none */
    int8_t wanted; /* … that some slot wants */
    size_t slot_count;
    uint8_t layer_count;
    struct encoding_snapshot encodings[TRACK_ENCODINGS_MAX];
};

struct slot_snapshot {
    char mid[SDP_MID_MAX + 1];
    enum media_kind kind;
    bool has_wish;
    bool has_track; /* the wished track is here */
    char wish_participant[PARTICIPANT_KEY_MAX + 1];
    enum source wish_source;
    uint8_t wanted_spatial;
    uint8_t priority;
    bool is_flowing;
    bool is_waiting; /* for a keyframe */
    bool is_paused;  /* for want of bandwidth */
    bool has_target;
    uint8_t target_spatial, target_temporal;
    uint64_t target_bps;
    int8_t layer;              /* of simulcast that flows; -1: none */
    uint8_t spatial, temporal; /* within it, LAYER_NONE: none known */
    uint64_t bps;
    uint32_t packets;
    uint64_t resent, switches, keyframe_requests, freezes;
    uint32_t loss_permille; /* as reported */
    usec playout_us;        /* how late the viewer is asked to show it; 0: at once */
    usec jitter_us;
};

struct participant_snapshot {
    struct transport_snapshot transport;
    size_t track_count, slot_count;
    struct track_snapshot tracks[TRANSPORT_MEDIA_MAX];
    struct slot_snapshot slots[TRANSPORT_MEDIA_MAX];
};

struct room_snapshot {
    size_t participant_count; /* all of them */
    size_t count;             /* told here */
    struct transport_snapshot participants[SNAPSHOT_PARTICIPANTS_MAX];
};

struct packets_snapshot {
    struct packet_ring ring;
    wall_usec wall_minus_now;
};

void snapshot_room(const struct worker *w, const struct room *room, size_t skip, usec now,
                   struct room_snapshot *ret);
void snapshot_participant(const struct worker *w, const struct transport *t, usec now,
                          struct participant_snapshot *ret);
void snapshot_packets(const struct worker *w, const struct transport *t,
                      struct packets_snapshot *ret);

#endif
