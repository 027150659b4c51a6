/* sdp_lines.c - the lines that offers and answers of ours have in common.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_lines.h"

void sdp_put_transport(const char *ufrag, const char *pwd, const struct sdp_fingerprint *f,
                       const char *setup, struct writer *w)
{
    static const char *const names[] = {
        [SDP_SHA256] = "sha-256", [SDP_SHA384] = "sha-384", [SDP_SHA512] = "sha-512"
    };
    check(f->hash >= SDP_SHA256 && f->hash <= SDP_SHA512);
    writer_printf(w, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:%s ", ufrag, pwd,
                  names[f->hash]);
    for (size_t i = 0; i < f->len; i++)
        writer_printf(w, i == 0 ? "%02X" : ":%02X", f->value[i]);
    writer_printf(w, "\r\na=setup:%s\r\n", setup);
}

/* RFC 8445 §5.1.2.1: type preference of host candidates, UDP before TCP, earlier before later. */
static uint32_t priority_of(const struct sdp_candidate *c, size_t index)
{
    if (c->priority != 0)
        return c->priority;
    uint32_t type = c->tcp ? 90 : 126;
    return type << 24 | (uint32_t)(65535 - index) << 8 | 255;
}

void sdp_put_candidates(const struct sdp_candidate *list, size_t count, const char *tcptype,
                        struct writer *w)
{
    check(count <= SDP_CANDIDATES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct sdp_candidate *c = &list[i];
        writer_printf(w, "a=candidate:%zu 1 %s %u %s %u typ host%s%s\r\n", i + 1,
                      c->tcp ? "tcp" : "udp", priority_of(c, i), c->address, c->port,
                      c->tcp ? " tcptype " : "", c->tcp ? tcptype : "");
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

void sdp_put_format(const struct format *f, const char *fmtp, struct writer *w)
{
    writer_printf(w, "a=rtpmap:%u %s/%u", f->payload_type, codec_name((enum codec)f->codec),
                  f->clock_rate);
    if (f->channels > 1)
        writer_printf(w, "/%u", f->channels);
    writer_printf(w, "\r\n");
    put_feedback(f->payload_type, f->feedback, w);
    if (fmtp[0] != 0)
        writer_printf(w, "a=fmtp:%u %s\r\n", f->payload_type, fmtp);
}

void sdp_put_stream(const struct sdp_slot *s, const char *cname, struct writer *w)
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

const char *sdp_direction_name(enum sdp_direction d)
{
    static const char *const names[] = { [SDP_SENDRECV] = "sendrecv",
                                         [SDP_SENDONLY] = "sendonly",
                                         [SDP_RECVONLY] = "recvonly",
                                         [SDP_INACTIVE] = "inactive" };
    check((unsigned)d < ARRAY_LEN(names));
    return names[d];
}
