/* keyframe_request.h - when one incoming stream is asked for a keyframe.
 *
 * Many viewers may want one at once; the publisher is asked once, at most every
 * KEYFRAME_INTERVAL_MIN, again after KEYFRAME_RETRY_TIME as long as none came, and
 * KEYFRAME_RETRIES_MAX times in all. Pure, a plain value; zero-initialised is ready.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_KEYFRAME_REQUEST_H
#define SFUD_CORE_KEYFRAME_REQUEST_H

#include "limits.h"

struct keyframe_request {
    bool is_wanted;
    bool was_asked; /* ever: asked_at means something */
    uint8_t tries;  /* since it became wanted */
    usec asked_at;
    uint32_t asked_count; /* ever, for statistics */
};

static inline void keyframe_request_want(struct keyframe_request *k)
{
    k->is_wanted = true;
    k->tries = 0;
}

/* One came. */
static inline void keyframe_request_done(struct keyframe_request *k)
{
    k->is_wanted = false;
    k->tries = 0;
}

/* When to ask next; USEC_NEVER if there is nothing to ask for. */
static inline usec keyframe_request_deadline(const struct keyframe_request *k)
{
    if (!k->is_wanted || k->tries > KEYFRAME_RETRIES_MAX)
        return USEC_NEVER;
    if (!k->was_asked)
        return 0;
    return k->asked_at + (k->tries == 0 ? KEYFRAME_INTERVAL_MIN : KEYFRAME_RETRY_TIME);
}

/* True: ask now; it counts as asked. */
static inline bool keyframe_request_take(struct keyframe_request *k, usec now)
{
    usec deadline = keyframe_request_deadline(k);
    if (deadline == USEC_NEVER || now < deadline)
        return false;
    k->was_asked = true;
    k->asked_at = now;
    k->tries++;
    k->asked_count++;
    return true;
}

#endif
