/* sdp_offer.c - writing the one offer of a client of ours.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp_offer.h"

#include "rtc/sdp_lines.h"

#include <stdio.h>

#define VIDEO_FEEDBACK                                                                             \
    (RTCP_FB_GOOG_REMB | RTCP_FB_TRANSPORT_CC | RTCP_FB_CCM_FIR | RTCP_FB_NACK | RTCP_FB_NACK_PLI)

static const struct offered {
    struct format format;
    const char *fmtp;
    uint8_t rtx; /* its RTX payload type; 0: none */
} offered[CODEC_COUNT] = {
    [CODEC_OPUS] = { .format = { .codec = CODEC_OPUS,
                                 .payload_type = 111,
                                 .channels = 2,
                                 .feedback = RTCP_FB_TRANSPORT_CC,
                                 .clock_rate = 48000 },
                     .fmtp = "minptime=10;useinbandfec=1" },
    [CODEC_RED] = { .format = { .codec = CODEC_RED,
                                .payload_type = 112,
                                .channels = 2,
                                .apt = 111,
                                .clock_rate = 48000 },
                    .fmtp = "111/111" },
    [CODEC_VP8] = { .format = { .codec = CODEC_VP8,
                                .payload_type = 96,
                                .channels = 1,
                                .feedback = VIDEO_FEEDBACK,
                                .clock_rate = 90000 },
                    .fmtp = "",
                    .rtx = 97 },
    [CODEC_VP9] = { .format = { .codec = CODEC_VP9,
                                .payload_type = 98,
                                .channels = 1,
                                .feedback = VIDEO_FEEDBACK,
                                .clock_rate = 90000 },
                    .fmtp = "profile-id=0",
                    .rtx = 99 },
    [CODEC_H264] = { .format = { .codec = CODEC_H264,
                                 .payload_type = 102,
                                 .channels = 1,
                                 .profile = H264_PROFILE_CONSTRAINED_BASELINE,
                                 .level = 0x1f,
                                 .packetization_mode = 1,
                                 .feedback = VIDEO_FEEDBACK,
                                 .clock_rate = 90000 },
                     .fmtp = "level-asymmetry-allowed=1;packetization-mode=1;"
                             "profile-level-id=42e01f",
                     .rtx = 103 },
    [CODEC_AV1] = { .format = { .codec = CODEC_AV1,
                                .payload_type = 104,
                                .channels = 1,
                                .feedback = VIDEO_FEEDBACK,
                                .clock_rate = 90000 },
                    .fmtp = "level-idx=5;profile=0;tier=0",
                    .rtx = 105 },
};

uint8_t sdp_offer_payload_type(enum codec codec)
{
    check((unsigned)codec < CODEC_COUNT);
    return offered[codec].format.payload_type;
}

uint8_t sdp_offer_rtx_payload_type(enum codec codec)
{
    check((unsigned)codec < CODEC_COUNT);
    return offered[codec].rtx;
}

struct format sdp_offer_format(uint8_t payload_type)
{
    for (size_t i = 0; i < CODEC_COUNT && payload_type != 0; i++) {
        const struct format *f = &offered[i].format;
        if (f->payload_type == payload_type)
            return *f;
        if (offered[i].rtx == payload_type)
            return (struct format){ .codec = CODEC_RTX,
                                    .payload_type = payload_type,
                                    .channels = 1,
                                    .apt = f->payload_type,
                                    .clock_rate = f->clock_rate };
    }
    return (struct format){ .codec = CODEC_NONE };
}

uint8_t sdp_offer_extension_id(enum rtp_ext_kind kind)
{
    static_assert(RTP_EXT_KIND_COUNT <= 15, "ids fit the one-byte form");
    check(kind > RTP_EXT_NONE && kind < RTP_EXT_KIND_COUNT);
    return (uint8_t)kind;
}

static void put_session(const struct sdp_offer *o, struct writer *w)
{
    writer_printf(w,
                  "v=0\r\n"
                  "o=- %llu %llu IN IP4 127.0.0.1\r\n"
                  "s=-\r\n"
                  "t=0 0\r\n"
                  "a=group:BUNDLE",
                  (unsigned long long)o->session_id, (unsigned long long)o->version);
    for (size_t i = 0; i < o->media_count; i++)
        writer_printf(w, " %s", o->media[i].mid);
    writer_printf(w, "\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n");
}

static void put_payload_types(const struct sdp_offer_media *m, struct writer *w)
{
    bool opus = false;
    for (const enum codec *c = m->codecs; *c != CODEC_NONE; c++) {
        check(offered[*c].format.payload_type != 0 && codec_kind(*c) == m->kind);
        opus = opus || *c == CODEC_OPUS;
        writer_printf(w, " %u", offered[*c].format.payload_type);
        if (offered[*c].rtx != 0)
            writer_printf(w, " %u", offered[*c].rtx);
    }
    check(m->kind == MEDIA_VIDEO || opus);
}

static void put_formats(const struct sdp_offer_media *m, struct writer *w)
{
    bool twcc = (m->extensions & RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC)) != 0;
    for (const enum codec *c = m->codecs; *c != CODEC_NONE; c++) {
        struct format f = offered[*c].format;
        if (!twcc)
            f.feedback &= (uint8_t)~RTCP_FB_TRANSPORT_CC;
        sdp_put_format(&f, offered[*c].fmtp, w);
        if (offered[*c].rtx == 0)
            continue;
        struct format rtx = sdp_offer_format(offered[*c].rtx);
        char apt[sizeof("apt=255")];
        check((size_t)snprintf(apt, sizeof(apt), "apt=%u", rtx.apt) < sizeof(apt));
        sdp_put_format(&rtx, apt, w);
    }
}

static void put_extensions(const struct sdp_offer_media *m, struct writer *w)
{
    for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++)
        if ((m->extensions & RTP_EXT_BIT(k)) != 0)
            writer_printf(w, "a=extmap:%u %s\r\n", sdp_offer_extension_id((enum rtp_ext_kind)k),
                          rtp_ext_uri((enum rtp_ext_kind)k));
}

static void put_simulcast(const struct sdp_offer_media *m, struct writer *w)
{
    uint32_t needed =
        RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_RID) | RTP_EXT_BIT(RTP_EXT_REPAIRED_RID);
    check(m->rid_count <= SDP_RIDS_MAX && (m->extensions & needed) == needed);
    for (size_t i = 0; i < m->rid_count; i++)
        writer_printf(w, "a=rid:%s send\r\n", m->rids[i]);
    for (size_t i = 0; i < m->rid_count; i++)
        writer_printf(w, "%s%s", i == 0 ? "a=simulcast:send " : ";", m->rids[i]);
    writer_printf(w, "\r\n");
}

/* With rids no SSRC is signaled: the streams name themselves (RFC 8853 §5). */
static void put_sender(const struct sdp_offer *o, const struct sdp_offer_media *m, struct writer *w)
{
    const struct sdp_slot stream = { .ssrc = m->rid_count > 0 ? 0 : m->ssrc,
                                     .rtx_ssrc = m->rtx_ssrc,
                                     .stream = m->stream,
                                     .track = m->track };
    sdp_put_stream(&stream, o->cname, w);
    if (m->rid_count > 0)
        put_simulcast(m, w);
}

static void put_media(const struct sdp_offer *o, const struct sdp_offer_media *m, struct writer *w)
{
    check(m->kind == MEDIA_AUDIO || m->kind == MEDIA_VIDEO);
    check(m->codecs[0] != CODEC_NONE);
    writer_printf(w, "m=%s 9 UDP/TLS/RTP/SAVPF", m->kind == MEDIA_AUDIO ? "audio" : "video");
    put_payload_types(m, w);
    writer_printf(w, "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:%s\r\na=%s\r\n",
                  m->mid, sdp_direction_name(m->direction));
    sdp_put_transport(o->ice_ufrag, o->ice_pwd, &o->fingerprint, "actpass", w);
    if (m == o->media)
        sdp_put_candidates(o->candidates, o->candidate_count, "active", w);
    writer_printf(w, "a=rtcp-mux\r\na=rtcp-rsize\r\n");
    put_extensions(m, w);
    put_formats(m, w);
    if (m->direction == SDP_SENDONLY || m->direction == SDP_SENDRECV)
        put_sender(o, m, w);
}

enum err sdp_write_offer(const struct sdp_offer *o, struct writer *w)
{
    check(o->media_count > 0 && o->media_count <= SDP_MEDIA_MAX);
    put_session(o, w);
    for (size_t i = 0; i < o->media_count; i++)
        put_media(o, &o->media[i], w);
    return w->failed ? ERR_FULL : OK;
}
