/* leg_media.c - what a leg receives: media, feedback. SPDX-License-Identifier: Apache-2.0 */
#include "core/leg_echo.h"

#include "rtc/keyframe.h"
#include "rtc/packet_cache.h"

#include <stdlib.h>

enum { QUIET_LEVEL = 100, RTCP_SIZE = 1400, LISTEN_EVERY_US = 1000000 };

void leg_media_start(struct leg *l, usec now)
{
    l->report_at = now + (usec)(leg_random(l) % LEG_REPORT_INTERVAL_US);
    unsigned layers = 0;
    for (unsigned i = 0; i < l->source_count; i++) {
        l->twcc_ssrc = l->twcc_ssrc == 0 ? l->sources[i]->ssrc : l->twcc_ssrc;
        layers += source_layer_count(l->sources[i]);
    }
    layer_control_init(&l->layers, layers, now);
    l->spared_until = now;
}

static struct sink *sink_of(struct leg *l, const struct rtp_packet *p,
                            const struct rtp_ext_values *ext)
{
    for (unsigned i = 0; i < l->sink_count; i++) {
        if (l->sinks[i]->ssrc == p->ssrc || l->sinks[i]->rtx_ssrc == p->ssrc)
            return l->sinks[i];
    }
    if ((ext->present & RTP_EXT_BIT(RTP_EXT_MID)) == 0)
        return NULL;
    for (unsigned i = 0; i < l->sink_count; i++) { /* a server that signals no SSRC */
        struct sink *s = l->sinks[i];
        if (bytes_equal(ext->mid, bytes_of_str(s->mid))) {
            s->ssrc = p->ssrc;
            return s;
        }
    }
    return NULL;
}

static void listen(struct leg *l, struct sink *s, const struct sink_packet *p,
                   const struct rtp_ext_values *ext, usec now)
{
    bool quiet =
        (ext->present & RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL)) != 0 && ext->audio_level >= QUIET_LEVEL;
    int speaker = s->publisher >= 0 ? s->publisher : p->has_stamp ? p->stamp.sender : -1;
    bool someone_else = p->has_stamp && speaker != p->stamp.sender;
    if (quiet || p->is_rtx || speaker < 0 || someone_else) {
        if (s->ear != NULL)
            ear_reset(s->ear);
        return;
    }
    if (s->ear == NULL) {
        if (now < s->listen_at || l->config.group->listen_share <= 0)
            return;
        s->listen_at = now + LISTEN_EVERY_US;
        double dice = (double)(leg_random(l) >> 11) / (double)(UINT64_C(1) << 53);
        if (dice >= l->config.group->listen_share || (s->ear = ear_new()) == NULL)
            return;
    }
    unsigned tone = 0;
    enum ear_verdict verdict = ear_hear(s->ear, p->payload, &tone);
    if (verdict == EAR_LISTENING)
        return;
    ear_free(s->ear);
    s->ear = NULL;
    leg_on_verdict(l, s, speaker, verdict, tone);
}

void leg_on_verdict(struct leg *l, struct sink *s, int speaker, enum ear_verdict verdict,
                    unsigned tone)
{
    struct measure *m = l->config.measure;
    unsigned expected = (unsigned)speaker % TONE_COUNT;
    m->tones_checked++;
    if (verdict == EAR_TONE && tone == expected) {
        m->tones_right++;
        s->toned = speaker;
        return;
    }
    if (verdict == EAR_SILENCE)
        m->tones_silent++;
    else
        m->tones_wrong++;
    s->mistoned = speaker;
    s->mistoned_hz = verdict == EAR_TONE ? tone_hz(tone) : 0;
}

/* One of those who take turns has begun to talk: how long until it is heard here. */
static void note_onset(struct leg *l, struct sink *s, const struct sink_packet *p, usec now)
{
    const struct bot_world *w = l->config.world;
    unsigned speaker = p->has_stamp ? p->stamp.sender : UINT32_MAX;
    bool quiet = (p->ext->present & RTP_EXT_BIT(RTP_EXT_AUDIO_LEVEL)) == 0 ||
                 p->ext->audio_level >= QUIET_LEVEL;
    if (quiet || speaker >= scenario_bot_count(w->scenario))
        return;
    struct bot_place place = scenario_place(w->scenario, speaker);
    const struct group *g = &w->scenario->groups[place.group];
    usec since = now + w->wall_minus_now - w->started;
    if (g->talk != TALK_TURNS || since < g->turn_us || !scenario_talks(w->scenario, place, since))
        return;
    usec into = since % g->turn_us;
    uint64_t onset = (uint64_t)(since / g->turn_us) << 32 | speaker;
    bool known = false;
    for (unsigned i = 0; i < l->sink_count; i++)
        known = known || l->sinks[i]->onset == onset;
    s->onset = onset;
    if (!known && now - into > l->first_packet_at &&
        !scenario_talks(w->scenario, place, since - into - 1))
        histogram_record(&l->config.measure->onset_ms, into / 1000);
}

/* Undoes RFC 4588: `rtx` becomes the packet that it repeats. */
static bool unwrap_rtx(struct leg *l, const struct sink *s, struct rtp_packet *p,
                       enum codec *ret_codec)
{
    const struct format *f = sdp_remote_format(l->remote, p->payload_type);
    if (f == NULL || f->codec != CODEC_RTX)
        return false;
    uint16_t seq;
    struct bytes payload;
    if (rtx_parse_payload(p->payload, &seq, &payload) != OK || payload.len == 0)
        return false; /* padding that probes */
    const struct format *original = sdp_remote_format(l->remote, f->apt);
    if (original == NULL)
        return false;
    p->seq = seq;
    p->payload = payload;
    p->payload_type = original->payload_type;
    p->ssrc = s->ssrc;
    *ret_codec = (enum codec)original->codec;
    return true;
}

static bool is_keyframe_start(const struct rtp_ext_values *ext, enum codec codec,
                              struct bytes payload)
{
    struct frame_info info;
    bool described = (ext->present & RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR)) != 0;
    enum err err = described ? frame_inspect_depdesc(ext->dependency_descriptor, &info)
                             : frame_inspect(codec, payload, &info);
    return err == OK && info.keyframe_start;
}

static void take_stamp(struct leg *l, const struct rtp_ext_values *ext, struct sink_packet *p)
{
    uint64_t word = 0;
    if (l->config.world->driver->stamp == STAMP_IN_PAYLOAD) {
        p->has_stamp = stamp_take_trailer(&p->payload, &word);
    } else if (ext->present & RTP_EXT_BIT(RTP_EXT_ABS_CAPTURE_TIME)) {
        /* others than bots send it, too: only a bot's says who it is */
        word = ext->abs_capture_time;
        p->has_stamp = true;
    }
    if (p->has_stamp)
        p->stamp = stamp_unpack(word);
}

static void note_first(struct leg *l, const struct sink *s)
{
    l->first_packet_at = MIN(l->first_packet_at, s->first_packet_at);
    l->first_keyframe_at = MIN(l->first_keyframe_at, s->first_keyframe_at);
}

static void deliver(struct leg *l, struct sink *s, struct rtp_packet *p,
                    const struct rtp_ext_values *ext, usec now, leg_note *note, void *data)
{
    const struct format *f = sdp_remote_format(l->remote, p->payload_type);
    struct sink_packet sp = { .rtp = p,
                              .ext = ext,
                              .codec = f == NULL ? CODEC_NONE : (enum codec)f->codec,
                              .wall = now + l->config.world->wall_minus_now };
    if (sp.codec == CODEC_RTX || (s->rtx_ssrc != 0 && p->ssrc == s->rtx_ssrc)) {
        sp.is_rtx = true;
        if (!unwrap_rtx(l, s, p, &sp.codec))
            return;
    }
    sp.payload = p->payload;
    take_stamp(l, ext, &sp);
    if (sp.has_stamp && s->publisher == -1 && l->config.world->driver->stamp == STAMP_IN_EXTENSION)
        sp.has_stamp = !s->mapped; /* a browser's capture time: no tag in it */
    if (s->kind == MEDIA_VIDEO)
        sp.keyframe_start = is_keyframe_start(ext, sp.codec, sp.payload);
    else {
        listen(l, s, &sp, ext, now);
        note_onset(l, s, &sp, now);
    }
    const struct bot_tap *tap = l->config.world->tap;
    if (tap != NULL)
        tap->received(tap->data, l->config.bot_index, s, &sp, now);
    if (l->config.media != NULL && l->config.media(l->config.media_data, s, &sp, now))
        s->keyframe_wanted = true;
    struct interruption i;
    if (sink_on_packet(s, &sp, now, l->config.measure, &i))
        note(data, &i);
    note_first(l, s);
}

void leg_media_on_rtp(struct leg *l, uint8_t *packet, size_t len, usec now, leg_note *note,
                      void *data)
{
    struct measure *m = l->config.measure;
    enum err err = srtp_session_open_rtp(l->srtp, packet, &len);
    if (err == ERR_AUTH)
        m->srtp_authentication++;
    else if (err == ERR_EXPIRED)
        m->srtp_replay++;
    struct rtp_packet p;
    if (err != OK || rtp_parse(bytes_of(packet, len), &p) != OK) {
        m->malformed += err == OK || err == ERR_MALFORMED;
        return;
    }
    struct rtp_ext_values ext;
    rtp_ext_read(&l->remote->ext, &p, &ext);
    if (ext.present & RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC)) {
        if (l->twcc == NULL &&
            (l->twcc = malloc(sizeof *l->twcc + TWCC_WINDOW * sizeof(uint32_t))) != NULL)
            twcc_recorder_init(l->twcc, (uint32_t *)(l->twcc + 1));
        if (l->twcc != NULL)
            twcc_recorder_on_packet(l->twcc, ext.transport_seq, p.marker, now);
    }
    struct sink *s = sink_of(l, &p, &ext);
    if (s == NULL)
        return;
    l->twcc_ssrc = s->ssrc;
    if (l->feedback_at == USEC_NEVER)
        l->feedback_at = now + LEG_FEEDBACK_INTERVAL_US;
    if (p.payload.len > 0)
        deliver(l, s, &p, &ext, now, note, data);
    else if (p.ssrc == s->ssrc)
        sink_on_padding(s, &p, now, l->config.measure);
}

/* --- RTCP in --- */

static struct source *source_of(struct leg *l, uint32_t ssrc)
{
    for (unsigned i = 0; i < l->source_count; i++) {
        if (l->sources[i]->ssrc == ssrc)
            return l->sources[i];
    }
    return NULL;
}

void leg_on_round_trip(struct leg *l, usec rtt_us)
{
    l->rtt_us = rtt_us;
    for (unsigned i = 0; i < l->sink_count; i++) {
        if (l->sinks[i]->nack != NULL)
            nack_set_rtt(l->sinks[i]->nack, rtt_us);
    }
}

static void on_reports(struct leg *l, struct bytes reports, usec now)
{
    struct rtcp_report report;
    while (rtcp_report_next(&reports, &report)) {
        usec rtt_us = source_of(l, report.ssrc) == NULL
                          ? -1
                          : rtcp_round_trip(&report, ntp_of(now + l->config.world->wall_minus_now));
        if (rtt_us >= 0)
            leg_on_round_trip(l, rtt_us);
    }
}

static void on_nack(struct leg *l, const struct rtcp_message *m, usec now, struct outbound *out)
{
    struct source *s = source_of(l, m->media_ssrc);
    l->config.measure->nack_received++;
    struct rtcp_nack_iter it = rtcp_nack_iter_of(m->fci);
    for (uint16_t seq; rtcp_nack_next(&it, &seq);) {
        if (s != NULL)
            leg_send_rtx(l, s, seq, now, out);
        else
            leg_echo_on_nack(l, m->media_ssrc, seq, now, out);
    }
}

static void on_fir(struct leg *l, const struct rtcp_message *m, usec now)
{
    l->config.measure->fir_received++;
    struct bytes fci = m->fci;
    uint32_t ssrc;
    uint8_t command_seq;
    while (rtcp_fir_next(&fci, &ssrc, &command_seq)) {
        struct source *s = source_of(l, ssrc);
        if (s != NULL)
            source_ask_keyframe(s, now);
        leg_echo_on_pli(l, ssrc);
    }
}

static void on_message(struct leg *l, const struct rtcp_message *m, usec now, struct outbound *out)
{
    struct source *s;
    switch (m->kind) {
    case RTCP_NACK:
        on_nack(l, m, now, out);
        break;
    case RTCP_PLI:
        l->config.measure->pli_received++;
        if ((s = source_of(l, m->media_ssrc)) != NULL)
            source_ask_keyframe(s, now);
        leg_echo_on_pli(l, m->media_ssrc);
        break;
    case RTCP_FIR:
        on_fir(l, m, now);
        break;
    case RTCP_TWCC:
        l->config.measure->transport_cc_received++;
        if (layer_control_on_feedback(&l->layers, m->fci, now))
            leg_set_sending(l, l->sends, now);
        break;
    case RTCP_REMB:
        l->config.measure->remb_received++;
        break;
    case RTCP_SR:
        for (unsigned i = 0; i < l->sink_count; i++) {
            if (l->sinks[i]->ssrc == m->sender_ssrc)
                receive_stats_on_sr(&l->sinks[i]->stats, m->sender.ntp, now);
        }
        on_reports(l, m->reports, now);
        break;
    case RTCP_RR:
        on_reports(l, m->reports, now);
        break;
    case RTCP_SDES:
    case RTCP_BYE:
        break;
    }
}

void leg_media_on_rtcp(struct leg *l, uint8_t *packet, size_t len, usec now, struct outbound *out)
{
    enum err err = srtp_session_open_rtcp(l->srtp, packet, &len);
    if (err != OK) {
        l->config.measure->srtp_authentication += err == ERR_AUTH;
        l->config.measure->srtp_replay += err == ERR_EXPIRED;
        return;
    }
    struct rtcp_iter it = rtcp_iter_of(bytes_of(packet, len));
    struct rtcp_message m;
    while ((err = rtcp_next(&it, &m)) == OK)
        on_message(l, &m, now, out);
    if (err != ERR_NOT_FOUND)
        l->config.measure->malformed++;
}

/* --- RTCP out --- */

static void send_reports(struct leg *l, usec now, struct outbound *out)
{
    uint8_t buffer[RTCP_SIZE];
    struct writer w = writer_of(buffer, sizeof buffer - SRTP_SESSION_OVERHEAD_MAX);
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < l->sink_count && count < RTCP_REPORTS_MAX; i++) {
        struct sink *s = l->sinks[i];
        if (s->started && receive_stats_report(&s->stats, s->ssrc, now, &reports[count]))
            count++;
    }
    for (unsigned i = 0; i < l->source_count; i++) {
        const struct source *s = l->sources[i];
        struct rtcp_sender_info info;
        if (!source_sender_info(s, now, l->config.world->wall_minus_now, &info))
            continue;
        rtcp_write_sr(&w, &info, NULL, 0);
    }
    (void)leg_echo_write_reports(l, now, &w);
    if (writer_len(&w) == 0 || count > 0) {
        rtcp_write_rr(&w, l->rtcp_ssrc, reports, count);
        l->config.measure->receiver_reports_sent++;
    }
    rtcp_write_sdes(&w, l->rtcp_ssrc, bytes_of_str("bot"));
    if (!w.failed)
        leg_send_rtcp(l, buffer, writer_len(&w), out);
}

/* What one stream wants repeated or refreshed, as a compound of its own that starts with a report
 * of that stream: Janus knows by the first report, and by nothing in a PLI, whose it is. */
static void send_feedback_of(struct leg *l, struct sink *s, usec now, struct outbound *out)
{
    uint8_t feedback[SINK_FEEDBACK_SIZE_MAX], buffer[RTCP_SIZE];
    struct writer f = writer_of(feedback, sizeof feedback);
    sink_write_feedback(s, l->rtcp_ssrc, now, &f, l->config.measure);
    if (writer_len(&f) == 0)
        return;
    struct writer w = writer_of(buffer, sizeof buffer - SRTP_SESSION_OVERHEAD_MAX);
    struct rtcp_report report;
    size_t count = receive_stats_report(&s->stats, s->ssrc, now, &report) ? 1 : 0;
    rtcp_write_rr(&w, l->rtcp_ssrc, &report, count);
    rtcp_write_sdes(&w, l->rtcp_ssrc, bytes_of_str("bot"));
    writer_put(&w, bytes_of(feedback, writer_len(&f)));
    if (!w.failed)
        leg_send_rtcp(l, buffer, writer_len(&w), out);
}

static void send_feedback(struct leg *l, usec now, struct outbound *out)
{
    uint8_t buffer[RTCP_SIZE + TWCC_FEEDBACK_SIZE_MAX];
    for (unsigned i = 0; i < l->sink_count; i++)
        send_feedback_of(l, l->sinks[i], now, out);
    if (l->twcc == NULL || twcc_recorder_next_deadline(l->twcc) > now)
        return;
    struct writer w = writer_of(buffer, sizeof buffer - SRTP_SESSION_OVERHEAD_MAX);
    while (twcc_recorder_write(l->twcc, l->rtcp_ssrc, l->twcc_ssrc, now, &w)) {
        leg_send_rtcp(l, buffer, writer_len(&w), out);
        l->config.measure->transport_cc_sent++;
        w = writer_of(buffer, sizeof buffer - SRTP_SESSION_OVERHEAD_MAX);
    }
}

static usec feedback_interval(const struct leg *l)
{
    for (unsigned i = 0; i < l->sink_count; i++) {
        if (l->sinks[i]->kind == MEDIA_VIDEO && l->sinks[i]->started)
            return LEG_FEEDBACK_INTERVAL_US;
    }
    return LEG_FEEDBACK_INTERVAL_US * 5;
}

/* What layers that are not sent because nobody watches would have cost since the last call. */
static void measure_spared(struct leg *l, usec now)
{
    usec time = now - l->spared_until;
    unsigned layer = 0;
    l->spared_until = now;
    for (unsigned i = 0; i < l->source_count; i++) {
        const struct source *s = l->sources[i];
        for (unsigned k = 0; k < source_layer_count(s); k++) {
            if (!layer_control_is_spared(&l->layers, layer++) || !l->sends)
                continue;
            const struct clip *clip = s->svc != NULL ? s->svc->clips[k] : s->clip;
            l->config.measure->spared_us += (uint64_t)time;
            l->config.measure->spared_bytes += clip_bytes_of_time(clip, time);
        }
    }
}

void leg_media_tick(struct leg *l, usec now, struct outbound *out, leg_note *note, void *data)
{
    leg_send_due(l, now, out);
    if (now >= l->feedback_at) {
        l->feedback_at = now + feedback_interval(l);
        for (unsigned i = 0; i < l->sink_count; i++) {
            struct interruption it;
            if (sink_tick(l->sinks[i], now, l->config.measure, &it))
                note(data, &it);
        }
        send_feedback(l, now, out);
    }
    if (now >= l->report_at) {
        measure_spared(l, now);
        l->report_at = now + LEG_REPORT_INTERVAL_US;
        bool active = l->feedback_at != USEC_NEVER;
        for (unsigned i = 0; i < l->source_count; i++)
            active = active || l->sources[i]->active;
        if (active)
            send_reports(l, now, out);
    }
}

usec leg_media_deadline(const struct leg *l)
{
    usec at = MIN(l->feedback_at, l->report_at);
    for (unsigned i = 0; i < l->source_count; i++)
        at = MIN(at, source_next_deadline(l->sources[i]));
    return at;
}

void leg_set_voice(struct leg *l, bool speaks)
{
    for (unsigned i = 0; i < l->source_count; i++) {
        if (l->sources[i]->kind == MEDIA_AUDIO)
            l->sources[i]->speaks = speaks;
    }
}

void leg_set_sending(struct leg *l, bool sends, usec now)
{
    unsigned layer = 0;
    measure_spared(l, now);
    l->sends = sends;
    for (unsigned i = 0; i < l->source_count; i++) {
        struct source *s = l->sources[i];
        unsigned count = 0; /* of its layers may be sent */
        for (unsigned k = 0; k < source_layer_count(s); k++)
            count += layer_control_sends(&l->layers, layer++);
        bool may = s->kind == MEDIA_AUDIO ? l->config.group->talk != TALK_MUTED : count > 0;
        source_set_layers(s, count);
        source_set_active(s, sends && may, now);
    }
}

void leg_set_demand(struct leg *l, int max, usec now)
{
    measure_spared(l, now);
    if (!layer_control_on_demand(&l->layers, max))
        return;
    l->config.measure->layers_changed++;
    leg_set_sending(l, l->sends, now);
}
