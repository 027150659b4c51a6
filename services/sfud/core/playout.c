/* SPDX-License-Identifier: Apache-2.0 */
#include "core/playout.h"

#define STEP MILLIS(10) /* of the extension */
/* Found by the next packet, asked for, answered. What needs a second round is late then, but by
 * less than what is seen as standing still; and sound, which does not wait, is not far ahead. */
#define FOUND MILLIS(40)

enum {
    LATEST = 1000, /* steps: the browsers' own limit */
    SOON = 50,     /* … no more than this, and nothing at least: Chromium smooths no longer */
};

static usec wait_for(const struct playout_path *path)
{
    return path->loss >= PLAYOUT_LOSS ? FOUND + path->rtt_us : 0;
}

void playout_look(struct playout *p, const struct playout_path *up, const struct playout_path *down,
                  bool is_congested, usec max, usec now)
{
    if (p->looked_at != 0 && now - p->looked_at < PLAYOUT_LOOK_INTERVAL)
        return;
    p->looked_at = now;
    usec wanted = MIN(MAX(wait_for(up), wait_for(down)), max);
    if (wanted < STEP || is_congested) {
        p->lossy_looks = 0;
        if (p->clean_looks < PLAYOUT_KEPT)
            p->clean_looks++;
        if (p->clean_looks == PLAYOUT_KEPT)
            p->delay = 0;
        return;
    }
    p->clean_looks = 0;
    if (p->lossy_looks < PLAYOUT_PATIENCE)
        p->lossy_looks++;
    if (p->lossy_looks == PLAYOUT_PATIENCE)
        p->delay = (uint16_t)MAX((usec)p->delay, wanted / STEP);
}

usec playout_delay(const struct playout *p)
{
    return p->delay * STEP;
}

void playout_restart(struct playout *p)
{
    *p = (struct playout){ .was_told = p->was_told };
}

void playout_write(struct playout *p, struct rtp_ext_values *v)
{
    p->was_told |= p->delay > 0 || p->is_soon;
    if (!p->was_told)
        return;
    bool has_own = (v->present & RTP_EXT_BIT(RTP_EXT_PLAYOUT_DELAY)) != 0;
    uint16_t least = has_own && v->playout_delay_min > p->delay ? v->playout_delay_min : p->delay;
    uint16_t most = has_own ? v->playout_delay_max : p->is_soon && least == 0 ? SOON : LATEST;
    v->playout_delay_min = least;
    v->playout_delay_max = most > least ? most : least;
    v->present |= RTP_EXT_BIT(RTP_EXT_PLAYOUT_DELAY);
}
