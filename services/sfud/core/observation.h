/* observation.h - how a participant's transport does: stages of joining, samples for histograms,
 * freezes, the quality score.
 *
 * Looked at a few times a second in the transport's tick, not per packet. Embedded in the transport
 * (and in its slots). Owned by the worker's thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_OBSERVATION_H
#define SFUD_CORE_OBSERVATION_H

#include "core/quality.h"

struct worker;
struct transport;
struct room;

/* Of a slot. */
struct slot_sample {
    /* counted where it happens */
    uint64_t resent_count;           /* answers to NACKs */
    uint64_t keyframe_request_count; /* of the viewer */
    /* looked at */
    uint64_t freeze_count;
    bool is_frozen; /* counted already */
    uint32_t octets_seen;
    uint32_t bps; /* payload sent, over QUALITY_INTERVAL */
};

struct observation {
    /* stages of joining; 0: not yet */
    usec checked_at;   /* first ICE check */
    usec connected_at; /* DTLS */
    usec media_at;     /* first packet of media, either way */
    const char *suite; /* static; NULL before DTLS is done */

    usec look_at;   /* next look at freezes */
    usec sample_at; /* next sample and score */
    usec sampled_at;
    uint64_t bytes_seen[2]; /* by enum packet_direction */
    uint64_t bps[2];
    int64_t expected_seen, received_seen; /* RTP of all their streams */
    uint32_t loss_in_permille, loss_out_permille;
    usec jitter_in_us, jitter_out_us; /* audio: of video, bursts are most of it */
    usec playout_us;                  /* the latest that one of their videos is to be shown */
    struct quality quality;
    bool is_score_new;
    usec told_at;
};

void observation_init(struct worker *w, struct transport *t, usec now);

/* Called once each. */
/* Scores and speakers of a room, once more: somebody's signald may be new to it, and knows only
 * what was told since. */
void observation_tell_again(struct worker *w, struct room *room, usec now);
void observation_on_checked(struct worker *w, struct transport *t, usec now);
void observation_on_connected(struct worker *w, struct transport *t, const char *suite, usec now);
/* Called for each packet; the first one counts. */
void observation_on_first_media(struct worker *w, struct transport *t, usec now);
#define observation_on_media(w, t, now)                                                            \
    do {                                                                                           \
        if ((t)->observation.media_at == 0)                                                        \
            observation_on_first_media(w, t, now);                                                 \
    } while (0)

/* Looks if it is time. Returns when it wants to be called again. */
usec observation_tick(struct worker *w, struct transport *t, usec now);

/* Tells the new scores of a room. */
void observation_tell_scores(struct worker *w, struct room *room);

#endif
