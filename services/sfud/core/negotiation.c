/* SPDX-License-Identifier: Apache-2.0 */
#include "core/negotiation.h"

#include "common/map.h"
#include "core/sctp.h"
#include "rtc/ice_lite.h"

#include <stdio.h>

static const char cname[] = "conclave";

static enum err refuse(struct sdp_error *ret_error, enum err err, const char *text)
{
    *ret_error = (struct sdp_error){ .line = 0 };
    snprintf(ret_error->text, sizeof ret_error->text, "%s", text);
    return err;
}

static const struct negotiation_source *find_source(const struct negotiation_request *q,
                                                    const char *mid)
{
    for (size_t i = 0; i < q->source_count; i++) {
        if (strcmp(q->sources[i].mid, mid) == 0)
            return &q->sources[i];
    }
    return NULL;
}

/* Lowest resolution first. Our clients call them q, h and f; others are taken in their order. */
static int rid_rank(const char *rid)
{
    static const char known[] = "qhf";
    const char *at = rid[0] != '\0' && rid[1] == '\0' ? strchr(known, rid[0]) : NULL;
    return at == NULL ? -1 : (int)(at - known);
}

static void take_rids(const struct negotiated_media *from, struct media_params *to)
{
    bool all_known = true;
    to->rid_count = MIN(from->rid_count, (uint8_t)TRACK_ENCODINGS_MAX);
    for (size_t i = 0; i < to->rid_count; i++) {
        memcpy(to->rids[i], from->rids[i].id, sizeof to->rids[i]);
        all_known = all_known && rid_rank(to->rids[i]) >= 0;
    }
    for (size_t i = 1; all_known && i < to->rid_count; i++) {
        for (size_t j = i; j > 0 && rid_rank(to->rids[j]) < rid_rank(to->rids[j - 1]); j--) {
            char rid[SDP_RID_MAX + 1];
            memcpy(rid, to->rids[j], sizeof rid);
            memcpy(to->rids[j], to->rids[j - 1], sizeof rid);
            memcpy(to->rids[j - 1], rid, sizeof rid);
        }
    }
}

static bool has_rtx(const struct negotiated *n, const struct negotiated_media *m)
{
    for (size_t i = 0; i < m->payload_type_count; i++) {
        if (n->formats[m->payload_types[i]].codec == CODEC_RTX)
            return true;
    }
    return false;
}

static bool is_taken(const struct transport_params *p, uint32_t ssrc)
{
    for (size_t i = 0; i < p->media_count; i++) {
        if (p->media[i].ssrc == ssrc || p->media[i].rtx_ssrc == ssrc)
            return true;
    }
    return ssrc == 0;
}

/* From seed and mid, so that later offers come to the same numbers. */
static uint32_t make_ssrc(const struct negotiation_request *q, const struct transport_params *p,
                          const char *mid, bool is_rtx)
{
    char text[SDP_MID_MAX + 32];
    for (unsigned attempt = 0;; attempt++) {
        int len = snprintf(text, sizeof text, "%s/%s/%u", is_rtx ? "rtx" : "media", mid, attempt);
        uint32_t ssrc = (uint32_t)siphash(q->seed, bytes_of(text, (size_t)len));
        if (!is_taken(p, ssrc))
            return ssrc;
    }
}

static void take_media(const struct negotiation_request *q, const struct negotiated *n,
                       const struct negotiated_media *from, struct transport_params *p)
{
    struct media_params m = { .kind = from->kind,
                              .payload_type_count = from->payload_type_count,
                              .extensions = from->extensions,
                              .rtcp_rsize = from->rtcp_rsize };
    memcpy(m.mid, from->mid, sizeof m.mid);
    memcpy(m.payload_types, from->payload_types, sizeof m.payload_types);
    const struct negotiation_source *source = find_source(q, from->mid);
    if (from->role == ROLE_PUBLISH && source != NULL) {
        m.role = MEDIA_PUBLISH;
        m.source = source->source;
        m.allowed = (q->allowed & SOURCE_BIT(m.source)) != 0;
        m.ssrc = from->ssrc;
        m.rtx_ssrc = from->rtx_ssrc;
        take_rids(from, &m);
    } else if (from->role == ROLE_SLOT) {
        m.role = MEDIA_SLOT;
        m.ssrc = make_ssrc(q, p, m.mid, false);
        m.rtx_ssrc = has_rtx(n, from) ? make_ssrc(q, p, m.mid, true) : 0;
    }
    p->media[p->media_count++] = m;
}

/* Every named source is a publishing m-line of its kind, and named once. */
static enum err check_sources(const struct negotiation_request *q, const struct negotiated *n,
                              struct sdp_error *ret_error)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < q->source_count; i++) {
        const struct negotiation_source *s = &q->sources[i];
        const struct negotiated_media *m = NULL;
        for (size_t j = 0; j < n->media_count && m == NULL; j++)
            m = strcmp(n->media[j].mid, s->mid) == 0 ? &n->media[j] : NULL;
        if (m == NULL || m->kind != source_kind(s->source) || (seen & SOURCE_BIT(s->source)))
            return refuse(ret_error, ERR_MALFORMED,
                          "sources: a mid is not in the offer, of another kind, or named twice");
        seen |= SOURCE_BIT(s->source);
    }
    return OK;
}

static bool is_restart(const struct negotiation_request *q, const struct negotiated *n)
{
    return q->known_ufrag != NULL &&
           (strcmp(q->known_ufrag, n->ice_ufrag) != 0 || strcmp(q->known_pwd, n->ice_pwd) != 0);
}

static void take_transport(const struct negotiation_request *q, const struct negotiated *n,
                           struct negotiation_result *ret)
{
    struct transport_params *p = &ret->params;
    ret->is_restart = is_restart(q, n);
    memcpy(ret->remote_pwd, n->ice_pwd, sizeof ret->remote_pwd);
    snprintf(p->local_ufrag, sizeof p->local_ufrag, "%s",
             ret->is_restart ? q->next_ufrag : q->local_ufrag);
    snprintf(p->local_pwd, sizeof p->local_pwd, "%s", ret->is_restart ? q->next_pwd : q->local_pwd);
    memcpy(p->remote_ufrag, n->ice_ufrag, sizeof p->remote_ufrag);
    memcpy(p->fingerprints, n->fingerprints, sizeof p->fingerprints);
    p->fingerprint_count = n->fingerprint_count;
    p->dtls_client = n->dtls_client;
    p->ext = n->ext;
    memcpy(p->formats, n->formats, sizeof p->formats);
    memcpy(p->cname, cname, sizeof cname);
    p->data = (struct data_params){ .sctp_port = n->sctp_port,
                                    .max_message_size = n->max_message_size,
                                    .is_allowed = q->data_allowed };
}

static void name_slots(const struct transport_params *p, struct negotiation_scratch *scratch,
                       struct negotiation_result *ret)
{
    ret->slot_count = 0;
    for (size_t i = 0; i < p->media_count; i++) {
        const struct media_params *m = &p->media[i];
        scratch->slots[i] = (struct sdp_slot){ 0 };
        if (m->role != MEDIA_SLOT)
            continue;
        snprintf(scratch->tracks[i], sizeof scratch->tracks[i], "slot-%zu", i);
        scratch->slots[i] = (struct sdp_slot){ .ssrc = m->ssrc,
                                               .rtx_ssrc = m->rtx_ssrc,
                                               .stream = scratch->tracks[i],
                                               .track = scratch->tracks[i] };
        struct negotiation_slot *slot = &ret->slots[ret->slot_count++];
        memcpy(slot->mid, m->mid, sizeof slot->mid);
        slot->kind = m->kind;
    }
}

enum err negotiate(const struct negotiation_request *q, struct negotiation_scratch *scratch,
                   struct negotiation_result *ret, struct writer *ret_answer,
                   struct sdp_error *ret_error)
{
    enum err err = sdp_parse(q->offer, &scratch->offer, ret_error);
    if (err != OK)
        return err;
    struct sdp_policy policy = sdp_policy_default();
    policy.max_message_size = q->takes_data ? SCTP_MESSAGE_MAX : 0;
    struct negotiated *n = &scratch->negotiated;
    err = sdp_negotiate(&scratch->offer, &policy, n, ret_error);
    if (err == OK)
        err = check_sources(q, n, ret_error);
    if (err != OK)
        return err;
    if (strlen(n->ice_ufrag) > ICE_UFRAG_MAX)
        return refuse(ret_error, ERR_UNSUPPORTED, "a=ice-ufrag is longer than 32 characters");
    memset(&ret->params, 0, sizeof ret->params);
    take_transport(q, n, ret);
    for (size_t i = 0; i < n->media_count; i++)
        take_media(q, n, &n->media[i], &ret->params);
    name_slots(&ret->params, scratch, ret);
    const struct sdp_answer answer = { .session_id = q->session_id,
                                       .ice_ufrag = ret->params.local_ufrag,
                                       .ice_pwd = ret->params.local_pwd,
                                       .fingerprint = q->fingerprint,
                                       .candidates = q->candidates,
                                       .candidate_count = q->candidate_count,
                                       .cname = cname,
                                       .slots = scratch->slots };
    return sdp_write_answer(n, &answer, ret_answer);
}
