/* sdp_remote.c - what the server said, as a client keeps it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_remote.h"

#include "rtc/sdp_text.h"

struct reading {
    const struct sdp *sdp;
    const struct sdp_offer *ours; /* what this answers; NULL: it is an offer itself */
    struct sdp_remote *r;
    struct sdp_error *error;
};

/* One m-line being read. */
struct reading_media {
    const struct sdp_media *from;
    const struct sdp_offer_media *ours; /* or NULL */
    struct sdp_remote_media *to;
};

/* --- texts --- */

/* The offset of a zero-terminated copy, shared by equal texts; 0 if there is no room. */
static uint16_t keep_text(struct sdp_remote *r, struct bytes text)
{
    for (size_t at = 0; at < r->text_len; at += strlen(&r->text[at]) + 1)
        if (bytes_equal(bytes_of_str(&r->text[at]), text))
            return (uint16_t)at;
    if (text.len >= sizeof(r->text) - r->text_len)
        return 0;
    uint16_t at = r->text_len;
    sdp_copy(&r->text[at], sizeof(r->text) - at, text);
    r->text_len = (uint16_t)(at + text.len + 1);
    return at;
}

const char *sdp_remote_text(const struct sdp_remote *r, uint16_t text)
{
    check(text < r->text_len);
    return &r->text[text];
}

/* --- the transport --- */

static enum err read_setup(struct reading *g, const struct sdp_transport *t)
{
    if (g->ours != NULL && t->setup == SDP_SETUP_ACTPASS)
        return sdp_fail(g->error, ERR_MALFORMED, t->tagged->line,
                        "a=setup: an answer says active or passive");
    g->r->dtls_client = t->setup != SDP_SETUP_ACTIVE;
    return OK;
}

static void read_candidates(struct reading *g, const struct sdp_media *tagged)
{
    struct sdp_remote *r = g->r;
    uint64_t wanted = 1ull << (tagged - g->sdp->media);
    for (size_t i = 0; i < g->sdp->candidate_count; i++) {
        const struct sdp_parsed_candidate *c = &g->sdp->candidates[i];
        if ((c->media & wanted) != 0 && r->candidate_count < SDP_REMOTE_CANDIDATES_MAX)
            r->candidates[r->candidate_count++] = c->candidate;
    }
    r->end_of_candidates = g->sdp->end_of_candidates || tagged->end_of_candidates;
}

static enum err read_transport(struct reading *g)
{
    struct sdp_remote *r = g->r;
    struct sdp_transport t;
    enum err e = sdp_find_transport(g->sdp, g->ours != NULL ? "answer" : "offer", &t, g->error);
    if (e != OK)
        return e;
    sdp_copy(r->ice_ufrag, sizeof(r->ice_ufrag), t.ufrag);
    sdp_copy(r->ice_pwd, sizeof(r->ice_pwd), t.pwd);
    r->ice_lite = g->sdp->ice_lite;
    r->controlling = g->ours != NULL || r->ice_lite;
    memcpy(r->fingerprints, t.fingerprints, t.fingerprint_count * sizeof(r->fingerprints[0]));
    r->fingerprint_count = (uint8_t)t.fingerprint_count;
    r->ext.allow_mixed = t.extmap_allow_mixed;
    read_candidates(g, t.tagged);
    return read_setup(g, &t);
}

/* --- payload types --- */

const struct format *sdp_remote_format(const struct sdp_remote *r, uint8_t payload_type)
{
    for (size_t i = 0; i < r->format_count; i++)
        if (r->formats[i].payload_type == payload_type)
            return &r->formats[i];
    return NULL;
}

static bool offers_codec(const struct sdp_offer_media *ours, enum codec codec)
{
    for (const enum codec *c = ours->codecs; *c != CODEC_NONE; c++)
        if (*c == codec)
            return true;
    return false;
}

/* A payload type of an answer means what our offer says, whatever parameters are echoed. */
static struct format as_offered(const struct sdp_offer_media *ours, const struct format *theirs)
{
    struct format f = sdp_offer_format(theirs->payload_type);
    struct format media = f.codec == CODEC_RTX ? sdp_offer_format(f.apt) : f;
    if (f.codec != theirs->codec || !offers_codec(ours, (enum codec)media.codec) ||
        (f.codec == CODEC_RTX && f.apt != theirs->apt))
        return (struct format){ .codec = CODEC_NONE };
    f.feedback &= theirs->feedback;
    return f;
}

static bool lists_media(const struct sdp_media *m, uint8_t payload_type)
{
    for (size_t i = 0; i < m->format_count; i++) {
        const struct format *f = &m->formats[i].format;
        if (f->payload_type == payload_type)
            return f->codec != CODEC_NONE && f->codec != CODEC_RTX;
    }
    return false;
}

/* 64 to 95 would look like RTCP (RFC 5761 §4). */
static bool is_usable(const struct sdp_media *m, const struct format *f)
{
    if (f->codec == CODEC_NONE || codec_kind((enum codec)f->codec) != m->kind ||
        (f->payload_type >= 64 && f->payload_type <= 95))
        return false;
    return (f->codec != CODEC_RTX && f->codec != CODEC_RED) || lists_media(m, f->apt);
}

static enum err add_format(struct reading *g, struct reading_media *m, const struct format *f)
{
    struct sdp_remote *r = g->r;
    struct format *known = NULL;
    for (size_t i = 0; i < r->format_count; i++)
        if (r->formats[i].payload_type == f->payload_type)
            known = &r->formats[i];
    if (known != NULL && (!format_matches(known, f) || known->apt != f->apt))
        return sdp_fail(g->error, ERR_MALFORMED, m->from->line,
                        "payload type %u means %s here and %s in another m-line", f->payload_type,
                        codec_name((enum codec)f->codec), codec_name((enum codec)known->codec));
    if (m->to->payload_type_count == SDP_REMOTE_PAYLOAD_TYPES_MAX ||
        (known == NULL && r->format_count == SDP_REMOTE_FORMATS_MAX))
        return OK; /* the least preferred are left out */
    if (known == NULL)
        r->formats[r->format_count++] = *f;
    else
        known->feedback &= f->feedback;
    m->to->payload_types[m->to->payload_type_count++] = f->payload_type;
    return OK;
}

static enum err read_formats(struct reading *g, struct reading_media *m)
{
    for (size_t i = 0; i < m->from->format_count; i++) {
        struct format f = m->from->formats[i].format;
        if (!is_usable(m->from, &f))
            continue;
        if (m->ours != NULL)
            f = as_offered(m->ours, &f);
        enum err e = f.codec == CODEC_NONE ? OK : add_format(g, m, &f);
        if (e != OK)
            return e;
    }
    return OK;
}

/* --- the rest of an m-line --- */

static bool sends(enum sdp_direction d)
{
    return d == SDP_SENDRECV || d == SDP_SENDONLY;
}

static bool receives(enum sdp_direction d)
{
    return d == SDP_SENDRECV || d == SDP_RECVONLY;
}

/* Theirs seen from here, and of that what we offered. */
static enum sdp_direction our_direction(const struct reading_media *m)
{
    bool send = receives(m->from->direction) && (m->ours == NULL || sends(m->ours->direction));
    bool receive = sends(m->from->direction) && (m->ours == NULL || receives(m->ours->direction));
    return send ? (receive ? SDP_SENDRECV : SDP_SENDONLY) : receive ? SDP_RECVONLY : SDP_INACTIVE;
}

static bool is_usable_extension(const struct reading *g, const struct reading_media *m,
                                const struct sdp_extmap *x)
{
    enum sdp_direction theirs = (enum sdp_direction)x->direction;
    enum sdp_direction ours = (enum sdp_direction)m->to->direction;
    bool flows = theirs == SDP_SENDRECV || (sends(theirs) && receives(ours)) ||
                 (receives(theirs) && sends(ours));
    return flows && x->id != 15 && x->id <= (g->r->ext.allow_mixed ? 255 : 14) &&
           (m->ours == NULL || (m->ours->extensions & RTP_EXT_BIT(x->kind)) != 0);
}

static enum err read_extensions(struct reading *g, struct reading_media *m)
{
    for (size_t i = 0; i < m->from->extmap_count; i++) {
        const struct sdp_extmap *x = &m->from->extmaps[i];
        enum rtp_ext_kind kind = (enum rtp_ext_kind)x->kind;
        if (!is_usable_extension(g, m, x))
            continue;
        if ((m->ours != NULL && x->id != sdp_offer_extension_id(kind)) ||
            rtp_ext_map_add(&g->r->ext, kind, x->id) != OK)
            return sdp_fail(g->error, ERR_MALFORMED, m->from->line,
                            "a=extmap: id %u is not what the bundle says of %s", x->id,
                            rtp_ext_uri(kind));
        m->to->extensions |= RTP_EXT_BIT(kind);
    }
    return OK;
}

static bool offers_rid(const struct sdp_offer_media *ours, struct bytes id)
{
    for (size_t i = 0; i < ours->rid_count; i++)
        if (bytes_equal(bytes_of_str(ours->rids[i]), id))
            return true;
    return false;
}

static enum err read_rids(struct reading *g, struct reading_media *m)
{
    for (size_t i = 0; i < m->from->rid_count && m->ours != NULL; i++) {
        const struct sdp_rid *rid = &m->from->rids[i];
        if (rid->send || !rid->used || !sends((enum sdp_direction)m->to->direction) ||
            !offers_rid(m->ours, rid->id))
            continue;
        uint16_t text = keep_text(g->r, rid->id);
        if (text == 0)
            return sdp_fail(g->error, ERR_FULL, m->from->line, "too many streams and names");
        m->to->rids_paused |= (uint8_t)((rid->paused ? 1u : 0u) << m->to->rid_count);
        m->to->rids_text[m->to->rid_count++] = text;
    }
    return OK;
}

/* What they will send. A msid that is no token or finds no room is left out: nothing needs it. */
static void read_streams(struct reading *g, struct reading_media *m)
{
    const struct sdp_media *from = m->from;
    if (!receives((enum sdp_direction)m->to->direction))
        return;
    for (size_t i = 0; i < from->ssrc_count; i++) {
        if (from->ssrcs[i].is_rtx)
            continue;
        m->to->ssrc = from->ssrcs[i].ssrc;
        m->to->rtx_ssrc = from->ssrcs[i].rtx_ssrc;
        break;
    }
    if (sdp_is_token(from->msid_stream, SDP_ID_MAX))
        m->to->stream_text = keep_text(g->r, from->msid_stream);
    if (sdp_is_token(from->msid_track, SDP_ID_MAX))
        m->to->track_text = keep_text(g->r, from->msid_track);
}

/* --- m-lines --- */

static enum err read_mid(struct reading *g, struct reading_media *m)
{
    struct bytes mid = m->from->mid;
    bool open = sdp_is_open(m->from);
    if (m->ours != NULL && mid.len == 0 && !open)
        mid = bytes_of_str(m->ours->mid);
    if (m->ours != NULL &&
        (m->from->kind != m->ours->kind || !bytes_equal(mid, bytes_of_str(m->ours->mid))))
        return sdp_fail(g->error, ERR_MALFORMED, m->from->line,
                        "the m-line is not an answer to mid %s of the offer", m->ours->mid);
    sdp_copy(m->to->mid, sizeof(m->to->mid), mid);
    if (m->from->mid.len > 0 && sdp_find_media(g->sdp, m->from->mid) != m->from)
        return sdp_fail(g->error, ERR_MALFORMED, m->from->line, "mid %s is used twice", m->to->mid);
    return OK;
}

static enum err read_media(struct reading *g, struct reading_media *m)
{
    *m->to = (struct sdp_remote_media){ .kind = (uint8_t)m->from->kind, .direction = SDP_INACTIVE };
    enum err e = read_mid(g, m);
    if (e != OK || !sdp_is_open(m->from) || !sdp_is_bundled(g->sdp, m->from->mid))
        return e;
    if (!m->from->rtcp_mux)
        return sdp_fail(g->error, ERR_UNSUPPORTED, m->from->line, "mid %s: a=rtcp-mux is required",
                        m->to->mid);
    e = read_formats(g, m);
    if (e != OK || m->to->payload_type_count == 0)
        return e;
    m->to->accepted = true;
    m->to->direction = (uint8_t)our_direction(m);
    e = read_extensions(g, m);
    if (e == OK)
        e = read_rids(g, m);
    if (e == OK)
        read_streams(g, m);
    return e;
}

static bool has_open_media(const struct sdp *sdp)
{
    for (size_t i = 0; i < sdp->media_count; i++)
        if (sdp_is_open(&sdp->media[i]))
            return true;
    return false;
}

static enum err read_all(struct reading *g)
{
    struct sdp_remote *r = g->r;
    memset(r, 0, sizeof(*r));
    r->text_len = 1; /* offset 0 is "" */
    enum err e = has_open_media(g->sdp) ? read_transport(g) : OK;
    for (size_t i = 0; e == OK && i < g->sdp->media_count; i++) {
        struct reading_media m = { .from = &g->sdp->media[i],
                                   .ours = g->ours != NULL ? &g->ours->media[i] : NULL,
                                   .to = &r->media[i] };
        e = read_media(g, &m);
    }
    if (e == OK)
        r->media_count = (uint8_t)g->sdp->media_count;
    return e;
}

enum err sdp_remote_read_answer(const struct sdp *answer, const struct sdp_offer *offer,
                                struct sdp_remote *ret, struct sdp_error *ret_error)
{
    struct reading g = { .sdp = answer, .ours = offer, .r = ret, .error = ret_error };
    if (answer->media_count != offer->media_count)
        return sdp_fail(ret_error, ERR_MALFORMED, 0, "the answer has %zu m-lines, the offer %zu",
                        answer->media_count, offer->media_count);
    enum err e = read_all(&g);
    for (size_t i = 0; e == OK && i < ret->media_count; i++)
        if (ret->media[i].accepted)
            return OK;
    return e != OK ? e
                   : sdp_fail(ret_error, ERR_UNSUPPORTED, 0,
                              "the answer accepts no m-line of the offer");
}

enum err sdp_remote_read_offer(const struct sdp *offer, struct sdp_remote *ret,
                               struct sdp_error *ret_error)
{
    struct reading g = { .sdp = offer, .r = ret, .error = ret_error };
    if (offer->media_count == 0)
        return sdp_fail(ret_error, ERR_UNSUPPORTED, 0, "the offer has no m-lines");
    return read_all(&g);
}

const struct sdp_remote_media *sdp_remote_find_media(const struct sdp_remote *r, struct bytes mid)
{
    for (size_t i = 0; i < r->media_count; i++)
        if (mid.len > 0 && bytes_equal(bytes_of_str(r->media[i].mid), mid))
            return &r->media[i];
    return NULL;
}
