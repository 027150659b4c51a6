/* depdesc_read.h - the whole AV1 dependency descriptor (AV1 RTP §A.8): its template structure, what
 * one packet says of its frame by it, and the same value rewritten for a viewer.
 *
 *   |S|E| template (6) | frame number (16) |  then, if there are more bytes:
 *   |structure|active targets|custom DTIs, fdiffs, chains|  structure  active targets  custom
 * fields
 *
 * Pure, bounded, no allocation. The structure goes with a keyframe only; who reads a stream keeps
 * it from there (a plain value).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DEPDESC_READ_H
#define RTC_DEPDESC_READ_H

#include "rtc/depdesc.h"

enum {
    DEPDESC_TEMPLATES_MAX = 64,
    DEPDESC_TARGETS_MAX = 32,
    DEPDESC_SPATIAL_MAX = 4,
    DEPDESC_TEMPORAL_MAX = 8,
    DEPDESC_REFERENCES_MAX = 8, /* a decoder has eight buffers */
    DEPDESC_SIZE_MAX = 255,     /* of a value: the two-byte form of RFC 8285 */
};

/* What all frames of one kind have in common. Masks have a bit per decode target. */
struct depdesc_template {
    uint8_t spatial, temporal;
    uint8_t reference_count;
    uint8_t references[DEPDESC_REFERENCES_MAX]; /* frame numbers back, 1..16 */
    uint32_t present;                           /* DTI is not "not present" */
    uint32_t switchable;                        /* DTI is "switch" */
};

struct depdesc_structure {
    uint8_t template_count; /* 0: no structure yet */
    uint8_t template_id_offset;
    uint8_t target_count; /* 1..32 */
    uint8_t chain_count;
    uint8_t spatial_count, temporal_count;
    uint8_t protected_by[DEPDESC_TARGETS_MAX]; /* chain of a target, if chain_count > 0 */
    uint16_t width[DEPDESC_SPATIAL_MAX], height[DEPDESC_SPATIAL_MAX]; /* 0: not said */
    struct depdesc_template templates[DEPDESC_TEMPLATES_MAX];
};

/* Where depdesc_rewrite() has to work in a value, in bits from its start. */
struct depdesc_layout {
    uint16_t targets_at;  /* the mask of active targets, or where it would be */
    uint16_t bit_count;   /* all that is used; 0: the value was not understood */
    uint8_t target_count; /* bits of the mask */
};

/* One packet's frame. */
struct depdesc_info {
    struct depdesc head;
    uint8_t spatial, temporal;
    uint8_t reference_count;
    uint16_t references[DEPDESC_REFERENCES_MAX]; /* frame numbers back, 1..4096 */
    uint32_t present, switchable;                /* bit per decode target */
    uint32_t active_targets;                     /* if said here, or with a structure; else 0 */
    struct depdesc_layout layout;
};

/* Reads one value with the structure of its stream. A structure in the value is used for it and
 * written to ret_structure; ret_structure may be `structure` itself.
 *
 * structure  of the stream so far; template_count 0 if none came yet
 *
 * OK, ERR_TRUNCATED, ERR_MALFORMED (impossible values, more references than a decoder has
 * buffers), or ERR_BAD_STATE (it names a template that the structure does not have: the packet
 * with the structure is missing). */
MUST_USE enum err depdesc_read(struct bytes value, const struct depdesc_structure *structure,
                               struct depdesc_info *ret, struct depdesc_structure *ret_structure);

/* Added to the numbers of a value, so that those of several streams follow each other in one. */
struct depdesc_shift {
    uint16_t frames; /* to its frame number */
    uint8_t
        templates; /* to its template's id, and to the first id of a structure in it; modulo 64 */
};

/* Appends the value, shifted, and, if active_targets is not NULL, with that mask of active targets
 * in it (put in or replaced; at most 5 bytes longer). A value that was not understood
 * (layout->bit_count 0) is only shifted; one of less than 3 bytes is copied. layout is that of this
 * value. */
void depdesc_rewrite(struct writer *w, struct bytes value, const struct depdesc_layout *layout,
                     struct depdesc_shift shift, const uint32_t *active_targets);

#endif
