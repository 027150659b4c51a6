/* SPDX-License-Identifier: Apache-2.0 */
#include "core/layer_filter.h"

#include "rtc/seq.h"

enum { WORDS = LAYER_FILTER_WINDOW / 64 };

/* The window is indexed by frame number, which wraps at 65536. */
_Static_assert(65536 % LAYER_FILTER_WINDOW == 0, "a frame number has one place");

void layer_filter_init(struct layer_filter *f, struct layer_window *window)
{
    *f = (struct layer_filter){ .spatial_max = LAYER_ANY,
                                .temporal_max = LAYER_ANY,
                                .window = window };
    layer_filter_reset(f);
}

void layer_filter_reset(struct layer_filter *f)
{
    *f = (struct layer_filter){ .spatial_max = f->spatial_max,
                                .temporal_max = f->temporal_max,
                                .window = f->window,
                                .target = LAYER_NONE,
                                .needs_keyframe = true,
                                .change_total = f->change_total };
}

void layer_filter_want(struct layer_filter *f, uint8_t spatial_max, uint8_t temporal_max)
{
    f->spatial_max = spatial_max;
    f->temporal_max = temporal_max;
}

static bool test_bit(const uint64_t *bits, uint16_t frame)
{
    unsigned at = frame % LAYER_FILTER_WINDOW;
    return (bits[at / 64] >> at % 64 & 1) != 0;
}

static void write_bit(uint64_t *bits, uint16_t frame, bool value)
{
    unsigned at = frame % LAYER_FILTER_WINDOW;
    uint64_t bit = (uint64_t)1 << at % 64;
    bits[at / 64] = value ? bits[at / 64] | bit : bits[at / 64] & ~bit;
}

static void start_window(struct layer_filter *f, uint16_t frame)
{
    *f->window = (struct layer_window){ 0 };
    f->newest = frame;
    f->change_count = f->target == LAYER_NONE ? 0 : 1;
    f->changes[0].from = frame;
    f->changes[0].target = f->target;
    f->forgot_changes = false;
    f->started = true;
}

/* Makes frame a place in the window. False: it is too old. */
static bool enter_window(struct layer_filter *f, const struct frame_layers *fl)
{
    int ahead = f->started ? seq16_diff(fl->frame_number, f->newest) : 0;
    if (ahead <= -LAYER_FILTER_WINDOW && !fl->keyframe_start)
        return false;
    if (!f->started || ahead <= -LAYER_FILTER_WINDOW || ahead >= LAYER_FILTER_WINDOW) {
        start_window(f, fl->frame_number);
        return true;
    }
    for (; ahead > 0; ahead--)
        write_bit(f->window->known, ++f->newest, false);
    return true;
}

static bool in_window(const struct layer_filter *f, uint16_t frame)
{
    int back = -seq16_diff(frame, f->newest);
    return back >= 0 && back < LAYER_FILTER_WINDOW;
}

/* Everything that the frame refers to is known to have been sent: what entering a target takes. */
static bool references_sent(const struct layer_filter *f, const struct frame_layers *fl)
{
    for (unsigned i = 0; i < fl->reference_count; i++) {
        uint16_t frame = (uint16_t)(fl->frame_number - fl->references[i]);
        if (!in_window(f, frame) || !test_bit(f->window->known, frame) ||
            !test_bit(f->window->sent, frame))
            return false;
    }
    return true;
}

/* Something that it refers to was withheld. What is lost or late was not: it will be sent. */
static bool references_withheld(const struct layer_filter *f, const struct frame_layers *fl)
{
    for (unsigned i = 0; i < fl->reference_count; i++) {
        uint16_t frame = (uint16_t)(fl->frame_number - fl->references[i]);
        if (in_window(f, frame) && test_bit(f->window->known, frame) &&
            !test_bit(f->window->sent, frame))
            return true;
    }
    return false;
}

static unsigned rank_of(const struct layer_structure *s, unsigned target)
{
    return s->targets[target].spatial * 256u + s->targets[target].temporal;
}

/* The highest of a set of targets, or LAYER_NONE. */
static unsigned highest(const struct layer_structure *s, uint32_t set)
{
    unsigned best = LAYER_NONE;
    for (unsigned i = 0; i < s->target_count; i++)
        if ((set >> i & 1) != 0 && (best == LAYER_NONE || rank_of(s, i) > rank_of(s, best)))
            best = i;
    return best;
}

/* Targets within the wishes; the lowest one if the wishes are below all. */
static uint32_t allowed_targets(const struct layer_filter *f, const struct layer_structure *s)
{
    uint32_t active = s->active != 0 ? s->active : UINT32_MAX, allowed = 0;
    unsigned lowest = LAYER_NONE;
    for (unsigned i = 0; i < s->target_count; i++) {
        if ((active >> i & 1) == 0)
            continue;
        if (lowest == LAYER_NONE || rank_of(s, i) < rank_of(s, lowest))
            lowest = i;
        if (s->targets[i].spatial <= f->spatial_max && s->targets[i].temporal <= f->temporal_max)
            allowed |= 1u << i;
    }
    return allowed != 0 || lowest == LAYER_NONE ? allowed : 1u << lowest;
}

/* Parts of the current target that can be entered at this frame. Everything of theirs was sent, so
 * they need no switch point; but the highest layer of this picture must still be to come, for it
 * carries the marker: and it comes only if the part has this picture, whose lower layers are out.
 */
static uint32_t parts_here(const struct layer_filter *f, const struct layer_structure *s,
                           const struct frame_layers *fl)
{
    uint32_t parts = s->parts[f->target];
    for (unsigned i = 0; i < s->target_count; i++)
        if (s->targets[i].spatial < fl->spatial)
            parts &= ~(1u << i);
    return fl->spatial == 0 ? parts : parts & fl->present;
}

/* The other layers of a keyframe's picture follow it by number. In simulcast within one stream each
 * of them is a keyframe, and the target rises with them up to the wanted one. */
static bool is_key_picture(const struct layer_filter *f, const struct layer_structure *s,
                           const struct frame_layers *fl)
{
    unsigned behind = (uint16_t)(fl->frame_number - f->key_frame);
    return f->key_allowed != 0 &&
           (behind == 0 || (behind < s->spatial_count && fl->spatial > 0 && fl->spatial >= behind));
}

/* What is allowed in a keyframe's picture was settled when it began: the marker of its lower layers
 * went by that. */
static uint32_t allowed_here(struct layer_filter *f, const struct layer_structure *s,
                             const struct frame_layers *fl, uint32_t allowed)
{
    if (fl->keyframe_start && fl->frame_number == f->newest) {
        f->key_frame = fl->frame_number;
        f->key_allowed = allowed;
    } else if ((uint16_t)(f->newest - f->key_frame) >= LAYER_FILTER_WINDOW) {
        f->key_allowed = 0;
    }
    return is_key_picture(f, s, fl) ? f->key_allowed : allowed;
}

/* The lower layers of this picture have ended it already, but for keyframes. */
static uint32_t without_marker(const struct layer_filter *f, const struct layer_structure *s,
                               const struct frame_layers *fl, uint32_t ways)
{
    if (f->target == LAYER_NONE || fl->spatial <= s->targets[f->target].spatial ||
        is_key_picture(f, s, fl))
        return ways;
    for (unsigned i = 0; i < s->target_count; i++)
        if (s->targets[i].spatial >= fl->spatial)
            ways &= ~(1u << i);
    return ways;
}

static void change_target(struct layer_filter *f, unsigned target, uint16_t from)
{
    if (f->target != target)
        f->change_total++;
    f->target = (uint8_t)target;
    f->broken = false;
    if (f->change_count == LAYER_FILTER_CHANGES) {
        memmove(f->changes, f->changes + 1, sizeof f->changes - sizeof f->changes[0]);
        f->change_count--;
        f->forgot_changes = true;
    }
    f->changes[f->change_count].from = from;
    f->changes[f->change_count++].target = (uint8_t)target;
}

/* At the newest frame: another target, if there is a better one and this frame is a way to it. */
static void choose(struct layer_filter *f, const struct layer_structure *s,
                   const struct frame_layers *fl, uint32_t allowed)
{
    uint32_t ways = references_sent(f, fl) ? allowed & fl->switchable : 0;
    ways = without_marker(f, s, fl, ways);
    bool is_lost = f->target == LAYER_NONE || f->broken || fl->keyframe_start;
    bool is_unwanted = f->target != LAYER_NONE && (allowed >> f->target & 1) == 0;
    if (is_unwanted)
        ways |= allowed & parts_here(f, s, fl);
    unsigned best = highest(s, ways);
    if (best == LAYER_NONE || (best == f->target && !f->broken))
        return;
    if (is_lost || is_unwanted || rank_of(s, best) > rank_of(s, f->target))
        change_target(f, best, fl->frame_number);
}

/* What the viewer got at the frame's place in the stream. LAYER_NONE: nothing, or forgotten. */
static unsigned target_at(const struct layer_filter *f, uint16_t frame)
{
    for (unsigned i = f->change_count; i-- > 0;)
        if (seq16_diff(frame, f->changes[i].from) >= 0)
            return f->changes[i].target;
    return LAYER_NONE;
}

/* Of a time with more changes than are remembered every frame is taken to have been present:
 * frames sent since may refer to it. */
static bool is_present(const struct layer_filter *f, const struct frame_layers *fl)
{
    unsigned target = target_at(f, fl->frame_number);
    return target == LAYER_NONE ? f->forgot_changes : (fl->present >> target & 1) != 0;
}

static bool decide(struct layer_filter *f, const struct layer_structure *s,
                   const struct frame_layers *fl, uint32_t allowed)
{
    bool is_newest = fl->frame_number == f->newest;
    if (is_newest)
        choose(f, s, fl, allowed);
    if (!is_present(f, fl))
        return false;
    bool withheld = references_withheld(f, fl);
    if (is_newest && withheld)
        f->broken = true;
    return !withheld;
}

/* The target has not changed since the frame. */
static bool is_after_changes(const struct layer_filter *f, const struct frame_layers *fl)
{
    return f->change_count == 0 ||
           seq16_diff(fl->frame_number, f->changes[f->change_count - 1].from) >= 0;
}

/* Neither a switch point nor fewer layers lead to the spatial layer wanted. */
static bool wants_keyframe(const struct layer_filter *f, const struct layer_structure *s,
                           uint32_t allowed)
{
    if (f->target == LAYER_NONE || f->broken)
        return true;
    unsigned goal = highest(s, allowed);
    if (goal == LAYER_NONE || s->targets[goal].spatial == s->targets[f->target].spatial)
        return false;
    unsigned part = highest(s, allowed & s->parts[f->target]);
    return part == LAYER_NONE || s->targets[part].spatial != s->targets[goal].spatial;
}

static bool ends_picture(const struct layer_filter *f, const struct layer_structure *s,
                         const struct frame_layers *fl, uint32_t allowed)
{
    if (!fl->frame_end || f->target == LAYER_NONE)
        return false;
    unsigned top = is_key_picture(f, s, fl) ? highest(s, allowed) : target_at(f, fl->frame_number);
    return top < s->target_count && fl->spatial >= s->targets[top].spatial;
}

/* A keyframe's first packet comes after frames behind it, which were decided on already: of other
 * layers than the current ones they were withheld. */
static uint32_t allowed_late(const struct layer_filter *f, const struct layer_structure *s,
                             uint32_t allowed)
{
    for (unsigned i = 0; i < s->target_count && f->target != LAYER_NONE; i++)
        if (s->targets[i].spatial != s->targets[f->target].spatial ||
            s->targets[i].temporal > s->targets[f->target].temporal)
            allowed &= ~(1u << i);
    return allowed;
}

static void describe(struct layer_filter *f, const struct layer_structure *s)
{
    f->all = s->active;
    if (f->target == LAYER_NONE)
        return;
    f->parts = s->parts[f->target] & s->active;
    f->spatial = s->targets[f->target].spatial;
    f->temporal = s->targets[f->target].temporal;
}

static enum layer_verdict push_plain(struct layer_filter *f, const struct frame_layers *fl)
{
    f->needs_keyframe = false;
    if (!fl->numbered || !enter_window(f, fl))
        return LAYER_SEND;
    if (!test_bit(f->window->known, fl->frame_number)) {
        write_bit(f->window->known, fl->frame_number, true);
        write_bit(f->window->sent, fl->frame_number, true);
    }
    return test_bit(f->window->sent, fl->frame_number) ? LAYER_SEND : LAYER_DROP;
}

enum layer_verdict layer_filter_push(struct layer_filter *f, const struct layer_structure *s,
                                     const struct frame_layers *fl, bool *ret_marker_here)
{
    *ret_marker_here = false;
    if (!fl->has_layers)
        return push_plain(f, fl);
    if (f->target != LAYER_NONE && f->target >= s->target_count)
        f->target = LAYER_NONE; /* the layers became fewer; late frames go by what they were */
    if (!enter_window(f, fl))
        return LAYER_DROP;
    uint32_t wanted = allowed_targets(f, s), allowed = allowed_here(f, s, fl, wanted);
    if (!test_bit(f->window->known, fl->frame_number)) {
        bool sent = decide(f, s, fl, allowed);
        write_bit(f->window->known, fl->frame_number, true);
        write_bit(f->window->sent, fl->frame_number, sent);
    } else if (fl->keyframe_start && test_bit(f->window->sent, fl->frame_number) &&
               is_after_changes(f, fl)) { /* its other packets came before, without the structure */
        bool is_late = fl->frame_number != f->newest;
        choose(f, s, fl, is_late ? allowed_late(f, s, allowed) : allowed);
    }
    f->needs_keyframe = wants_keyframe(f, s, wanted);
    describe(f, s);
    bool sent = test_bit(f->window->sent, fl->frame_number);
    *ret_marker_here = sent && ends_picture(f, s, fl, allowed);
    return sent ? LAYER_SEND : LAYER_DROP;
}
