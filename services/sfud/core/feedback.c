/* feedback.c - RTCP that participants send: reports about what we send them and what they send us,
 * and requests.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_state.h"
#include "rtc/rtcp.h"

static struct slot *find_slot(const struct worker *w, const struct transport *t, uint32_t ssrc)
{
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct media_params *m = transport_media(t, i);
        if (m->role == MEDIA_SLOT && m->ssrc == ssrc)
            return pool_at(&w->slots, t->media[i]);
    }
    return NULL;
}

static struct encoding *find_encoding(const struct worker *w, const struct transport *t,
                                      uint32_t ssrc, struct track **ret_track)
{
    for (size_t i = 0; i < t->ssrc_count; i++) {
        const struct transport_ssrc *s = &t->ssrcs[i];
        if (s->ssrc != ssrc || s->is_rtx)
            continue;
        *ret_track = pool_at(&w->tracks, t->media[s->media_index]);
        return *ret_track == NULL ? NULL : track_encoding(w, *ret_track, s->layer);
    }
    return NULL;
}

static void set_round_trip(struct worker *w, struct transport *t, usec rtt_us)
{
    t->rtt_us = rtt_us;
    bwe_set_rtt(&t->bandwidth.bwe, rtt_us);
    for (size_t i = 0; i < t->ssrc_count; i++) {
        struct track *track;
        struct encoding *e = find_encoding(w, t, t->ssrcs[i].ssrc, &track);
        if (e != NULL)
            nack_set_rtt(&e->nack, rtt_us);
    }
}

static void on_reports(struct worker *w, struct transport *t, struct bytes reports, usec now)
{
    struct rtcp_report report;
    int worst = -1;
    while (rtcp_report_next(&reports, &report)) {
        struct slot *slot = find_slot(w, t, report.ssrc);
        if (slot == NULL)
            continue;
        worst = MAX(worst, (int)report.fraction_lost);
        slot->fraction_lost = report.fraction_lost;
        slot->loss = MAX(report.fraction_lost, (uint8_t)(slot->loss - slot->loss / 4));
        slot->jitter = report.jitter;
        usec rtt_us = rtcp_round_trip(&report, ntp_of(worker_wall(w, now)));
        if (rtt_us >= 0)
            set_round_trip(w, t, rtt_us);
    }
    if (worst >= 0)
        bandwidth_on_report(w, t, (uint8_t)worst, now);
}

/* The smallest offset seen is the one least delayed; clocks that drift apart pull it along. One
 * offset for all streams of a participant keeps them in step with each other. */
static void learn_clock(struct transport *t, wall_usec ntp, wall_usec arrival)
{
    enum { DRIFT_SHIFT = 6 };
    wall_usec offset = arrival - ntp;
    wall_usec difference = offset - t->clock_offset;
    if (!t->has_clock_offset || difference < 0 || difference > SECONDS(1))
        t->clock_offset = offset;
    else
        t->clock_offset += difference >> DRIFT_SHIFT;
    t->has_clock_offset = true;
}

static void on_sender_report(struct worker *w, struct transport *t,
                             const struct rtcp_sender_info *info, usec now)
{
    struct track *track;
    struct encoding *e = find_encoding(w, t, info->ssrc, &track);
    if (e == NULL)
        return;
    receive_stats_on_sr(&e->stats, info->ntp, now);
    wall_usec ntp = ntp_to_wall(info->ntp);
    learn_clock(t, ntp, worker_wall(w, now));
    e->clock = (struct media_clock){ .domain = t->self, .ntp = ntp, .timestamp = info->timestamp };
}

static void on_nack(struct worker *w, struct transport *t, const struct rtcp_message *m)
{
    struct slot *slot = find_slot(w, t, m->media_ssrc);
    if (slot == NULL || slot->rtx_ssrc == 0)
        return;
    struct rtcp_nack_iter it = rtcp_nack_iter_of(m->fci);
    size_t count = 0;
    for (uint16_t seq; count < SLOT_LOG_COUNT && rtcp_nack_next(&it, &seq); count++) {
        stats_count(&w->stats, STAT_NACK_IN);
        worker_enqueue(w, t, slot->self, QUEUE_RESEND, seq, 0);
    }
}

static void on_keyframe_request(struct worker *w, struct transport *t, uint32_t ssrc, usec now)
{
    stats_count(&w->stats, STAT_PLI_IN);
    struct slot *slot = find_slot(w, t, ssrc);
    if (slot != NULL)
        slot_on_keyframe_request(w, slot, now);
}

static void on_fir(struct worker *w, struct transport *t, struct bytes fci, usec now)
{
    uint32_t ssrc;
    uint8_t command_seq;
    while (rtcp_fir_next(&fci, &ssrc, &command_seq))
        on_keyframe_request(w, t, ssrc, now);
}

static void on_bye(struct worker *w, struct transport *t, struct bytes ssrcs, usec now)
{
    for (uint32_t ssrc; rtcp_ssrc_next(&ssrcs, &ssrc);) {
        struct track *track;
        struct encoding *e = find_encoding(w, t, ssrc, &track);
        if (e != NULL)
            track_on_bye(w, track, e, now);
    }
}

static void on_message(struct worker *w, struct transport *t, const struct rtcp_message *m,
                       usec now)
{
    switch (m->kind) {
    case RTCP_SR:
        on_sender_report(w, t, &m->sender, now);
        on_reports(w, t, m->reports, now);
        break;
    case RTCP_RR:
        on_reports(w, t, m->reports, now);
        break;
    case RTCP_NACK:
        on_nack(w, t, m);
        break;
    case RTCP_PLI:
        on_keyframe_request(w, t, m->media_ssrc, now);
        break;
    case RTCP_FIR:
        on_fir(w, t, m->fci, now);
        break;
    case RTCP_BYE:
        on_bye(w, t, m->ssrcs, now);
        break;
    case RTCP_TWCC:
        stats_count(&w->stats, STAT_TWCC_IN);
        bandwidth_on_feedback(w, t, m->fci, now);
        break;
    case RTCP_REMB:
        stats_count(&w->stats, STAT_REMB_IN);
        bandwidth_on_remb(w, t, m->bitrate_bps, now);
        break;
    case RTCP_SDES:
        break;
    }
}

void feedback_receive(struct worker *w, struct transport *t, const struct datagram *d, usec now)
{
    size_t len;
    enum err err = opener_rtcp(t->opener, bytes_of(d->data, d->len), d->data, &len);
    if (err != OK) {
        stats_count(&w->stats, err == ERR_AUTH      ? STAT_DROP_AUTH
                               : err == ERR_EXPIRED ? STAT_DROP_REPLAY
                                                    : STAT_DROP_MALFORMED);
        return;
    }
    stats_count(&w->stats, STAT_RTCP_IN);
    worker_record(w, t->self, PACKET_IN, PACKET_RTCP, &d->from, bytes_of(d->data, len), d->len);
    transport_on_authentic(w, t, now);
    ice_lite_on_authentic(&t->ice, &d->from, now);
    struct rtcp_iter it = rtcp_iter_of(bytes_of(d->data, len));
    struct rtcp_message m;
    while ((err = rtcp_next(&it, &m)) == OK)
        on_message(w, t, &m, now);
    if (err != ERR_NOT_FOUND)
        stats_count(&w->stats, STAT_DROP_MALFORMED);
}
