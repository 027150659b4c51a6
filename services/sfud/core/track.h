/* track.h - one published source: its encodings, who watches it, what it may send.
 *
 * Lives in the worker's pool as long as its m-line. Owned by the publisher's transport.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_TRACK_H
#define SFUD_CORE_TRACK_H

#include "common/list.h"
#include "core/command.h"
#include "core/dominant.h"
#include "core/encoding.h"
#include "core/speaker.h"

struct worker;
struct transport;

enum { TRACK_LAYER_TOP = 2 }; /* told to publishers for: everything */

/* What the publisher was told about who watches. */
struct track_demand {
    int8_t wanted; /* highest layer any slot wants; -1: nobody watches */
    int8_t told;   /* the same, as the publisher knows it */
    bool is_new;   /* wanted has changed */
    usec tell_at;  /* USEC_NEVER: nothing to tell */
    usec told_at;  /* 0: never. Again after a while if what flows contradicts it */
    usec repeat_time;
};

struct track {
    handle self;
    handle transport;
    uint8_t media_index;
    uint8_t layer_count;
    enum source source;
    enum media_kind kind;
    bool allowed;                          /* by the grant */
    bool muted;                            /* by track.set: dropped at ingress */
    handle encodings[TRACK_ENCODINGS_MAX]; /* by layer; 0: none yet */
    uint32_t active;                       /* bit i: layer i sends now */
    uint32_t ever_active;                  /* … or has sent before */
    struct list slots;                     /* slot.in_track: who watches */
    struct speaker_meter meter;            /* microphones */
    struct dominant_meter dominance;       /* microphones */
    struct track_demand demand;            /* video */
};

/* NULL if the pool is empty. */
struct track *track_new(struct worker *w, struct transport *t, uint8_t media_index);
/* Slots that watched it keep their wish and wait for it to come back. */
void track_free(struct worker *w, struct track *track);

struct encoding *track_encoding(const struct worker *w, const struct track *track, unsigned layer);

/* The stream `ssrc` is layer `layer` from now on, in place of any before. NULL if there is no room,
 * or the stream it would replace still flows. */
struct encoding *track_learn(struct worker *w, struct track *track, uint8_t layer, uint32_t ssrc,
                             const struct format *format, usec now);

/* A packet of this encoding arrived: wakes the layer if it slept. */
void track_on_packet(struct worker *w, struct track *track, struct encoding *e, usec now);

void track_set_muted(struct worker *w, struct track *track, bool muted, usec now);

/* A keyframe of this encoding is needed: asked for as soon as the throttle allows. */
void track_want_keyframe(struct worker *w, struct track *track, struct encoding *e, usec now);
/* Some slot of a connected viewer could begin with this encoding and needs a keyframe for it. Cost:
 * a look at each of its slots. */
bool track_is_waited_for(const struct worker *w, const struct track *track,
                         const struct encoding *e);

/* Who watches, or how large, has changed: the publisher is told at once to send more, and after a
 * while to send less. */
void track_update_demand(struct worker *w, struct track *track);
/* Tells what is due. Returns when it wants to be called again. (demand.c) */
usec track_tell_demand(struct worker *w, struct track *track, usec now);

/* Layers that went silent are put to sleep, cached packets expire. Returns when it wants to be
 * called again. */
usec track_tick(struct worker *w, struct track *track, usec now);

/* The publisher said BYE for this stream. */
void track_on_bye(struct worker *w, struct track *track, struct encoding *e, usec now);

#endif
