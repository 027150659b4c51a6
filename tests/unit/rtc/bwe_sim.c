/* bwe_sim.c - a small network for the bandwidth estimator.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "bwe_sim.h"

#include <string.h>

static void line_push(struct sim_line *l, struct sim_packet p)
{
    check(l->count < SIM_LINE);
    l->packets[(l->head + l->count++) % SIM_LINE] = p;
}

static struct sim_packet *line_first(struct sim_line *l)
{
    return l->count > 0 ? &l->packets[l->head] : NULL;
}

static void line_pop(struct sim_line *l)
{
    l->head = (l->head + 1) % SIM_LINE;
    l->count--;
}

static struct sim_call *trace_add(struct sim *s, size_t flow)
{
    if (s->trace == NULL || flow != 0)
        return NULL;
    check(s->trace->count < s->trace->max);
    struct sim_call *c = &s->trace->calls[s->trace->count++];
    *c = (struct sim_call){ .now = s->now };
    return c;
}

static void send_packet(struct sim *s, size_t flow, size_t size, uint8_t cluster, bool marker)
{
    struct sim_flow *f = &s->flows[flow];
    uint16_t seq = f->seq++;
    bwe_on_sent(&f->bwe, seq, size, cluster, s->now);
    struct sim_call *c = trace_add(s, flow);
    if (c != NULL) {
        c->kind = CALL_SENT;
        c->seq = seq;
        c->size = (uint16_t)size;
        c->cluster = cluster;
    }
    f->sent_bytes += size;
    if ((s->queue_bytes + size) * 8 * USEC_PER_SEC / s->rate_bps > (uint64_t)s->queue_us) {
        s->dropped++;
        return;
    }
    s->queue_bytes += size;
    line_push(&s->queue, (struct sim_packet){ .at = s->now,
                                              .seq = seq,
                                              .size = (uint16_t)size,
                                              .flow = (uint8_t)flow,
                                              .marker = marker });
}

static void send_burst(struct sim *s, size_t flow, size_t bytes, uint8_t cluster)
{
    while (bytes > 0) {
        size_t size = MIN(bytes, (size_t)SIM_PACKET);
        bytes -= size;
        send_packet(s, flow, MAX(size, (size_t)60), cluster, bytes == 0);
    }
}

static uint64_t video_rate(const struct sim_flow *f)
{
    uint64_t audio = (uint64_t)SIM_AUDIO_SIZE * 8 * USEC_PER_SEC / SIM_AUDIO_US;
    uint64_t estimate = bwe_estimate_bps(&f->bwe);
    uint64_t room = estimate > audio ? estimate - audio : 0;
    if (f->layers == NULL)
        return MIN(room * 97 / 100, f->demand_bps);
    uint64_t rate = 0;
    for (size_t i = 0; f->layers[i] != 0; i++)
        rate = f->layers[i] <= room ? f->layers[i] : rate;
    return rate;
}

static void send_media(struct sim *s, size_t flow)
{
    struct sim_flow *f = &s->flows[flow];
    if (s->now >= f->audio_at) {
        f->audio_at += SIM_AUDIO_US;
        if (!f->silent)
            send_packet(s, flow, SIM_AUDIO_SIZE, 0, true);
    }
    uint64_t rate = video_rate(f);
    for (size_t i = 0; i < f->slot_count; i++) {
        if (s->now < f->frame_at[i])
            continue;
        f->frame_at[i] += SIM_FRAME_US;
        uint64_t bytes = rate / f->slot_count / 8 * SIM_FRAME_US / USEC_PER_SEC;
        if (f->keyframe_every > 0 && f->frame_number[i]++ % f->keyframe_every == 0)
            bytes *= f->keyframe_factor;
        if (!f->silent)
            send_burst(s, flow, (size_t)bytes, 0);
    }
}

static void send_probe(struct sim *s, size_t flow)
{
    struct sim_flow *f = &s->flows[flow];
    if (s->now < bwe_next_deadline(&f->bwe))
        return;
    uint8_t cluster;
    size_t bytes = bwe_take_probe(&f->bwe, s->now, &cluster);
    check(bytes <= BWE_PROBE_STEP_BYTES_MAX && (cluster != 0) == (bytes > 0));
    struct sim_call *c = trace_add(s, flow);
    if (c != NULL) {
        c->kind = CALL_PROBE;
        c->estimate = bwe_estimate_bps(&f->bwe);
    }
    if (!f->no_padding)
        send_burst(s, flow, bytes, cluster);
}

/* The bottleneck sends for one step. */
static void serve(struct sim *s)
{
    s->credit += (int64_t)s->rate_bps * SIM_STEP_US;
    struct sim_packet *p;
    while ((p = line_first(&s->queue)) != NULL &&
           s->credit >= (int64_t)p->size * 8 * USEC_PER_SEC) {
        s->credit -= (int64_t)p->size * 8 * USEC_PER_SEC;
        s->queue_bytes -= p->size;
        struct sim_packet sent = *p;
        line_pop(&s->queue);
        usec waited = s->now - sent.at;
        s->queue_delay_sum += waited;
        s->queue_delay_count++;
        s->queue_delay_max = MAX(s->queue_delay_max, waited);
        if (prng_below(&s->prng, 1000) < s->loss_permille)
            continue;
        usec jitter = s->jitter_us > 0 ? prng_below(&s->prng, (uint32_t)s->jitter_us) : 0;
        sent.at = s->now + s->propagation_us + jitter;
        line_push(&s->flows[sent.flow].line, sent);
    }
    if (s->queue.count == 0)
        s->credit = 0;
}

static void receive(struct sim *s, struct sim_flow *f)
{
    usec there = s->now + s->receiver_ahead_us;
    struct sim_packet *p;
    while ((p = line_first(&f->line)) != NULL && p->at <= s->now) {
        twcc_recorder_on_packet(&f->recorder, p->seq, p->marker && !s->no_marker, there);
        f->received_bytes += p->size;
        line_pop(&f->line);
    }
    if (twcc_recorder_next_deadline(&f->recorder) > there)
        return;
    struct sim_feedback *to = &f->feedback[(f->feedback_head + f->feedback_count) % SIM_FEEDBACKS];
    struct writer w = writer_of(to->bytes, sizeof(to->bytes));
    if (!twcc_recorder_write(&f->recorder, 1, 2, there, &w))
        return;
    to->at = s->now + s->propagation_us;
    to->len = writer_len(&w);
    if (prng_below(&s->prng, 1000) >= s->feedback_loss_permille)
        f->feedback_count++;
    check(f->feedback_count < SIM_FEEDBACKS);
}

static void read_feedback(struct sim *s, size_t flow)
{
    struct sim_flow *f = &s->flows[flow];
    struct sim_feedback *from = &f->feedback[f->feedback_head];
    if (f->feedback_count == 0 || from->at > s->now)
        return;
    f->feedback_head = (f->feedback_head + 1) % SIM_FEEDBACKS;
    f->feedback_count--;
    struct rtcp_iter it = rtcp_iter_of(bytes_of(from->bytes, from->len));
    struct rtcp_message m;
    struct twcc_feedback feedback;
    check(rtcp_next(&it, &m) == OK && m.kind == RTCP_TWCC);
    check(twcc_feedback_parse(m.fci, &feedback) == OK);
    bwe_on_feedback(&f->bwe, &feedback, s->now);
    struct sim_call *c = trace_add(s, flow);
    if (c == NULL)
        return;
    c->kind = CALL_FEEDBACK;
    c->estimate = bwe_estimate_bps(&f->bwe);
    c->bytes_at = s->trace->bytes_len;
    c->bytes_len = m.fci.len;
    check(s->trace->bytes_len + m.fci.len <= s->trace->bytes_max);
    memcpy(s->trace->bytes + c->bytes_at, m.fci.data, m.fci.len);
    s->trace->bytes_len += m.fci.len;
}

static void step(struct sim *s)
{
    for (size_t i = 0; i < SIM_FLOWS; i++) {
        if (!s->flows[i].on)
            continue;
        read_feedback(s, i);
        send_media(s, i);
        send_probe(s, i);
        receive(s, &s->flows[i]);
    }
    serve(s);
    s->now += SIM_STEP_US;
}

void sim_init(struct sim *s, uint64_t seed, uint64_t rate_bps, usec queue_us, usec rtt_us)
{
    memset(s, 0, sizeof(*s));
    s->prng.state = seed;
    s->rate_bps = rate_bps;
    s->queue_us = queue_us;
    s->propagation_us = rtt_us / 2;
    s->now = SECONDS(5);
    s->receiver_ahead_us = SECONDS(1000);
}

void sim_start(struct sim *s, size_t flow, uint64_t demand_bps, size_t slot_count)
{
    struct sim_flow *f = &s->flows[flow];
    f->on = true;
    f->demand_bps = demand_bps;
    f->slot_count = slot_count;
    f->seq = (uint16_t)(65000 - 7 * flow);
    bwe_init(&f->bwe, &f->sent, s->now);
    twcc_recorder_init(&f->recorder, f->arrival);
    f->audio_at = s->now;
    for (size_t i = 0; i < slot_count; i++)
        f->frame_at[i] = s->now + (usec)prng_below(&s->prng, SIM_FRAME_US);
}

static void tell_demand(struct sim *s, size_t flow)
{
    struct sim_flow *f = &s->flows[flow];
    uint64_t demand = f->demand_bps + 50000, allocated = video_rate(f);
    bwe_set_rtt(&f->bwe, 2 * s->propagation_us);
    bwe_set_demand(&f->bwe, demand, allocated, s->now);
    struct sim_call *c = trace_add(s, flow);
    if (c == NULL)
        return;
    c->kind = CALL_DEMAND;
    c->demand = demand;
    c->allocated = allocated;
    c->rtt_us = 2 * s->propagation_us;
}

void sim_run(struct sim *s, usec duration)
{
    for (usec end = s->now + duration; s->now < end;) {
        for (size_t i = 0; i < SIM_FLOWS && s->now % MILLIS(250) == 0; i++)
            if (s->flows[i].on)
                tell_demand(s, i);
        step(s);
    }
}

void sim_clear_figures(struct sim *s)
{
    s->queue_delay_sum = s->queue_delay_max = 0;
    s->queue_delay_count = s->dropped = 0;
    for (size_t i = 0; i < SIM_FLOWS; i++)
        s->flows[i].received_bytes = s->flows[i].sent_bytes = 0;
}

void sim_replay_call(struct bwe *b, const struct sim_trace *t, const struct sim_call *c)
{
    struct twcc_feedback f;
    uint8_t cluster;
    switch (c->kind) {
    case CALL_SENT:
        bwe_on_sent(b, c->seq, c->size, c->cluster, c->now);
        break;
    case CALL_FEEDBACK:
        check(twcc_feedback_parse(bytes_of(t->bytes + c->bytes_at, c->bytes_len), &f) == OK);
        bwe_on_feedback(b, &f, c->now);
        break;
    case CALL_PROBE:
        (void)bwe_take_probe(b, c->now, &cluster);
        break;
    case CALL_DEMAND:
        bwe_set_rtt(b, c->rtt_us);
        bwe_set_demand(b, c->demand, c->allocated, c->now);
        break;
    }
}
