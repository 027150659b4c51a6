/* SPDX-License-Identifier: Apache-2.0 */
#include "core/forwarder.h"

#include "rtc/seq.h"

void forwarder_init(struct forwarder *f, struct forwarder_memory *memory, bool needs_keyframe,
                    uint16_t seq, uint32_t timestamp)
{
    check(seq < 0x8000);
    *f = (struct forwarder){ .needs_keyframe = needs_keyframe,
                             .memory = memory,
                             .out_highest = (int64_t)seq - 1,
                             .out_timestamp = timestamp };
}

void forwarder_want(struct forwarder *f, uint32_t input)
{
    if (input == 0)
        forwarder_stop(f);
    else
        f->wanted = input;
}

void forwarder_stop(struct forwarder *f)
{
    f->input = 0;
    f->wanted = 0;
}

static void start_range(struct forwarder *f, int64_t from, int64_t offset)
{
    f->memory->ranges[0] = (struct forwarder_range){ .from = from, .offset = offset };
    f->range_count = 1;
}

/* The numbers up to `swallowed` are through; those behind it move down by one. */
static void swallow(struct forwarder *f, int64_t swallowed)
{
    struct forwarder_range *last = &f->memory->ranges[f->range_count - 1];
    if (last->from == swallowed && last->gap > 0) {
        last->from++;
        last->offset--;
        last->gap++;
        return;
    }
    struct forwarder_range next = { .from = swallowed + 1, .offset = last->offset - 1, .gap = 1 };
    if (f->range_count == FORWARDER_RANGES) {
        memmove(f->memory->ranges, f->memory->ranges + 1,
                (FORWARDER_RANGES - 1) * sizeof f->memory->ranges[0]);
        f->range_count--;
    }
    f->memory->ranges[f->range_count++] = next;
}

/* NULL: before the switch, forgotten, or swallowed. */
static const struct forwarder_range *range_of(const struct forwarder *f, int64_t seq)
{
    for (size_t i = f->range_count; i-- > 0;) {
        const struct forwarder_range *r = &f->memory->ranges[i];
        if (seq >= r->from)
            return r;
        if (seq >= r->from - r->gap)
            return NULL;
    }
    return NULL;
}

/* a * rate / 1e6 for times of up to days, with either sign. */
static int64_t ticks_of(usec t, uint32_t rate)
{
    return t / USEC_PER_SEC * rate + t % USEC_PER_SEC * rate / USEC_PER_SEC;
}

/* Where the old input's media clock would be at the instant of the new input's packet: through the
 * sender reports of both if they tell the same wall clock, else through the time that has passed.
 */
static uint32_t continue_timestamp(const struct forwarder *f, const struct forwarder_packet *p)
{
    usec elapsed = MAX(p->arrival - f->out_at, 0);
    int64_t advance = ticks_of(elapsed, p->clock_rate);
    if (p->clock != NULL && p->clock->domain != 0 && p->clock->domain == f->clock.domain) {
        int64_t since_old_report = ticks_of(p->clock->ntp - f->clock.ntp, p->clock_rate) +
                                   seq32_diff(p->timestamp, p->clock->timestamp);
        uint32_t mapped = f->clock.timestamp + (uint32_t)since_old_report + f->timestamp_offset;
        int64_t mapped_advance = seq32_diff(mapped, f->out_timestamp);
        int64_t difference = mapped_advance - advance;
        if (difference < p->clock_rate && difference > -(int64_t)p->clock_rate)
            advance = mapped_advance;
    }
    return f->out_timestamp + (uint32_t)MAX(advance, 1);
}

static void switch_input(struct forwarder *f, const struct forwarder_packet *p)
{
    if (f->switch_count == 0)
        f->memory->vp8 = (struct vp8_munger){ 0 }; /* whatever the one before has left */
    start_range(f, p->seq, f->out_highest + 1 - p->seq);
    uint32_t timestamp = f->started ? continue_timestamp(f, p) : f->out_timestamp;
    f->timestamp_offset = timestamp - p->timestamp;
    f->input = p->input;
    f->in_highest = p->seq - 1;
    f->clock = (struct media_clock){ 0 };
    f->switch_count++;
    if (p->has_frame_number) {
        f->depdesc.frames = (uint16_t)(f->out_frame + 1 - p->frame_number);
        f->depdesc.templates = (uint8_t)(f->depdesc.templates + f->template_count);
        f->template_count = 0;
    }
    if (p->payload != NULL && p->payload->codec == CODEC_VP8)
        vp8_munger_switch(&f->memory->vp8, &p->payload->vp8);
    if (p->payload != NULL && p->payload->codec == CODEC_VP9)
        vp9_munger_switch(&f->vp9, &p->payload->vp9);
}

/* The same input numbers anew: one number stays free, so that the receiver knows of a loss. */
static void restart_input(struct forwarder *f, const struct forwarder_packet *p)
{
    start_range(f, p->seq, f->out_highest + 2 - p->seq);
    uint32_t timestamp = forwarder_timestamp(f, p->timestamp);
    int32_t advance = seq32_diff(timestamp, f->out_timestamp);
    if (advance < 0 ||
        ticks_of(MAX(p->arrival - f->out_at, 0), p->clock_rate) + (int64_t)p->clock_rate * 10 <
            advance) {
        f->clock = (struct media_clock){ 0 };
        f->timestamp_offset = continue_timestamp(f, p) - p->timestamp;
    }
    f->in_highest = p->seq - 1;
}

static bool can_take_over(const struct forwarder *f, const struct forwarder_packet *p)
{
    return !p->is_unwanted && (p->keyframe_start || !f->needs_keyframe);
}

/* The numbers of the codec, which go on over inputs as those of RTP do. */
static void munge(struct forwarder *f, const struct forwarder_packet *p,
                  struct forwarder_output *ret)
{
    ret->depdesc = f->depdesc;
    uint16_t frame = (uint16_t)(p->frame_number + f->depdesc.frames);
    f->template_count = MAX(f->template_count, p->template_count);
    if (p->has_frame_number && seq16_diff(frame, f->out_frame) > 0)
        f->out_frame = frame;
    ret->payload.codec = CODEC_NONE;
    if (p->payload == NULL || p->payload->codec == CODEC_NONE)
        return;
    ret->payload = *p->payload;
    if (p->payload->codec == CODEC_VP8)
        vp8_munger_apply(&f->memory->vp8, &ret->payload.vp8);
    else
        vp9_munger_apply(&f->vp9, &ret->payload.vp9);
}

/* The viewer has seen this number and this time from now on, with a payload or without. */
static void use_number(struct forwarder *f, const struct forwarder_packet *p,
                       const struct forwarder_range *r, struct forwarder_output *ret)
{
    ret->seq = p->seq + r->offset;
    ret->timestamp = forwarder_timestamp(f, p->timestamp);
    f->out_highest = MAX(f->out_highest, ret->seq);
    if (!f->started || seq32_newer(ret->timestamp, f->out_timestamp)) {
        f->out_timestamp = ret->timestamp;
        f->out_at = p->arrival;
    }
}

static void send_number(struct forwarder *f, const struct forwarder_packet *p,
                        const struct forwarder_range *r, struct forwarder_output *ret)
{
    use_number(f, p, r, ret);
    f->in_highest = MAX(f->in_highest, p->seq);
    if (p->clock != NULL && p->clock->domain != 0)
        f->clock = *p->clock;
    munge(f, p, ret);
    f->started = true;
}

bool forwarder_is_past(const struct forwarder *f, int64_t seq)
{
    return seq <= f->in_highest && range_of(f, seq) == NULL;
}

enum forwarder_verdict forwarder_push(struct forwarder *f, const struct forwarder_packet *p,
                                      struct forwarder_output *ret)
{
    check(p->input != 0 && p->clock_rate > 0);
    enum forwarder_verdict verdict = FORWARDER_SEND;
    if (p->input == f->wanted && p->input != f->input) {
        if (!can_take_over(f, p))
            return FORWARDER_WAITING;
        switch_input(f, p);
        verdict = FORWARDER_SWITCHED;
    } else if (p->input != f->input) {
        return FORWARDER_NOT_INPUT;
    } else if (p->seq - f->in_highest > FORWARDER_RESTART_GAP) {
        restart_input(f, p);
    }
    const struct forwarder_range *r = range_of(f, p->seq);
    if (r == NULL)
        return FORWARDER_STALE;
    if (p->is_unwanted && p->payload != NULL && p->payload->codec == CODEC_VP8)
        vp8_munger_skip_picture(&f->memory->vp8, &p->payload->vp8);
    if (p->is_unwanted && p->seq > f->in_highest) {
        swallow(f, p->seq);
        f->in_highest = p->seq;
        return FORWARDER_SWALLOWED;
    }
    if (p->is_unwanted) { /* it came late: those behind it were sent, and its place left free */
        use_number(f, p, r, ret);
        return FORWARDER_FILL;
    }
    send_number(f, p, r, ret);
    return verdict;
}
