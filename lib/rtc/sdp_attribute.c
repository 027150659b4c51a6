/* sdp_attribute.c - the attributes we read: a=<name>[:<value>].
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_parser.h"

static enum err bad(struct sdp_parser *p, const char *reason)
{
    return sdp_fail(p->error, ERR_MALFORMED, p->line, "a=%s: %s", p->attribute, reason);
}

static enum err full(struct sdp_parser *p, const char *what)
{
    return sdp_fail(p->error, ERR_FULL, p->line, "a=%s: too many %s", p->attribute, what);
}

/* --- attributes of payload types --- */

struct sdp_format *sdp_find_format(struct sdp_media *media, uint64_t payload_type)
{
    for (size_t i = 0; i < media->format_count; i++)
        if (media->formats[i].format.payload_type == payload_type)
            return &media->formats[i];
    return NULL;
}

/* Reads the leading payload type. *ret_format is NULL if the m-line does not list it, which is not
 * an error: the attribute is then about nothing. */
static enum err take_format(struct sdp_parser *p, struct bytes *value,
                            struct sdp_format **ret_format)
{
    uint64_t payload_type;
    if (!sdp_number(sdp_cut(value, ' '), 127, &payload_type))
        return bad(p, "payload type is not a number from 0 to 127");
    *ret_format = sdp_find_format(p->media, payload_type);
    return OK;
}

/* 96 VP8/90000[/channels] */
static enum err on_rtpmap(struct sdp_parser *p, struct bytes value)
{
    struct sdp_format *f = NULL;
    enum err e = take_format(p, &value, &f);
    if (e != OK)
        return e;
    struct bytes name = sdp_cut(&value, '/');
    struct bytes clock = sdp_cut(&value, '/');
    uint64_t rate, channels = 1;
    if (!sdp_is_token(name, 64))
        return bad(p, "no encoding name");
    if (!sdp_number(clock, UINT32_MAX, &rate) || rate == 0)
        return bad(p, "clock rate is not a number");
    if (value.len > 0 && (!sdp_number(value, 255, &channels) || channels == 0))
        return bad(p, "channels is not a number from 1 to 255");
    if (f == NULL)
        return OK;
    if (f->name.len > 0)
        return bad(p, "payload type is mapped twice");
    f->name = name;
    f->format.codec = (uint8_t)codec_from_name(name);
    f->format.clock_rate = (uint32_t)rate;
    f->format.channels = (uint8_t)channels;
    return OK;
}

static enum err on_fmtp(struct sdp_parser *p, struct bytes value)
{
    struct sdp_format *f = NULL;
    enum err e = take_format(p, &value, &f);
    if (e != OK)
        return e;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] >= 0x7f)
            return bad(p, "parameters are not ASCII");
    if (f != NULL)
        f->fmtp = value;
    return OK;
}

static uint8_t feedback_of(struct bytes kind)
{
    if (sdp_is(kind, "nack"))
        return RTCP_FB_NACK;
    if (sdp_is(kind, "nack pli"))
        return RTCP_FB_NACK_PLI;
    if (sdp_is(kind, "ccm fir"))
        return RTCP_FB_CCM_FIR;
    if (sdp_is(kind, "transport-cc"))
        return RTCP_FB_TRANSPORT_CC;
    if (sdp_is(kind, "goog-remb"))
        return RTCP_FB_GOOG_REMB;
    return 0;
}

/* 96 nack pli, or "*" for all payload types of the m-line */
static enum err on_rtcp_fb(struct sdp_parser *p, struct bytes value)
{
    bool all = value.len > 1 && value.data[0] == '*' && value.data[1] == ' ';
    struct sdp_format *f = NULL;
    if (all) {
        (void)sdp_cut(&value, ' ');
    } else {
        enum err e = take_format(p, &value, &f);
        if (e != OK)
            return e;
    }
    uint8_t bit = feedback_of(value);
    for (size_t i = 0; all && i < p->media->format_count; i++)
        p->media->formats[i].format.feedback |= bit;
    if (f != NULL)
        f->format.feedback |= bit;
    return OK;
}

/* --- attributes of an m-line --- */

static bool direction_from(struct bytes text, enum sdp_direction *ret)
{
    static const char *const names[] = { [SDP_SENDRECV] = "sendrecv",
                                         [SDP_SENDONLY] = "sendonly",
                                         [SDP_RECVONLY] = "recvonly",
                                         [SDP_INACTIVE] = "inactive" };
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (sdp_is(text, names[i])) {
            *ret = (enum sdp_direction)i;
            return true;
        }
    }
    return false;
}

/* 3[/direction] uri [attributes] */
static enum err on_extmap(struct sdp_parser *p, struct bytes value)
{
    struct bytes head = sdp_cut(&value, ' ');
    struct bytes uri = sdp_cut(&value, ' ');
    uint64_t id;
    enum sdp_direction direction = SDP_SENDRECV;
    if (!sdp_number(sdp_cut(&head, '/'), UINT16_MAX, &id) || id == 0)
        return bad(p, "id is not a number from 1");
    if (head.len > 0 && !direction_from(head, &direction))
        return bad(p, "unknown direction");
    if (uri.len == 0)
        return bad(p, "no URI");
    enum rtp_ext_kind kind = rtp_ext_kind_from_uri(uri);
    if (kind == RTP_EXT_NONE)
        return OK;
    if (p->media->extmap_count == SDP_EXTMAPS_MAX)
        return full(p, "header extensions");
    p->media->extmaps[p->media->extmap_count++] = (struct sdp_extmap){
        .id = (uint16_t)id, .kind = (uint8_t)kind, .direction = (uint8_t)direction
    };
    return OK;
}

static bool is_rid(struct bytes id)
{
    if (!sdp_is_token(id, SDP_RID_MAX))
        return false;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i], lower = c | 0x20;
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

/* q send [pt=…;max-width=…] */
static enum err on_rid(struct sdp_parser *p, struct bytes value)
{
    struct bytes id = sdp_cut(&value, ' ');
    struct bytes direction = sdp_cut(&value, ' ');
    bool send = sdp_is(direction, "send");
    if (!is_rid(id))
        return bad(p, "id is not 1 to 16 letters, digits, '-' or '_'");
    if (!send && !sdp_is(direction, "recv"))
        return bad(p, "direction is not send or recv");
    if (p->media->rid_count == SDP_RIDS_MAX)
        return full(p, "streams");
    for (size_t i = 0; i < p->media->rid_count; i++)
        if (bytes_equal(p->media->rids[i].id, id))
            return bad(p, "id is used twice");
    p->media->rids[p->media->rid_count++] = (struct sdp_rid){ .id = id, .send = send };
    return OK;
}

/* send q;h,x;~f [recv …]: kept until all rid lines are known */
static enum err on_simulcast(struct sdp_parser *p, struct bytes value)
{
    for (unsigned i = 0; value.len > 0; i++) {
        struct bytes direction = sdp_cut(&value, ' ');
        struct bytes list = sdp_cut(&value, ' ');
        if (list.len == 0 || i == 2)
            return bad(p, "expected send or recv and a list of streams");
        if (sdp_is(direction, "send"))
            p->media->simulcast_send = list;
        else if (sdp_is(direction, "recv"))
            p->media->simulcast_recv = list;
        else
            return bad(p, "direction is not send or recv");
    }
    return OK;
}

static struct sdp_ssrc *find_ssrc(struct sdp_media *media, uint32_t ssrc)
{
    for (size_t i = 0; i < media->ssrc_count; i++)
        if (media->ssrcs[i].ssrc == ssrc)
            return &media->ssrcs[i];
    if (media->ssrc_count == SDP_SSRCS_MAX)
        return NULL;
    struct sdp_ssrc *added = &media->ssrcs[media->ssrc_count++];
    *added = (struct sdp_ssrc){ .ssrc = ssrc };
    return added;
}

/* 1377557088 cname:V3xzmN8yRCZFGIje */
static enum err on_ssrc(struct sdp_parser *p, struct bytes value)
{
    uint64_t number;
    if (!sdp_number(sdp_cut(&value, ' '), UINT32_MAX, &number))
        return bad(p, "SSRC is not a 32-bit number");
    struct sdp_ssrc *ssrc = find_ssrc(p->media, (uint32_t)number);
    if (ssrc == NULL)
        return full(p, "SSRCs");
    struct bytes name = sdp_cut(&value, ':');
    if (sdp_is(name, "cname"))
        ssrc->cname = value;
    return OK;
}

/* FID media rtx (RFC 5576 §4.2); other semantics are of no use to us */
static enum err on_ssrc_group(struct sdp_parser *p, struct bytes value)
{
    if (!sdp_is(sdp_cut(&value, ' '), "FID"))
        return OK;
    uint64_t media, rtx;
    if (!sdp_number(sdp_cut(&value, ' '), UINT32_MAX, &media) ||
        !sdp_number(sdp_cut(&value, ' '), UINT32_MAX, &rtx) || media == rtx)
        return bad(p, "FID needs two different SSRCs");
    struct sdp_ssrc *original = find_ssrc(p->media, (uint32_t)media);
    struct sdp_ssrc *repair = find_ssrc(p->media, (uint32_t)rtx);
    if (original == NULL || repair == NULL)
        return full(p, "SSRCs");
    original->rtx_ssrc = (uint32_t)rtx;
    repair->is_rtx = true;
    return OK;
}

static enum err on_mid(struct sdp_parser *p, struct bytes value)
{
    if (!sdp_is_token(value, SDP_MID_MAX))
        return bad(p, "not a token of 1 to 16 characters");
    p->media->mid = value;
    return OK;
}

static enum err on_msid(struct sdp_parser *p, struct bytes value)
{
    p->media->msid_stream = sdp_cut(&value, ' ');
    p->media->msid_track = sdp_cut(&value, ' ');
    return OK;
}

static enum err on_rtcp_mux(struct sdp_parser *p, struct bytes value)
{
    p->media->rtcp_mux = true;
    return OK;
}

static enum err on_rtcp_rsize(struct sdp_parser *p, struct bytes value)
{
    p->media->rtcp_rsize = true;
    return OK;
}

static enum err on_bundle_only(struct sdp_parser *p, struct bytes value)
{
    p->media->bundle_only = true;
    return OK;
}

/* --- attributes of an m-line or of the session --- */

static enum err on_ice_ufrag(struct sdp_parser *p, struct bytes value)
{
    if (!sdp_is_token(value, SDP_UFRAG_MAX) || value.len < 4)
        return bad(p, "not 4 to 256 characters");
    *(p->media != NULL ? &p->media->ice_ufrag : &p->sdp->ice_ufrag) = value;
    return OK;
}

static enum err on_ice_pwd(struct sdp_parser *p, struct bytes value)
{
    if (!sdp_is_token(value, SDP_PWD_MAX) || value.len < 22)
        return bad(p, "not 22 to 256 characters");
    *(p->media != NULL ? &p->media->ice_pwd : &p->sdp->ice_pwd) = value;
    return OK;
}

static enum err on_setup(struct sdp_parser *p, struct bytes value)
{
    enum sdp_setup *setup = p->media != NULL ? &p->media->setup : &p->sdp->setup;
    if (sdp_is_nocase(value, "actpass"))
        *setup = SDP_SETUP_ACTPASS;
    else if (sdp_is_nocase(value, "active"))
        *setup = SDP_SETUP_ACTIVE;
    else if (sdp_is_nocase(value, "passive"))
        *setup = SDP_SETUP_PASSIVE;
    else
        return bad(p, "not actpass, active or passive");
    return OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool hex_octets(struct bytes text, uint8_t *to, size_t count)
{
    if (text.len != count * 3 - 1)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(text.data[3 * i]), low = hex_digit(text.data[3 * i + 1]);
        if (high < 0 || low < 0 || (i > 0 && text.data[3 * i - 1] != ':'))
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* sha-256 C2:10:… ; other hash functions are skipped (RFC 8122 §5: several may be given) */
static enum err on_fingerprint(struct sdp_parser *p, struct bytes value)
{
    struct bytes name = sdp_cut(&value, ' ');
    struct sdp_fingerprint f = { 0 };
    if (sdp_is_nocase(name, "sha-256"))
        f = (struct sdp_fingerprint){ .hash = SDP_SHA256, .len = 32 };
    else if (sdp_is_nocase(name, "sha-384"))
        f = (struct sdp_fingerprint){ .hash = SDP_SHA384, .len = 48 };
    else if (sdp_is_nocase(name, "sha-512"))
        f = (struct sdp_fingerprint){ .hash = SDP_SHA512, .len = 64 };
    else
        return OK;
    if (!hex_octets(value, f.value, f.len))
        return bad(p, "not a hash of the right length in hexadecimal");
    struct sdp_fingerprint *list = p->media ? p->media->fingerprints : p->sdp->fingerprints;
    size_t *count = p->media ? &p->media->fingerprint_count : &p->sdp->fingerprint_count;
    if (*count == SDP_FINGERPRINTS_MAX)
        return full(p, "fingerprints");
    list[(*count)++] = f;
    return OK;
}

static enum err on_extmap_allow_mixed(struct sdp_parser *p, struct bytes value)
{
    *(p->media != NULL ? &p->media->extmap_allow_mixed : &p->sdp->extmap_allow_mixed) = true;
    return OK;
}

static enum err on_group(struct sdp_parser *p, struct bytes value)
{
    struct bytes semantics = sdp_cut(&value, ' ');
    if (p->media == NULL && sdp_is(semantics, "BUNDLE") && p->sdp->bundle.len == 0)
        p->sdp->bundle = value;
    return OK;
}

static enum err on_ice_lite(struct sdp_parser *p, struct bytes value)
{
    p->sdp->ice_lite = true;
    return OK;
}

static struct sdp_parsed_candidate *find_candidate(struct sdp *sdp,
                                                   const struct sdp_remote_candidate *c)
{
    for (size_t i = 0; i < sdp->candidate_count; i++)
        if (net_addr_equal(&sdp->candidates[i].candidate.address, &c->address))
            return &sdp->candidates[i];
    if (sdp->candidate_count == SDP_PARSED_CANDIDATES_MAX)
        return NULL;
    struct sdp_parsed_candidate *added = &sdp->candidates[sdp->candidate_count++];
    *added = (struct sdp_parsed_candidate){ .candidate = *c };
    return added;
}

/* Names, other components and other transports are of no use to us. */
static enum err on_candidate(struct sdp_parser *p, struct bytes value)
{
    struct sdp_remote_candidate c;
    enum err e = sdp_candidate_read(value, &c);
    if (e == ERR_MALFORMED)
        return bad(p, "not <foundation> <component> <transport> <priority> <address> <port> typ …");
    struct sdp_parsed_candidate *kept = e == OK ? find_candidate(p->sdp, &c) : NULL;
    if (kept != NULL)
        kept->media |= p->media != NULL ? 1ull << (p->media - p->sdp->media) : UINT64_MAX;
    return OK;
}

static enum err on_end_of_candidates(struct sdp_parser *p, struct bytes value)
{
    *(p->media != NULL ? &p->media->end_of_candidates : &p->sdp->end_of_candidates) = true;
    return OK;
}

static enum err on_sctp_port(struct sdp_parser *p, struct bytes value)
{
    uint64_t port;
    if (!sdp_number(value, UINT16_MAX, &port))
        return bad(p, "not a port");
    p->media->sctp_port = (uint16_t)port;
    return OK;
}

static enum err on_max_message_size(struct sdp_parser *p, struct bytes value)
{
    uint64_t size;
    if (!sdp_number(value, UINT64_MAX, &size))
        return bad(p, "not a number");
    p->media->max_message_size = (uint32_t)MIN(size, (uint64_t)UINT32_MAX);
    return OK;
}

enum level { SESSION = 1, MEDIA = 2, BOTH = 3 };

static const struct attribute {
    const char *name;
    enum level level;
    enum err (*on)(struct sdp_parser *p, struct bytes value);
} attributes[] = {
    { "rtpmap", MEDIA, on_rtpmap },
    { "fmtp", MEDIA, on_fmtp },
    { "rtcp-fb", MEDIA, on_rtcp_fb },
    { "extmap", MEDIA, on_extmap },
    { "rid", MEDIA, on_rid },
    { "simulcast", MEDIA, on_simulcast },
    { "ssrc", MEDIA, on_ssrc },
    { "ssrc-group", MEDIA, on_ssrc_group },
    { "mid", MEDIA, on_mid },
    { "msid", MEDIA, on_msid },
    { "rtcp-mux", MEDIA, on_rtcp_mux },
    { "rtcp-rsize", MEDIA, on_rtcp_rsize },
    { "sctp-port", MEDIA, on_sctp_port },
    { "max-message-size", MEDIA, on_max_message_size },
    { "bundle-only", MEDIA, on_bundle_only },
    { "ice-ufrag", BOTH, on_ice_ufrag },
    { "ice-pwd", BOTH, on_ice_pwd },
    { "setup", BOTH, on_setup },
    { "fingerprint", BOTH, on_fingerprint },
    { "extmap-allow-mixed", BOTH, on_extmap_allow_mixed },
    { "candidate", BOTH, on_candidate },
    { "end-of-candidates", BOTH, on_end_of_candidates },
    { "group", SESSION, on_group },
    { "ice-lite", SESSION, on_ice_lite },
};

enum err sdp_on_attribute(struct sdp_parser *p, struct bytes value)
{
    struct bytes name = sdp_cut(&value, ':');
    enum level here = p->media != NULL ? MEDIA : SESSION;
    if (direction_from(name, p->media != NULL ? &p->media->direction : &p->sdp->direction))
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        const struct attribute *a = &attributes[i];
        if ((a->level & here) == 0 || !sdp_is(name, a->name))
            continue;
        p->attribute = a->name;
        return a->on(p, value);
    }
    return OK;
}
