/* report.c - RTCP that we send: receiver reports and requests to publishers, sender reports to
 * viewers.
 *
 * Each datagram is a compound that begins with a report and carries our CNAME (RFC 3550 §6.1); only
 * feedback is sent bare, where reduced size was negotiated (RFC 5506).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/worker_state.h"
#include "rtc/rtcp.h"

enum {
    COMPOUND_SIZE = 1400,
    NACK_PACKET_SIZE = 12 + NACK_BATCH_MAX * 4,
    FIR_PACKET_SIZE = 20,
    SENDER_REPORT_SIZE = 28,
    SDES_SIZE_MAX = 4 + 4 + 2 + SDP_ID_MAX + 4,
};
static_assert((int)TWCC_FEEDBACK_SIZE_MAX + 8 + (int)SDES_SIZE_MAX <= (int)COMPOUND_SIZE,
              "transport-cc feedback fits");

struct compound {
    struct worker *w;
    struct transport *t;
    struct writer writer;
    size_t head_len; /* what begin() wrote */
    uint8_t memory[COMPOUND_SIZE];
};

static void begin(struct compound *c, bool is_feedback)
{
    c->writer = writer_of(c->memory, sizeof c->memory);
    if (!is_feedback || !c->t->rtcp_rsize) {
        rtcp_write_rr(&c->writer, c->t->rtcp_ssrc, NULL, 0);
        rtcp_write_sdes(&c->writer, c->t->rtcp_ssrc, bytes_of_str(c->t->params.cname));
    }
    c->head_len = writer_len(&c->writer);
}

static void send_out(struct compound *c)
{
    check(!c->writer.failed);
    if (writer_len(&c->writer) > c->head_len)
        transport_send_rtcp(c->w, c->t, bytes_of(c->memory, writer_len(&c->writer)));
}

/* Room for one more packet of the feedback compound. */
static void make_room(struct compound *c, size_t size)
{
    if (writer_left(&c->writer) >= size)
        return;
    send_out(c);
    begin(c, true);
}

static usec ask_again(struct compound *c, struct encoding *e, usec now)
{
    uint16_t seqs[NACK_BATCH_MAX];
    size_t count = nack_take(&e->nack, now, seqs);
    if (count > 0) {
        make_room(c, NACK_PACKET_SIZE);
        rtcp_write_nack(&c->writer, c->t->rtcp_ssrc, e->ssrc, seqs, count);
        stats_add(&c->w->stats, STAT_NACK_OUT, count);
    }
    return nack_next_deadline(&e->nack);
}

/* Every slot that waits has asked; but the keyframe may have been lost on its way through us, or
 * the publisher may have been asked in vain as often as we ask. Nobody shall wait forever. */
static void look_for_waiters(struct worker *w, const struct track *track, struct encoding *e,
                             usec now)
{
    if (!e->is_active || now < e->waiters_at)
        return;
    e->waiters_at = now + KEYFRAME_WAITERS_INTERVAL;
    if (keyframe_request_deadline(&e->keyframe) == USEC_NEVER && track_is_waited_for(w, track, e))
        keyframe_request_want(&e->keyframe);
}

static usec ask_for_keyframe(struct compound *c, struct encoding *e, usec now)
{
    if (keyframe_request_take(&e->keyframe, now)) {
        make_room(c, FIR_PACKET_SIZE);
        if (e->has_pli || !e->has_fir)
            rtcp_write_pli(&c->writer, c->t->rtcp_ssrc, e->ssrc);
        else
            rtcp_write_fir(&c->writer, c->t->rtcp_ssrc, e->ssrc, e->fir_seq++);
        stats_count(&c->w->stats, STAT_PLI_OUT);
    }
    return keyframe_request_deadline(&e->keyframe);
}

static usec ask(struct compound *c, struct track *track, usec now)
{
    usec next = USEC_NEVER;
    for (unsigned i = 0; i < track->layer_count; i++) {
        struct encoding *e = track_encoding(c->w, track, i);
        if (e == NULL || !e->is_video || track->muted)
            continue;
        bool is_watched = !list_is_empty(&track->slots);
        if (e->has_nack)
            next = MIN(next, ask_again(c, e, now));
        if (nack_take_keyframe_wanted(&e->nack) && is_watched)
            keyframe_request_want(&e->keyframe);
        look_for_waiters(c->w, track, e, now);
        next = MIN(next, ask_for_keyframe(c, e, now));
    }
    return next;
}

static usec write_twcc(struct compound *c, usec now)
{
    struct transport *t = c->t;
    make_room(c, TWCC_FEEDBACK_SIZE_MAX);
    while (twcc_recorder_write(&t->twcc, t->rtcp_ssrc, t->twcc_media_ssrc, now, &c->writer)) {
        stats_count(&c->w->stats, STAT_TWCC_OUT);
        make_room(c, TWCC_FEEDBACK_SIZE_MAX);
    }
    return twcc_recorder_next_deadline(&t->twcc);
}

static size_t collect_reports(struct worker *w, struct transport *t, usec now,
                              struct rtcp_report reports[RTCP_REPORTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < t->ssrc_count && count < RTCP_REPORTS_MAX; i++) {
        const struct transport_ssrc *s = &t->ssrcs[i];
        struct track *track = pool_at(&w->tracks, t->media[s->media_index]);
        struct encoding *e = track == NULL || s->is_rtx ? NULL : track_encoding(w, track, s->layer);
        if (e != NULL && e->is_active &&
            receive_stats_report(&e->stats, e->ssrc, now, &reports[count]))
            count++;
    }
    return count;
}

static void send_receiver_report(struct compound *c, usec now)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    size_t count = collect_reports(c->w, c->t, now, reports);
    if (count == 0)
        return;
    c->writer = writer_of(c->memory, sizeof c->memory);
    c->head_len = 0;
    rtcp_write_rr(&c->writer, c->t->rtcp_ssrc, reports, count);
    rtcp_write_sdes(&c->writer, c->t->rtcp_ssrc, bytes_of_str(c->t->params.cname));
    send_out(c);
}

usec report_to_publisher(struct worker *w, struct transport *t, usec now)
{
    if (t->ssrc_count == 0)
        return twcc_recorder_next_deadline(&t->twcc) == USEC_NEVER ? USEC_NEVER : now + MILLIS(100);
    struct compound c = { .w = w, .t = t };
    if (t->receiver_report_at == USEC_NEVER)
        t->receiver_report_at = now + RTCP_FIRST_REPORT_TIME;
    if (now >= t->receiver_report_at) {
        send_receiver_report(&c, now);
        t->receiver_report_at = now + RTCP_REPORT_INTERVAL;
    }
    usec next = t->receiver_report_at;
    begin(&c, true);
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct track *track =
            transport_media(t, i)->role == MEDIA_PUBLISH ? pool_at(&w->tracks, t->media[i]) : NULL;
        if (track == NULL)
            continue;
        next = MIN(next, track_tick(w, track, now));
        next = MIN(next, ask(&c, track, now));
    }
    next = MIN(next, write_twcc(&c, now));
    send_out(&c);
    return next;
}

usec report_to_viewer(struct worker *w, struct transport *t, usec now)
{
    if (now < t->sender_report_at)
        return t->sender_report_at;
    struct compound c = { .w = w, .t = t };
    c.writer = writer_of(c.memory, sizeof c.memory);
    for (size_t i = 0; i < t->params.media_count; i++) {
        struct slot *slot =
            transport_media(t, i)->role == MEDIA_SLOT ? pool_at(&w->slots, t->media[i]) : NULL;
        struct rtcp_sender_info info;
        if (slot == NULL || slot->sent_at <= slot->reported_at || !slot_report(w, slot, now, &info))
            continue;
        if (writer_left(&c.writer) < SENDER_REPORT_SIZE + SDES_SIZE_MAX) {
            send_out(&c);
            c.writer = writer_of(c.memory, sizeof c.memory);
        }
        rtcp_write_sr(&c.writer, &info, NULL, 0);
        rtcp_write_sdes(&c.writer, slot->ssrc, bytes_of_str(t->params.cname));
    }
    send_out(&c);
    t->sender_report_at = now + RTCP_REPORT_INTERVAL;
    return t->sender_report_at;
}

static void write_bye(struct compound *c, const uint32_t *ssrcs, size_t count)
{
    c->writer = writer_of(c->memory, sizeof c->memory);
    c->head_len = 0;
    rtcp_write_rr(&c->writer, c->t->rtcp_ssrc, NULL, 0);
    rtcp_write_sdes(&c->writer, c->t->rtcp_ssrc, bytes_of_str(c->t->params.cname));
    rtcp_write_bye(&c->writer, ssrcs, count, bytes_of(NULL, 0));
    send_out(c);
}

void report_goodbye(struct worker *w, struct transport *t)
{
    struct compound c = { .w = w, .t = t };
    uint32_t ssrcs[RTCP_SOURCES_MAX];
    size_t count = 0;
    ssrcs[count++] = t->rtcp_ssrc;
    for (size_t i = 0; i < t->params.media_count; i++) {
        const struct slot *slot =
            transport_media(t, i)->role == MEDIA_SLOT ? pool_at(&w->slots, t->media[i]) : NULL;
        if (slot == NULL || slot->sent_at == 0)
            continue;
        if (count == RTCP_SOURCES_MAX) {
            write_bye(&c, ssrcs, count);
            count = 0;
        }
        ssrcs[count++] = slot->ssrc;
    }
    if (count > 0)
        write_bye(&c, ssrcs, count);
}
