/* sdp_negotiate.c - what of an offer we accept.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_text.h"

struct negotiation {
    const struct sdp *offer;
    const struct sdp_policy *policy;
    struct negotiated *n;
    struct sdp_error *error;
};

struct sdp_policy sdp_policy_default(void)
{
    return (struct sdp_policy){
        .audio_order = { CODEC_OPUS, CODEC_RED },
        .video_order = { CODEC_VP8, CODEC_H264, CODEC_VP9, CODEC_AV1 },
        .extensions = ((1u << RTP_EXT_KIND_COUNT) - 1) & ~RTP_EXT_BIT(RTP_EXT_NONE) &
                      ~RTP_EXT_BIT(RTP_EXT_TOFFSET) & ~RTP_EXT_BIT(RTP_EXT_VIDEO_LAYERS_ALLOCATION),
    };
}

struct sdp_policy sdp_policy_client(void)
{
    struct sdp_policy policy = sdp_policy_default();
    policy.full_ice = true;
    return policy;
}

static enum err decide_transport(struct negotiation *g)
{
    struct negotiated *n = g->n;
    struct sdp_transport t;
    enum err e = sdp_find_transport(g->offer, "offer", &t, g->error);
    if (e != OK)
        return e;
    if (g->offer->ice_lite && !n->full_ice)
        return sdp_fail(g->error, ERR_UNSUPPORTED, 0, "both sides are ICE-lite");
    sdp_copy(n->ice_ufrag, sizeof(n->ice_ufrag), t.ufrag);
    sdp_copy(n->ice_pwd, sizeof(n->ice_pwd), t.pwd);
    memcpy(n->fingerprints, t.fingerprints, t.fingerprint_count * sizeof(n->fingerprints[0]));
    n->fingerprint_count = (uint8_t)t.fingerprint_count;
    n->ext.allow_mixed = t.extmap_allow_mixed;
    n->dtls_client = t.setup == SDP_SETUP_PASSIVE || (n->full_ice && t.setup == SDP_SETUP_ACTPASS);
    return OK;
}

static enum negotiated_role role_of(enum sdp_direction offered)
{
    switch (offered) {
    case SDP_SENDRECV: /* a participant publishes and receives on different m-lines */
    case SDP_SENDONLY:
        return ROLE_PUBLISH;
    case SDP_RECVONLY:
        return ROLE_SLOT;
    case SDP_INACTIVE:
        break;
    }
    return ROLE_INACTIVE;
}

/* --- payload types --- */

static uint8_t accepted_feedback(const struct format *f)
{
    if (f->codec == CODEC_RTX || f->codec == CODEC_RED)
        return 0;
    if (codec_kind((enum codec)f->codec) == MEDIA_AUDIO)
        return f->feedback & (RTCP_FB_NACK | RTCP_FB_TRANSPORT_CC);
    return f->feedback;
}

/* Parameters as they are echoed: whole parameters only. */
static void keep_fmtp(char to[SDP_FMTP_MAX + 1], struct bytes fmtp)
{
    if (fmtp.len > SDP_FMTP_MAX) {
        fmtp.len = SDP_FMTP_MAX;
        while (fmtp.len > 0 && fmtp.data[fmtp.len] != ';')
            fmtp.len--;
    }
    sdp_copy(to, SDP_FMTP_MAX + 1, fmtp);
}

/* A payload type means one thing in a bundle (RFC 9143 §9.1). */
static enum err define_format(struct negotiation *g, const struct sdp_media *m,
                              const struct sdp_format *f)
{
    struct format *known = &g->n->formats[f->format.payload_type];
    struct format wanted = f->format;
    wanted.feedback = accepted_feedback(&f->format);
    if (known->codec == CODEC_NONE) {
        *known = wanted;
        keep_fmtp(g->n->fmtp[f->format.payload_type], f->fmtp);
        return OK;
    }
    if (!format_matches(known, &wanted) || known->apt != wanted.apt)
        return sdp_fail(g->error, ERR_MALFORMED, m->line,
                        "payload type %u means %s here and %s in another m-line",
                        wanted.payload_type, codec_name((enum codec)wanted.codec),
                        codec_name((enum codec)known->codec));
    known->feedback &= wanted.feedback;
    return OK;
}

static enum err accept_format(struct negotiation *g, const struct sdp_media *m,
                              const struct sdp_format *f, struct negotiated_media *nm)
{
    if (nm->payload_type_count == NEGOTIATED_FORMATS_MAX)
        return OK; /* the least preferred are left out */
    enum err e = define_format(g, m, f);
    if (e == OK)
        nm->payload_types[nm->payload_type_count++] = f->format.payload_type;
    return e;
}

static const struct sdp_format *find_rtx(const struct sdp_media *m, const struct format *of)
{
    for (size_t i = 0; i < m->format_count; i++) {
        const struct format *f = &m->formats[i].format;
        if (f->codec == CODEC_RTX && f->apt == of->payload_type && f->clock_rate == of->clock_rate)
            return &m->formats[i];
    }
    return NULL;
}

static bool lists_opus(const struct sdp_media *m, uint8_t payload_type)
{
    for (size_t i = 0; i < m->format_count; i++)
        if (m->formats[i].format.payload_type == payload_type)
            return m->formats[i].format.codec == CODEC_OPUS;
    return false;
}

/* Profiles that browsers decode but none sends only make answers longer. */
static bool is_rare_profile(const struct format *f)
{
    switch ((enum codec)f->codec) {
    case CODEC_VP9:
        return f->profile != 0 && f->profile != 2;
    case CODEC_AV1:
        return f->profile != 0;
    case CODEC_H264:
        return f->profile == H264_PROFILE_HIGH_444;
    default:
        return false;
    }
}

static bool is_usable(const struct sdp_media *m, const struct format *f, enum codec wanted)
{
    if (f->codec != wanted || codec_kind(wanted) != m->kind || is_rare_profile(f))
        return false;
    if (f->payload_type >= 64 && f->payload_type <= 95)
        return false; /* RFC 5761 §4: with rtcp-mux these would look like RTCP */
    return wanted != CODEC_RED || lists_opus(m, f->apt);
}

static enum err accept_with_rtx(struct negotiation *g, const struct sdp_media *m,
                                const struct sdp_format *f, struct negotiated_media *nm)
{
    enum err e = accept_format(g, m, f, nm);
    const struct sdp_format *rtx = find_rtx(m, &f->format);
    if (e == OK && rtx != NULL && (f->format.feedback & RTCP_FB_NACK) != 0)
        e = accept_format(g, m, rtx, nm);
    return e;
}

/* What a publisher wants to send most it names first (RFC 8866 §5.14), and sends what the answer
 * names first. */
static enum err accept_as_offered(struct negotiation *g, const struct sdp_media *m,
                                  const enum codec *order, struct negotiated_media *nm)
{
    enum err e = OK;
    for (size_t i = 0; e == OK && i < m->format_count; i++) {
        const struct sdp_format *f = &m->formats[i];
        for (const enum codec *c = order; e == OK && *c != CODEC_NONE; c++)
            if (is_usable(m, &f->format, *c))
                e = accept_with_rtx(g, m, f, nm);
    }
    return e;
}

static enum err accept_in_our_order(struct negotiation *g, const struct sdp_media *m,
                                    const enum codec *order, struct negotiated_media *nm)
{
    enum err e = OK;
    for (; e == OK && *order != CODEC_NONE; order++) {
        for (size_t i = 0; e == OK && i < m->format_count; i++) {
            const struct sdp_format *f = &m->formats[i];
            if (is_usable(m, &f->format, *order))
                e = accept_with_rtx(g, m, f, nm);
        }
    }
    return e;
}

static enum err decide_codecs(struct negotiation *g, const struct sdp_media *m,
                              struct negotiated_media *nm)
{
    const enum codec *order =
        m->kind == MEDIA_AUDIO ? g->policy->audio_order : g->policy->video_order;
    if (role_of(m->direction) == ROLE_PUBLISH)
        return accept_as_offered(g, m, order, nm);
    return accept_in_our_order(g, m, order, nm);
}

/* --- the rest of an m-line --- */

static enum err decide_extensions(struct negotiation *g, const struct sdp_media *m,
                                  struct negotiated_media *nm)
{
    for (size_t i = 0; i < m->extmap_count; i++) {
        const struct sdp_extmap *x = &m->extmaps[i];
        bool usable = x->direction == SDP_SENDRECV ||
                      (nm->role == ROLE_PUBLISH && x->direction == SDP_SENDONLY) ||
                      (nm->role == ROLE_SLOT && x->direction == SDP_RECVONLY);
        if ((g->policy->extensions & RTP_EXT_BIT(x->kind)) == 0 || !usable || x->id == 15 ||
            x->id > (g->n->ext.allow_mixed ? 255 : 14))
            continue;
        if (rtp_ext_map_add(&g->n->ext, (enum rtp_ext_kind)x->kind, x->id) != OK)
            return sdp_fail(g->error, ERR_MALFORMED, m->line,
                            "a=extmap: id %u or its extension is used differently in the bundle",
                            x->id);
        nm->extensions |= RTP_EXT_BIT(x->kind);
        if (x->direction != SDP_SENDRECV)
            nm->one_way_extensions |= RTP_EXT_BIT(x->kind);
    }
    return OK;
}

static void decide_streams(const struct sdp_media *m, struct negotiated_media *nm)
{
    uint32_t needed = RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_RID);
    if (nm->role != ROLE_PUBLISH)
        return;
    for (size_t i = 0; i < m->rid_count && (nm->extensions & needed) == needed; i++) {
        const struct sdp_rid *rid = &m->rids[i];
        if (!rid->send || !rid->used)
            continue;
        struct negotiated_rid *to = &nm->rids[nm->rid_count++];
        sdp_copy(to->id, sizeof(to->id), rid->id);
        to->paused = rid->paused;
    }
    for (size_t i = 0; i < m->ssrc_count && nm->rid_count == 0; i++) {
        if (m->ssrcs[i].is_rtx)
            continue;
        nm->ssrc = m->ssrcs[i].ssrc;
        nm->rtx_ssrc = m->ssrcs[i].rtx_ssrc;
        break;
    }
}

static bool is_rejected(const struct negotiation *g, const struct sdp_media *m)
{
    return !sdp_is_open(m) || !sdp_is_bundled(g->offer, m->mid);
}

/* The one association of the bundle's DTLS (RFC 8841 §5.2). */
static void decide_data(struct negotiation *g, const struct sdp_media *m,
                        struct negotiated_media *nm)
{
    struct negotiated *n = g->n;
    bool is_open = m->sctp_port != 0 && (m->port != 0 || m->bundle_only);
    if (g->policy->max_message_size == 0 || !is_open || n->sctp_port != 0 ||
        !sdp_is_bundled(g->offer, m->mid))
        return;
    nm->role = ROLE_DATA;
    n->sctp_port = m->sctp_port;
    n->max_message_size = g->policy->max_message_size;
    if (m->max_message_size != 0)
        n->max_message_size = MIN(n->max_message_size, m->max_message_size);
}

static enum err decide_media(struct negotiation *g, const struct sdp_media *m,
                             struct negotiated_media *nm)
{
    struct bytes formats = m->formats_text;
    nm->kind = m->kind;
    sdp_copy(nm->kind_text, sizeof(nm->kind_text), m->kind_text);
    sdp_copy(nm->protocol, sizeof(nm->protocol), m->protocol);
    sdp_copy(nm->first_format, sizeof(nm->first_format), sdp_cut(&formats, ' '));
    sdp_copy(nm->mid, sizeof(nm->mid), m->mid);
    nm->role = ROLE_REJECTED;
    if (m->mid.len > 0 && sdp_find_media(g->offer, m->mid) != m)
        return sdp_fail(g->error, ERR_MALFORMED, m->line, "mid %s is used twice", nm->mid);
    if (m->is_data)
        decide_data(g, m, nm);
    if (is_rejected(g, m))
        return OK;
    if (!m->rtcp_mux)
        return sdp_fail(g->error, ERR_UNSUPPORTED, m->line, "mid %s: a=rtcp-mux is required",
                        nm->mid);
    enum err e = decide_codecs(g, m, nm);
    if (e != OK || nm->payload_type_count == 0)
        return e;
    nm->role = role_of(m->direction);
    nm->rtcp_rsize = m->rtcp_rsize;
    e = decide_extensions(g, m, nm);
    if (e == OK)
        decide_streams(m, nm);
    return e;
}

/* A client's server may close one m-line after the other: the last one leaves no transport. */
static bool is_closed(const struct negotiation *g)
{
    for (size_t i = 0; i < g->offer->media_count; i++)
        if (sdp_is_open(&g->offer->media[i]))
            return false;
    return g->policy->full_ice;
}

enum err sdp_negotiate(const struct sdp *offer, const struct sdp_policy *policy,
                       struct negotiated *ret, struct sdp_error *ret_error)
{
    memset(ret, 0, sizeof(*ret));
    struct negotiation g = { .offer = offer, .policy = policy, .n = ret, .error = ret_error };
    if (offer->media_count == 0)
        return sdp_fail(ret_error, ERR_UNSUPPORTED, 0, "the offer has no m-lines");
    ret->full_ice = policy->full_ice;
    enum err e = is_closed(&g) ? OK : decide_transport(&g);
    for (size_t i = 0; e == OK && i < offer->media_count; i++)
        e = decide_media(&g, &offer->media[i], &ret->media[i]);
    if (e != OK)
        return e;
    ret->media_count = offer->media_count;
    if (policy->full_ice)
        return OK;
    for (size_t i = 0; i < ret->media_count; i++)
        if (ret->media[i].role != ROLE_REJECTED)
            return OK;
    return sdp_fail(ret_error, ERR_UNSUPPORTED, 0,
                    "no m-line of the offer can be accepted (opus, VP8, H264, VP9 or AV1)");
}
