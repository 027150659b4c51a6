/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sink.h"

#include <stdlib.h>

enum { USUAL_FRAME_US = 40000 };

struct sink *sink_new(enum media_kind kind, uint32_t ssrc, uint32_t rtx_ssrc, const char *mid,
                      usec now)
{
    struct sink *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    bool video = kind == MEDIA_VIDEO;
    s->ssrc = ssrc;
    s->rtx_ssrc = rtx_ssrc;
    s->kind = kind;
    memcpy(s->mid, mid, MIN(strlen(mid), sizeof s->mid - 1));
    s->publisher = s->toned = s->mistoned = -1;
    s->mapped_at = s->jitter_at = s->layer_at = now;
    s->first_packet_at = s->first_keyframe_at = s->wanted_at = USEC_NEVER;
    s->last_frame_at = s->gap_from = s->pli_at = USEC_NEVER;
    receive_stats_init(&s->stats, video ? 90000 : 48000);
    if (!video)
        return s;
    s->nack = malloc(sizeof *s->nack);
    s->frames = malloc(sizeof *s->frames);
    if (s->frames != NULL)
        frame_tracker_init(s->frames);
    if (s->nack == NULL || s->frames == NULL) {
        sink_free(s);
        return NULL;
    }
    nack_init(s->nack);
    return s;
}

void sink_free(struct sink *s)
{
    if (s == NULL)
        return;
    free(s->nack);
    if (s->frames != NULL)
        frame_tracker_done(s->frames);
    free(s->frames);
    free(s->reader);
    ear_free(s->ear);
    free(s);
}

void sink_map(struct sink *s, int publisher, bool steady, usec now)
{
    bool mapped = publisher != -2;
    if (mapped == s->mapped && (!mapped || publisher == s->publisher)) {
        s->steady = steady;
        return;
    }
    s->mapped = mapped;
    s->publisher = publisher;
    s->steady = steady;
    s->mapped_at = now;
    /* what was shown before says nothing about what comes */
    s->last_frame_at = s->gap_from = USEC_NEVER;
    s->frame_interval = 0;
    s->interrupted = false;
    s->has_sender = false;
    if (s->ear != NULL)
        ear_reset(s->ear);
}

static struct measure_media *media_of(const struct sink *s, struct measure *m)
{
    return s->kind == MEDIA_VIDEO ? &m->video : &m->audio;
}

/* How long nothing may come before it is a freeze (webrtc-stats, freezeCount) or a gap. */
static usec patience(const struct sink *s)
{
    if (s->kind == MEDIA_AUDIO)
        return SINK_AUDIO_GAP_US;
    usec interval = s->frame_interval > 0 ? s->frame_interval : USUAL_FRAME_US;
    return MAX(3 * interval, interval + 150000);
}

static bool is_measured(const struct sink *s)
{
    return s->mapped && s->gap_from != USEC_NEVER && (s->kind == MEDIA_VIDEO || s->steady);
}

static void count_gap(usec length, struct measure_media *mm)
{
    mm->gap_count++;
    mm->gap_us += (uint64_t)length;
    histogram_record(&mm->gaps, length / 1000);
}

/* Something that can be shown or heard is here. */
static bool on_progress(struct sink *s, unsigned frames, usec now, struct measure *m,
                        struct interruption *ret)
{
    struct measure_media *mm = media_of(s, m);
    bool ended = false;
    if (s->wanted_at != USEC_NEVER) {
        histogram_record(&m->switch_ms, (now - s->wanted_at) / 1000);
        s->wanted_at = USEC_NEVER;
    }
    if (is_measured(s)) {
        usec since = now - s->gap_from;
        mm->watched_us += (uint64_t)MAX(since, 0);
        if (since > patience(s))
            count_gap(since, mm);
        if (s->interrupted || since > SINK_GAP_NOTED_US) {
            *ret = (struct interruption){
                .from = s->gap_from, .to = now, .publisher = s->publisher, .kind = s->kind
            };
            ended = true;
        }
    }
    if (s->last_frame_at != USEC_NEVER && frames > 0) {
        usec interval = (now - s->last_frame_at) / frames;
        if (s->frame_interval == 0)
            s->frame_interval = MIN(interval, patience(s));
        else if (interval <= patience(s)) /* a freeze is not how often frames come */
            s->frame_interval += (interval - s->frame_interval) / 16;
    }
    s->interrupted = false;
    s->last_frame_at = s->gap_from = now;
    return ended;
}

static void count_loss(struct sink *s, uint16_t number, struct measure_media *mm)
{
    int64_t before = s->unwrapper.highest;
    int64_t seq = seq_peek16(&s->unwrapper, number);
    if (!s->started || llabs(seq - before) > NACK_RESTART_GAP) {
        s->unwrapper = (struct seq_unwrapper){ 0 };
        (void)seq_unwrap16(&s->unwrapper, number);
        mm->expected++;
        return;
    }
    if (seq > before) {
        mm->expected += (uint64_t)(seq - before);
        mm->lost_before += (uint64_t)(seq - before - 1);
        (void)seq_learn(&s->unwrapper, seq);
    } else {
        mm->reordered++;
        if (mm->lost_before > 0)
            mm->lost_before--;
    }
}

static void check_sender(struct sink *s, const struct sink_packet *p, usec now, struct measure *m)
{
    s->has_sender = true;
    s->last_sender = p->stamp.sender;
    if (!s->is_svc)
        s->last_layer = p->stamp.layer;
    /* packets of the former publisher are still on their way when signaling speaks */
    bool settled = now - s->mapped_at > SECONDS(1);
    if (s->mapped && s->publisher >= 0 && settled &&
        p->stamp.sender != (s->publisher & ((1 << STAMP_SENDER_BITS) - 1))) {
        if (s->kind == MEDIA_VIDEO)
            m->wrong_video++;
        else
            m->wrong_audio++;
    }
}

static void on_original(struct sink *s, const struct sink_packet *p, usec now, struct measure *m)
{
    struct measure_media *mm = media_of(s, m);
    mm->received_packets++;
    mm->received_bytes += p->payload.len;
    m->codec_packets[p->codec]++;
    count_loss(s, p->rtp->seq, mm);
    receive_stats_on_packet(&s->stats, p->rtp->seq, p->rtp->timestamp, p->payload.len, now);
    if (p->has_stamp) {
        histogram_record(&mm->latency, p->wall - p->stamp.sent_at);
        check_sender(s, p, now, m);
    }
    if (s->first_packet_at == USEC_NEVER)
        s->first_packet_at = now;
    s->last_packet_at = now;
    s->started = true;
}

/* What the packet tells of its frame, if it tells what that refers to. */
static bool read_layers(struct sink *s, const struct sink_packet *p, struct layer_frame *ret)
{
    bool described = (p->ext->present & RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR)) != 0;
    if (!described && p->codec != CODEC_VP9)
        return false;
    if (s->reader == NULL && (s->reader = calloc(1, sizeof *s->reader)) == NULL)
        return false;
    struct frame_layers fl;
    struct payload_descriptor d;
    struct bytes depdesc = described ? p->ext->dependency_descriptor : bytes_of(NULL, 0);
    if (layer_reader_read(s->reader, p->codec, p->payload, depdesc, &fl, &d) != OK ||
        !fl.numbered || (!described && !d.vp9.flexible))
        return false;
    *ret = layer_frame_of(&fl);
    return true;
}

static unsigned take_picture(struct sink *s, const struct sink_packet *p, int64_t seq, usec now)
{
    struct layer_frame f;
    bool has_layers = read_layers(s, p, &f);
    if (has_layers)
        frame_tracker_on_layers(s->frames, seq, &f);
    unsigned frames =
        frame_tracker_on_packet(s->frames, seq, p->keyframe_start, p->rtp->marker, now);
    uint8_t shown = frame_tracker_shown(s->frames);
    s->is_svc = has_layers && s->reader->structure.spatial_count > 1;
    if (s->is_svc && frames > 0 && shown != LAYER_DECODER_NONE)
        s->last_layer = shown;
    return frames;
}

bool sink_on_packet(struct sink *s, const struct sink_packet *p, usec now, struct measure *m,
                    struct interruption *ret)
{
    if (!p->is_rtx)
        on_original(s, p, now, m);
    if (s->kind == MEDIA_AUDIO)
        return !p->is_rtx && on_progress(s, 1, now, m, ret);
    bool is_news = nack_is_missing(s->nack, p->rtp->seq);
    int64_t seq = nack_on_packet(s->nack, p->rtp->seq, p->keyframe_start, now);
    if (p->is_rtx) {
        m->video.rtx_received++;
        m->video.recovered += is_news;
    }
    if (p->keyframe_start) {
        m->keyframes_received++;
        m->codec_keyframes[p->codec]++;
        if (s->first_keyframe_at == USEC_NEVER)
            s->first_keyframe_at = now;
    }
    unsigned frames = take_picture(s, p, seq, now);
    m->video.received_frames += frames;
    return frames > 0 && on_progress(s, frames, now, m, ret);
}

void sink_on_padding(struct sink *s, const struct rtp_packet *p, usec now, struct measure *m)
{
    if (s->kind != MEDIA_VIDEO || !s->started)
        return;
    count_loss(s, p->seq, media_of(s, m));
    receive_stats_on_packet(&s->stats, p->seq, p->timestamp, 0, now);
    int64_t seq = nack_on_packet(s->nack, p->seq, false, now);
    m->video.received_frames += frame_tracker_on_packet(s->frames, seq, false, false, now);
}

static void sample(struct sink *s, usec now, struct measure *m)
{
    if (!s->started || now - s->jitter_at < SECONDS(1))
        return;
    if (now - s->last_packet_at < SECONDS(1)) {
        int64_t ticks = s->stats.jitter_q4 >> 4;
        histogram_record(&media_of(s, m)->jitter,
                         ticks * USEC_PER_SEC / (s->kind == MEDIA_VIDEO ? 90000 : 48000));
    }
    s->jitter_at = now;
}

bool sink_tick(struct sink *s, usec now, struct measure *m, struct interruption *ret)
{
    sample(s, now, m);
    if (s->kind == MEDIA_VIDEO) {
        unsigned frames = frame_tracker_tick(s->frames, now);
        m->video.received_frames += frames;
        if (frames > 0)
            return on_progress(s, frames, now, m, ret);
        if (nack_take_keyframe_wanted(s->nack))
            s->keyframe_wanted = true;
        bool nothing = s->mapped && s->publisher >= 0 && s->gap_from == USEC_NEVER;
        if (nothing && now - s->mapped_at > SINK_NOTHING_US)
            s->gap_from = s->mapped_at;
    }
    if (!s->interrupted && is_measured(s) && now - s->gap_from > MAX(patience(s), MILLIS(500))) {
        s->interrupted = true;
        *ret = (struct interruption){
            .from = s->gap_from, .to = USEC_NEVER, .publisher = s->publisher, .kind = s->kind
        };
        return true;
    }
    return false;
}

static bool needs_keyframe(const struct sink *s, usec now)
{
    if (s->kind != MEDIA_VIDEO || !s->started || !s->frames->broken)
        return false;
    if (now - s->last_packet_at > SECONDS(2)) /* nobody is sending */
        return false;
    usec since = s->pli_at == USEC_NEVER ? s->mapped_at + SINK_PLI_PATIENCE_US
                                         : s->pli_at + SINK_PLI_INTERVAL_US;
    return now >= since;
}

void sink_write_feedback(struct sink *s, uint32_t sender_ssrc, usec now, struct writer *w,
                         struct measure *m)
{
    if (s->kind != MEDIA_VIDEO || !s->started)
        return;
    uint16_t seqs[NACK_BATCH_MAX];
    size_t count = nack_take(s->nack, now, seqs);
    if (count > 0) {
        rtcp_write_nack(w, sender_ssrc, s->ssrc, seqs, count);
        m->nack_sent++;
    }
    bool may = s->pli_at == USEC_NEVER || now - s->pli_at >= SINK_PLI_PATIENCE_US;
    if (needs_keyframe(s, now) || (s->keyframe_wanted && may)) {
        rtcp_write_pli(w, sender_ssrc, s->ssrc);
        m->pli_sent++;
        s->pli_at = now;
        s->keyframe_wanted = false;
    }
}

bool sink_waits_since(const struct sink *s, usec *ret_from)
{
    if (!is_measured(s) || s->publisher < 0)
        return false;
    *ret_from = s->gap_from;
    return true;
}

void sink_expect_since(struct sink *s, usec from)
{
    s->gap_from = from;
    s->interrupted = true;
}

void sink_count_lost(enum media_kind kind, usec length, struct measure *m)
{
    struct measure_media *mm = kind == MEDIA_VIDEO ? &m->video : &m->audio;
    mm->watched_us += (uint64_t)MAX(length, 0);
    count_gap(length, mm);
}

void sink_set_steady(struct sink *s, bool steady, usec now, struct measure *m)
{
    if (s->steady == steady)
        return;
    sink_end(s, now, m);
    s->steady = steady;
    s->interrupted = false;
    if (steady)
        s->gap_from = now;
}

void sink_end(struct sink *s, usec now, struct measure *m)
{
    if (!is_measured(s))
        return;
    usec since = now - s->gap_from;
    struct measure_media *mm = media_of(s, m);
    mm->watched_us += (uint64_t)MAX(since, 0);
    if (since > patience(s))
        count_gap(since, mm);
    s->gap_from = now;
}
