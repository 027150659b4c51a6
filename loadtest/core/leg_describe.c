/* leg_describe.c - the session descriptions of a leg. SPDX-License-Identifier: Apache-2.0 */
#include "core/leg_echo.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEDIA_LINES_MAX = 4 + LEG_SINKS_MAX };

/* An offer and the texts it borrows. */
struct draft {
    struct sdp_offer offer;
    struct sdp_offer_media media[MEDIA_LINES_MAX];
    char mids[MEDIA_LINES_MAX][4];
    char cname[24];
};

/* Fewer layers than these are the lower ones (docs/protocol.md). */
static const char *const rids[] = { "q", "h", "f" };

static const enum codec audio_codecs[] = { CODEC_OPUS, CODEC_NONE };
static const enum codec video_codecs[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1,
                                           CODEC_NONE };

static struct sdp_offer_media *add(struct draft *d, enum media_kind kind,
                                   enum sdp_direction direction)
{
    check(d->offer.media_count < MEDIA_LINES_MAX);
    size_t i = d->offer.media_count++;
    snprintf(d->mids[i], sizeof d->mids[i], "%zu", i);
    struct sdp_offer_media *m = &d->media[i];
    m->kind = kind;
    m->mid = d->mids[i];
    m->direction = direction;
    if (kind == MEDIA_AUDIO)
        memcpy(m->codecs, audio_codecs, sizeof audio_codecs);
    else
        memcpy(m->codecs, video_codecs, sizeof video_codecs);
    m->extensions = kind == MEDIA_AUDIO ? SDP_OFFER_AUDIO_EXTENSIONS : SDP_OFFER_VIDEO_EXTENSIONS;
    if (direction == SDP_SENDONLY)
        m->stream = m->track = kind == MEDIA_AUDIO ? "voice" : "camera";
    return m;
}

static unsigned layer_count(const struct leg *l)
{
    unsigned count = 0;
    while (count < SCENARIO_LAYERS_MAX && l->config.clips[count] != NULL)
        count++;
    return count;
}

/* The SSRCs follow from the seed: the sources take the same ones. */
static uint32_t ssrc_of(const struct leg *l, unsigned stream, bool rtx)
{
    uint64_t x =
        (l->config.seed ^ ((uint64_t)l->config.index << 56)) * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return (uint32_t)(x + stream * 2 + (rtx ? 1 : 0)) | 0x10000000u;
}

static void add_camera(struct leg *l, struct draft *d)
{
    struct sdp_offer_media *m = add(d, MEDIA_VIDEO, SDP_SENDONLY);
    unsigned layers = layer_count(l);
    bool echo = l->config.group->echo; /* of any codec */
    bool svc = l->config.group->scalability[0] != '\0';
    if (layers > 0 && !echo) { /* what we do not publish may be anything */
        m->codecs[0] = l->config.clips[0]->codec;
        m->codecs[1] = CODEC_NONE;
    }
    if (layers == 1 || echo || svc) {
        m->ssrc = ssrc_of(l, 1, false);
        m->rtx_ssrc = ssrc_of(l, 1, true);
    } else {
        m->rid_count = ARRAY_LEN(rids);
        memcpy(m->rids, rids, sizeof rids);
    }
    if (!l->config.group->dependency_descriptor)
        m->extensions &= ~RTP_EXT_BIT(RTP_EXT_DEPENDENCY_DESCRIPTOR);
    snprintf(l->camera_mid, sizeof l->camera_mid, "%s", m->mid);
}

static void add_voice(struct leg *l, struct draft *d)
{
    struct sdp_offer_media *m = add(d, MEDIA_AUDIO, SDP_SENDONLY);
    m->ssrc = ssrc_of(l, 0, false);
    snprintf(l->voice_mid, sizeof l->voice_mid, "%s", m->mid);
}

static struct draft *draft_new(struct leg *l)
{
    struct draft *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    const struct group *g = l->config.group;
    snprintf(d->cname, sizeof d->cname, "bot%u", l->config.bot_index);
    struct dtls_fingerprint f;
    const char *fingerprint = dtls_context_fingerprint(l->config.world->identity);
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"), bytes_of_str(fingerprint), &f) == OK);
    d->offer = (struct sdp_offer){ .session_id = l->config.seed >> 2,
                                   .version = 1,
                                   .ice_ufrag = l->local.ufrag,
                                   .ice_pwd = l->local.pwd,
                                   .fingerprint = { .hash = SDP_SHA256, .len = 32 },
                                   .cname = d->cname,
                                   .media = d->media };
    memcpy(d->offer.fingerprint.value, f.hash, 32);
    bool both = l->config.shape == LEG_BOTH;
    if (both || g->talk != TALK_NEVER || g->echo)
        add_voice(l, d);
    if (both || layer_count(l) > 0 || g->echo)
        add_camera(l, d);
    if (both) {
        (void)add(d, MEDIA_VIDEO, SDP_SENDONLY); /* screen */
        (void)add(d, MEDIA_AUDIO, SDP_SENDONLY); /* screen-audio */
        for (unsigned i = 0; i < g->audio_slots; i++)
            (void)add(d, MEDIA_AUDIO, SDP_RECVONLY);
        for (unsigned i = 0; i < g->video_slots; i++)
            (void)add(d, MEDIA_VIDEO, SDP_RECVONLY);
    }
    return d;
}

enum err leg_write_offer(struct leg *l, struct writer *w)
{
    struct draft *d = draft_new(l);
    if (d == NULL)
        return ERR_SYSTEM;
    enum err err = sdp_write_offer(&d->offer, w);
    free(d);
    return err;
}

static enum err bad_sdp(struct leg *l, enum err err, const struct sdp_error *error)
{
    snprintf(l->failure_text, sizeof l->failure_text, "bad description: %.140s", error->text);
    return err;
}

enum err leg_on_answer(struct leg *l, struct bytes text, usec now)
{
    struct sdp *sdp = malloc(sizeof *sdp);
    struct sdp_remote *remote = malloc(sizeof *remote);
    struct draft *d = draft_new(l);
    struct sdp_error error = { 0 };
    enum err err = sdp == NULL || remote == NULL || d == NULL ? ERR_SYSTEM : OK;
    if (err == OK)
        err = sdp_parse(text, sdp, &error);
    if (err == OK)
        err = sdp_remote_read_answer(sdp, &d->offer, remote, &error);
    free(sdp);
    free(d);
    if (err != OK) {
        free(remote);
        return bad_sdp(l, err, &error);
    }
    return leg_set_remote(l, remote, now);
}

static enum err write_answer(struct leg *l, const struct sdp *offer, struct writer *w,
                             struct sdp_error *error)
{
    struct sdp_policy policy = sdp_policy_client();
    struct negotiated *n = malloc(sizeof *n);
    if (n == NULL)
        return ERR_SYSTEM;
    enum err err = sdp_negotiate(offer, &policy, n, error);
    struct sdp_answer answer = { .session_id = l->config.seed >> 2,
                                 .ice_ufrag = l->local.ufrag,
                                 .ice_pwd = l->local.pwd,
                                 .fingerprint = { .hash = SDP_SHA256, .len = 32 },
                                 .cname = "bot" };
    struct dtls_fingerprint f;
    const char *fingerprint = dtls_context_fingerprint(l->config.world->identity);
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"), bytes_of_str(fingerprint), &f) == OK);
    memcpy(answer.fingerprint.value, f.hash, 32);
    if (err == OK)
        err = sdp_write_answer(n, &answer, w);
    free(n);
    return err;
}

enum err leg_on_offer(struct leg *l, struct bytes text, usec now, struct writer *w)
{
    struct sdp *sdp = malloc(sizeof *sdp);
    struct sdp_remote *remote = malloc(sizeof *remote);
    struct sdp_error error = { 0 };
    enum err err = sdp == NULL || remote == NULL ? ERR_SYSTEM : OK;
    if (err == OK)
        err = sdp_parse(text, sdp, &error);
    if (err == OK)
        err = sdp_remote_read_offer(sdp, remote, &error);
    if (err == OK)
        err = write_answer(l, sdp, w, &error);
    free(sdp);
    if (err != OK) {
        free(remote);
        return bad_sdp(l, err, &error);
    }
    return leg_set_remote(l, remote, now);
}

/* The layers of a camera that are sent in one stream. False: without memory. */
static bool add_layers(struct leg *l, struct source *given)
{
    const struct depdesc_pattern *p = depdesc_pattern_find(l->config.group->scalability);
    check(p != NULL);
    given->clip = l->config.clips[p->spatial_count - 1];
    check(given->clip != NULL);
    given->svc = source_svc_new(p, l->config.clips, (uint16_t)leg_random(l));
    return given->svc != NULL;
}

static struct source *new_source(struct leg *l, const struct sdp_remote_media *m, unsigned layer,
                                 unsigned layers, usec now)
{
    bool video = m->kind == MEDIA_VIDEO;
    struct source given = { .kind = (enum media_kind)m->kind,
                            .payload_type = m->payload_types[0],
                            .layer = (uint8_t)(layer + l->config.layer_first),
                            .clip = video ? l->config.clips[layer] : NULL,
                            .voices = video ? NULL : l->config.world->voices,
                            .audio = video ? NULL : l->config.audio,
                            .tone = l->config.bot_index % TONE_COUNT };
    snprintf(given.mid, sizeof given.mid, "%s", m->mid);
    bool simulcast = video && layers > 1 && m->rid_count > 0;
    if (simulcast)
        snprintf(given.rid, sizeof given.rid, "%s", rids[layer]);
    given.ssrc = ssrc_of(l, video ? 1 + layer : 0, false);
    for (unsigned i = 0; video && i < m->payload_type_count; i++) {
        const struct format *f = sdp_remote_format(l->remote, m->payload_types[i]);
        if (f != NULL && f->codec == CODEC_RTX && f->apt == given.payload_type) {
            given.rtx_payload_type = f->payload_type;
            given.rtx_ssrc = ssrc_of(l, 1 + layer, true);
        }
    }
    if (video && l->config.group->scalability[0] != '\0' && !add_layers(l, &given))
        return NULL;
    return source_new(&given, leg_random(l), now);
}

static bool make_sources(struct leg *l, const struct sdp_remote_media *m, usec now)
{
    bool video = m->kind == MEDIA_VIDEO;
    const char *mid = video ? l->camera_mid : l->voice_mid;
    if (strcmp(m->mid, mid) != 0)
        return true;
    if (l->config.group->echo)
        return leg_echo_open(l, m, ssrc_of(l, video ? 1 : 0, false), ssrc_of(l, 1, true));
    if (!video && l->config.group->talk == TALK_NEVER)
        return true;
    bool svc = video && l->config.group->scalability[0] != '\0';
    unsigned layers = video && !svc ? layer_count(l) : 1;
    /* without simulcast the server gets the best one alone */
    unsigned first = video && layers > 1 && m->rid_count == 0 ? layers - 1 : 0;
    for (unsigned i = first; i < layers; i++) {
        check(l->source_count < LEG_SOURCES_MAX);
        struct source *s = new_source(l, m, i, layers, now);
        if (s == NULL)
            return false;
        l->sources[l->source_count++] = s;
    }
    return true;
}

static bool make_sink(struct leg *l, const struct sdp_remote_media *m, usec now)
{
    struct sink *s = leg_find_sink(l, m->mid);
    if (s != NULL) { /* another description of the same stream */
        s->ssrc = m->ssrc != 0 ? m->ssrc : s->ssrc;
        s->rtx_ssrc = m->rtx_ssrc != 0 ? m->rtx_ssrc : s->rtx_ssrc;
        return true;
    }
    if (l->sink_count == LEG_SINKS_MAX)
        return true;
    s = sink_new((enum media_kind)m->kind, m->ssrc, m->rtx_ssrc, m->mid, now);
    if (s != NULL)
        l->sinks[l->sink_count++] = s;
    if (s != NULL && s->nack != NULL && l->rtt_us >= 0)
        nack_set_rtt(s->nack, l->rtt_us);
    return s != NULL;
}

bool leg_media_update(struct leg *l, usec now)
{
    bool first = l->source_count == 0;
    bool ok = true;
    for (unsigned i = 0; i < l->remote->media_count && ok; i++) {
        const struct sdp_remote_media *m = &l->remote->media[i];
        if (!m->accepted || m->payload_type_count == 0)
            continue;
        if (m->direction == SDP_SENDONLY && first)
            ok = make_sources(l, m, now);
        else if (m->direction == SDP_RECVONLY)
            ok = make_sink(l, m, now);
    }
    return ok;
}
