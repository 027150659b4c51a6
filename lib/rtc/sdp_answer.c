/* sdp_answer.c - writing the answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_lines.h"

static void put_session(const struct negotiated *n, const struct sdp_answer *a, struct writer *w)
{
    writer_printf(w,
                  "v=0\r\n"
                  "o=- %llu %llu IN IP4 127.0.0.1\r\n"
                  "s=-\r\n"
                  "t=0 0\r\n"
                  "a=group:BUNDLE",
                  (unsigned long long)a->session_id,
                  (unsigned long long)(a->version != 0 ? a->version : 2));
    for (size_t i = 0; i < n->media_count; i++)
        if (n->media[i].role != ROLE_REJECTED)
            writer_printf(w, " %s", n->media[i].mid);
    writer_printf(w, n->full_ice ? "\r\n" : "\r\na=ice-lite\r\n");
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

/* The offerer's choice is taken; what it leaves open is decided by sdp_negotiate(). */
static void put_transport(const struct negotiated *n, const struct sdp_answer *a, struct writer *w)
{
    sdp_put_transport(a->ice_ufrag, a->ice_pwd, &a->fingerprint,
                      n->dtls_client ? "active" : "passive", w);
}

static void put_formats(const struct negotiated *n, const struct negotiated_media *m,
                        struct writer *w)
{
    for (size_t i = 0; i < m->payload_type_count; i++)
        sdp_put_format(&n->formats[m->payload_types[i]], n->fmtp[m->payload_types[i]], w);
}

static const char *direction_of(enum negotiated_role role)
{
    return sdp_direction_name(role == ROLE_PUBLISH ? SDP_RECVONLY
                              : role == ROLE_SLOT  ? SDP_SENDONLY
                                                   : SDP_INACTIVE);
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

/* Our port is the participant's: nothing else speaks SCTP here. */
static void put_data(const struct negotiated *n, const struct negotiated_media *m,
                     const struct sdp_answer *a, bool first, struct writer *w)
{
    writer_printf(w, "m=%s 9 %s %s\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\n", m->kind_text, m->protocol,
                  m->first_format, m->mid);
    put_transport(n, a, w);
    if (first)
        sdp_put_candidates(a->candidates, a->candidate_count, n->full_ice ? "active" : "passive",
                           w);
    writer_printf(w, "a=sctp-port:%u\r\na=max-message-size:%u\r\n", n->sctp_port,
                  n->max_message_size);
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
        sdp_put_candidates(a->candidates, a->candidate_count, n->full_ice ? "active" : "passive",
                           w);
    writer_printf(w, "a=rtcp-mux\r\n");
    if (m->rtcp_rsize)
        writer_printf(w, "a=rtcp-rsize\r\n");
    put_extensions(n, m, w);
    put_formats(n, m, w);
    put_simulcast(m, w);
    if (m->role == ROLE_SLOT && a->slots != NULL)
        sdp_put_stream(&a->slots[index], a->cname, w);
}

enum err sdp_write_answer(const struct negotiated *n, const struct sdp_answer *a, struct writer *w)
{
    bool first = true;
    put_session(n, a, w);
    for (size_t i = 0; i < n->media_count; i++) {
        if (n->media[i].role == ROLE_REJECTED) {
            put_rejected(&n->media[i], w);
            continue;
        }
        if (n->media[i].role == ROLE_DATA)
            put_data(n, &n->media[i], a, first, w);
        else
            put_media(n, a, i, first, w);
        first = false;
    }
    return w->failed ? ERR_FULL : OK;
}
