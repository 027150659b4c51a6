/* sdp_answer.c - writing the answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_text.h"

static void put_session(const struct negotiated *n, const struct sdp_answer *a, struct writer *w)
{
    writer_printf(w,
                  "v=0\r\n"
                  "o=- %llu 2 IN IP4 127.0.0.1\r\n"
                  "s=-\r\n"
                  "t=0 0\r\n"
                  "a=group:BUNDLE",
                  (unsigned long long)a->session_id);
    for (size_t i = 0; i < n->media_count; i++)
        if (n->media[i].role != ROLE_REJECTED)
            writer_printf(w, " %s", n->media[i].mid);
    writer_printf(w, "\r\na=ice-lite\r\n");
    if (n->ext.allow_mixed)
        writer_printf(w, "a=extmap-allow-mixed\r\n");
    writer_printf(w, "a=msid-semantic: WMS *\r\n");
}

static void put_rejected(const struct negotiated_media *m, struct writer *w)
{
    writer_printf(w, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n", m->kind_text,
                  m->protocol, m->first_format);
    if (m->mid[0] != 0)
        writer_printf(w, "a=mid:%s\r\n", m->mid);
}

static void put_fingerprint(const struct sdp_fingerprint *f, struct writer *w)
{
    static const char *const names[] = {
        [SDP_SHA256] = "sha-256", [SDP_SHA384] = "sha-384", [SDP_SHA512] = "sha-512"
    };
    writer_printf(w, "a=fingerprint:%s ", names[f->hash]);
    for (size_t i = 0; i < f->len; i++)
        writer_printf(w, i == 0 ? "%02X" : ":%02X", f->value[i]);
    writer_printf(w, "\r\n");
}

static void put_transport(const struct negotiated *n, const struct sdp_answer *a, struct writer *w)
{
    writer_printf(w, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", a->ice_ufrag, a->ice_pwd);
    put_fingerprint(&a->fingerprint, w);
    writer_printf(w, "a=setup:%s\r\n", n->dtls_client ? "active" : "passive");
}

/* RFC 8445 §5.1.2.1: type preference of host candidates, UDP before TCP, earlier before later. */
static uint32_t priority_of(const struct sdp_candidate *c, size_t index)
{
    if (c->priority != 0)
        return c->priority;
    uint32_t type = c->tcp ? 90 : 126;
    return type << 24 | (uint32_t)(65535 - index) << 8 | 255;
}

static void put_candidates(const struct sdp_answer *a, struct writer *w)
{
    for (size_t i = 0; i < a->candidate_count; i++) {
        const struct sdp_candidate *c = &a->candidates[i];
        writer_printf(w, "a=candidate:%zu 1 %s %u %s %u typ host%s\r\n", i + 1,
                      c->tcp ? "tcp" : "udp", priority_of(c, i), c->address, c->port,
                      c->tcp ? " tcptype passive" : "");
    }
    writer_printf(w, "a=end-of-candidates\r\n");
}

static void put_feedback(uint8_t payload_type, uint8_t feedback, struct writer *w)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } all[] = {
        { RTCP_FB_GOOG_REMB, "goog-remb" }, { RTCP_FB_TRANSPORT_CC, "transport-cc" },
        { RTCP_FB_CCM_FIR, "ccm fir" },     { RTCP_FB_NACK, "nack" },
        { RTCP_FB_NACK_PLI, "nack pli" },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if ((feedback & all[i].bit) != 0)
            writer_printf(w, "a=rtcp-fb:%u %s\r\n", payload_type, all[i].name);
}

static void put_formats(const struct negotiated *n, const struct negotiated_media *m,
                        struct writer *w)
{
    for (size_t i = 0; i < m->payload_type_count; i++) {
        uint8_t pt = m->payload_types[i];
        const struct format *f = &n->formats[pt];
        writer_printf(w, "a=rtpmap:%u %s/%u", pt, codec_name((enum codec)f->codec), f->clock_rate);
        if (f->channels > 1)
            writer_printf(w, "/%u", f->channels);
        writer_printf(w, "\r\n");
        put_feedback(pt, f->feedback, w);
        if (n->fmtp[pt][0] != 0)
            writer_printf(w, "a=fmtp:%u %s\r\n", pt, n->fmtp[pt]);
    }
}

static const char *direction_of(enum negotiated_role role)
{
    return role == ROLE_PUBLISH ? "recvonly" : role == ROLE_SLOT ? "sendonly" : "inactive";
}

/* An extension offered for one direction is answered for the same, seen from here (RFC 8285 §6). */
static void put_extensions(const struct negotiated *n, const struct negotiated_media *m,
                           struct writer *w)
{
    for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++) {
        if ((m->extensions & RTP_EXT_BIT(k)) == 0)
            continue;
        bool one_way = (m->one_way_extensions & RTP_EXT_BIT(k)) != 0;
        writer_printf(w, "a=extmap:%u%s%s %s\r\n", n->ext.id_of[k], one_way ? "/" : "",
                      one_way ? direction_of(m->role) : "", rtp_ext_uri((enum rtp_ext_kind)k));
    }
}

static void put_simulcast(const struct negotiated_media *m, struct writer *w)
{
    for (size_t i = 0; i < m->rid_count; i++)
        writer_printf(w, "a=rid:%s recv\r\n", m->rids[i].id);
    for (size_t i = 0; i < m->rid_count; i++)
        writer_printf(w, "%s%s%s", i == 0 ? "a=simulcast:recv " : ";", m->rids[i].paused ? "~" : "",
                      m->rids[i].id);
    if (m->rid_count > 0)
        writer_printf(w, "\r\n");
}

static void put_slot(const struct sdp_slot *s, const char *cname, struct writer *w)
{
    if (s->stream != NULL && s->track != NULL)
        writer_printf(w, "a=msid:%s %s\r\n", s->stream, s->track);
    if (s->ssrc == 0)
        return;
    if (s->rtx_ssrc != 0)
        writer_printf(w, "a=ssrc-group:FID %u %u\r\n", s->ssrc, s->rtx_ssrc);
    writer_printf(w, "a=ssrc:%u cname:%s\r\n", s->ssrc, cname);
    if (s->rtx_ssrc != 0)
        writer_printf(w, "a=ssrc:%u cname:%s\r\n", s->rtx_ssrc, cname);
}

static void put_media(const struct negotiated *n, const struct sdp_answer *a, size_t index,
                      bool first, struct writer *w)
{
    const struct negotiated_media *m = &n->media[index];
    writer_printf(w, "m=%s 9 %s", m->kind_text, m->protocol);
    for (size_t i = 0; i < m->payload_type_count; i++)
        writer_printf(w, " %u", m->payload_types[i]);
    writer_printf(w, "\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=%s\r\n", m->mid, direction_of(m->role));
    put_transport(n, a, w);
    if (first)
        put_candidates(a, w);
    writer_printf(w, "a=rtcp-mux\r\n");
    if (m->rtcp_rsize)
        writer_printf(w, "a=rtcp-rsize\r\n");
    put_extensions(n, m, w);
    put_formats(n, m, w);
    put_simulcast(m, w);
    if (m->role == ROLE_SLOT && a->slots != NULL)
        put_slot(&a->slots[index], a->cname, w);
}

enum err sdp_write_answer(const struct negotiated *n, const struct sdp_answer *a, struct writer *w)
{
    check(a->candidate_count <= SDP_CANDIDATES_MAX);
    check(a->fingerprint.hash >= SDP_SHA256 && a->fingerprint.hash <= SDP_SHA512);
    bool first = true;
    put_session(n, a, w);
    for (size_t i = 0; i < n->media_count; i++) {
        if (n->media[i].role == ROLE_REJECTED) {
            put_rejected(&n->media[i], w);
            continue;
        }
        put_media(n, a, i, first, w);
        first = false;
    }
    return w->failed ? ERR_FULL : OK;
}
