/* fuzz_sdp_client.c - a client among hostile servers. The first byte chooses:
 *
 *   even  the rest is a text: read as an answer to our offer and as a server's offer, which is
 *         answered as a client would
 *   odd   the rest makes an offer of ours: what is written must be read back the same, by our
 * server and, after its answer, by us
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/sdp_remote.h"

#include <stdio.h>

static struct sdp sdp, again;
static struct negotiated negotiated;
static struct sdp_remote remote;
static struct sdp_error error;
static uint8_t text[512 * 1024];
static struct sdp_slot slots[SDP_MEDIA_MAX];

/* The offer that texts answer, or the one that the input makes. */
static struct sdp_offer_media media[SDP_MEDIA_MAX];
static char mids[SDP_MEDIA_MAX][SDP_MID_MAX + 1];
static struct sdp_candidate candidates[SDP_CANDIDATES_MAX];

static struct sdp_offer offer_of(size_t media_count, size_t candidate_count)
{
    return (struct sdp_offer){
        .session_id = 1,
        .version = 1,
        .ice_ufrag = "abcd",
        .ice_pwd = "0123456789abcdefghijklmn",
        .fingerprint = { .hash = SDP_SHA256, .len = 32, .value = { 1 } },
        .candidates = candidates,
        .candidate_count = candidate_count,
        .cname = "c",
        .media = media,
        .media_count = media_count,
    };
}

static void check_error(void)
{
    check(error.text[0] != 0 && memchr(error.text, 0, sizeof(error.text)) != NULL);
}

static bool parse_written(const struct writer *w)
{
    return sdp_parse(bytes_of(text, writer_len(w)), &again, &error) == OK;
}

static void write_answer(void)
{
    for (size_t i = 0; i < negotiated.media_count; i++)
        slots[i] = (struct sdp_slot){
            .ssrc = (uint32_t)(10 + i), .rtx_ssrc = 1000, .stream = "s", .track = "t"
        };
    const struct sdp_answer a = {
        .session_id = 1,
        .ice_ufrag = "efgh",
        .ice_pwd = "nmlkjihgfedcba9876543210",
        .fingerprint = { .hash = SDP_SHA384, .len = 48, .value = { 2 } },
        .cname = "c",
        .slots = slots,
    };
    struct writer w = writer_of(text, sizeof(text));
    check(sdp_write_answer(&negotiated, &a, &w) == OK && parse_written(&w));
}

/* What holds whatever the server says. */
static void check_remote(const struct sdp *from)
{
    check(remote.media_count == from->media_count);
    check(remote.text_len >= 1 && remote.text_len <= SDP_REMOTE_TEXT_MAX);
    check(remote.text[remote.text_len - 1] == 0);
    check(remote.candidate_count <= SDP_REMOTE_CANDIDATES_MAX);
    for (size_t i = 0; i < remote.candidate_count; i++)
        check(net_addr_is_set(&remote.candidates[i].address) &&
              remote.candidates[i].address.port != 0);
    for (size_t i = 0; i < remote.media_count; i++) {
        const struct sdp_remote_media *m = &remote.media[i];
        check(memchr(m->mid, 0, sizeof(m->mid)) != NULL);
        check(m->accepted ? m->payload_type_count > 0 : m->direction == SDP_INACTIVE);
        check(m->payload_type_count <= SDP_REMOTE_PAYLOAD_TYPES_MAX);
        for (size_t p = 0; p < m->payload_type_count; p++)
            check(sdp_remote_format(&remote, m->payload_types[p])->codec != CODEC_NONE);
        check(m->rid_count <= SDP_RIDS_MAX);
        for (size_t r = 0; r < m->rid_count; r++)
            check(sdp_remote_text(&remote, m->rids_text[r])[0] != 0);
        check(strlen(sdp_remote_text(&remote, m->stream_text)) <= SDP_ID_MAX);
        check(strlen(sdp_remote_text(&remote, m->track_text)) <= SDP_ID_MAX);
        for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++)
            check((m->extensions & RTP_EXT_BIT(k)) == 0 || remote.ext.id_of[k] != 0);
    }
}

/* --- texts of a server --- */

/* An offer to which `sdp` could be an answer: its m-lines, everything offered. */
static struct sdp_offer offer_for_answer(void)
{
    for (size_t i = 0; i < sdp.media_count; i++) {
        struct bytes mid = sdp.media[i].mid;
        if (mid.len > 0)
            memcpy(mids[i], mid.data, mid.len);
        mids[i][mid.len] = 0;
        bool audio = sdp.media[i].kind == MEDIA_AUDIO;
        media[i] = (struct sdp_offer_media){
            .kind = audio ? MEDIA_AUDIO : MEDIA_VIDEO,
            .mid = mids[i],
            .direction = i % 3 == 0   ? SDP_SENDRECV
                         : i % 3 == 1 ? SDP_SENDONLY
                                      : SDP_RECVONLY,
            .extensions = audio ? SDP_OFFER_AUDIO_EXTENSIONS : SDP_OFFER_VIDEO_EXTENSIONS,
            .rids = { "q", "h", "f" },
            .rid_count = audio ? 0 : 3,
        };
        for (size_t c = 0; c < 4; c++)
            media[i].codecs[c] =
                audio ? (enum codec[]){ CODEC_OPUS, CODEC_RED, 0, 0 }[c]
                      : (enum codec[]){ CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 }[c];
    }
    return offer_of(sdp.media_count, 0);
}

static void read_answer_text(void)
{
    struct sdp_offer offer = offer_for_answer();
    if (sdp_remote_read_answer(&sdp, &offer, &remote, &error) != OK) {
        check_error();
        return;
    }
    check_remote(&sdp);
    for (size_t i = 0; i < remote.media_count; i++) {
        const struct sdp_remote_media *m = &remote.media[i];
        check((m->extensions & ~media[i].extensions) == 0);
        check(m->direction != SDP_SENDRECV || media[i].direction == SDP_SENDRECV);
        for (size_t p = 0; p < m->payload_type_count; p++)
            check(sdp_remote_format(&remote, m->payload_types[p])->codec ==
                  sdp_offer_format(m->payload_types[p]).codec);
    }
}

static void read_offer_text(void)
{
    struct sdp_policy policy = sdp_policy_client();
    bool read = sdp_remote_read_offer(&sdp, &remote, &error) == OK;
    if (read)
        check_remote(&sdp);
    else
        check_error();
    if (sdp_negotiate(&sdp, &policy, &negotiated, &error) != OK) {
        check_error();
        return;
    }
    write_answer();
    check(again.media_count == sdp.media_count && !again.ice_lite);
    for (size_t i = 0; i < again.media_count && read; i++) {
        enum negotiated_role role = negotiated.media[i].role;
        enum sdp_direction direction = (enum sdp_direction)remote.media[i].direction;
        if (role == ROLE_REJECTED || remote.format_count == SDP_REMOTE_FORMATS_MAX)
            continue;
        check(remote.media[i].accepted && again.media[i].ice_ufrag.len == 4);
        check((role == ROLE_PUBLISH) == (direction == SDP_RECVONLY || direction == SDP_SENDRECV));
        check(role != ROLE_SLOT || direction == SDP_SENDONLY);
        check((again.media[i].setup == SDP_SETUP_ACTIVE) == remote.dtls_client);
    }
}

/* --- offers of ours --- */

static void make_codecs(struct sdp_offer_media *m, uint8_t choice)
{
    static const enum codec video[] = { CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };
    if (m->kind == MEDIA_AUDIO) {
        m->codecs[0] = CODEC_OPUS;
        m->codecs[1] = (choice & 1) != 0 ? CODEC_RED : CODEC_NONE;
        return;
    }
    size_t count = 1 + (choice & 3);
    for (size_t i = 0; i < count; i++)
        m->codecs[i] = video[(i + (choice >> 2)) % ARRAY_LEN(video)];
}

static void make_media(struct reader *r, size_t index)
{
    static const char *const rids[] = { "q", "h", "f", "e-_9" };
    struct sdp_offer_media *m = &media[index];
    uint8_t flags = reader_u8(r);
    bool video = (flags & 1) != 0;
    (void)snprintf(mids[index], sizeof(mids[index]), "m%zu", index);
    *m = (struct sdp_offer_media){
        .kind = video ? MEDIA_VIDEO : MEDIA_AUDIO,
        .mid = mids[index],
        .direction = (enum sdp_direction)(flags >> 1 & 3),
        .extensions = reader_u16(r) & (RTP_EXT_BIT(RTP_EXT_KIND_COUNT) - 2),
    };
    make_codecs(m, reader_u8(r));
    if (m->direction == SDP_RECVONLY || m->direction == SDP_INACTIVE)
        return;
    m->rid_count = video && (flags & 8) != 0 ? 1 + (flags >> 4 & 3) : 0;
    for (size_t i = 0; i < m->rid_count; i++)
        m->rids[i] = rids[i];
    m->ssrc = m->rid_count > 0 ? 0 : reader_u32(r);
    m->rtx_ssrc = video && m->ssrc != 0 ? m->ssrc + 1 : 0;
    m->stream = (flags & 128) != 0 ? "stream" : NULL;
    m->track = mids[index];
    if (m->rid_count > 0)
        m->extensions |= SDP_OFFER_VIDEO_EXTENSIONS;
}

static size_t make_candidates(struct reader *r)
{
    size_t count = reader_u8(r) % (SDP_CANDIDATES_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        uint8_t flags = reader_u8(r);
        struct bytes ip = reader_take(r, (flags & 1) != 0 ? 16 : 4);
        uint8_t padded[16] = { 0 };
        if (ip.len > 0)
            memcpy(padded, ip.data, ip.len);
        struct net_addr a = (flags & 1) != 0 ? net_addr_ipv6(padded, 1) : net_addr_ipv4(padded, 1);
        char address[NET_ADDR_TEXT_SIZE];
        candidates[i] =
            (struct sdp_candidate){ .port = (uint16_t)(i + 1), .tcp = (flags & 2) != 0 };
        (void)snprintf(candidates[i].address, sizeof(candidates[i].address), "%s",
                       net_addr_format_ip(&a, address));
    }
    return count;
}

static enum sdp_direction reversed(enum sdp_direction d)
{
    return d == SDP_SENDONLY ? SDP_RECVONLY : d == SDP_RECVONLY ? SDP_SENDONLY : d;
}

/* Our offer, read as a client reads a server's: every member comes back. */
static void check_offer_read_back(const struct sdp_offer *o)
{
    check(sdp_remote_read_offer(&again, &remote, &error) == OK);
    check_remote(&again);
    check(remote.candidate_count == o->candidate_count && remote.end_of_candidates);
    for (size_t i = 0; i < o->candidate_count; i++) {
        char address[NET_ADDR_TEXT_SIZE];
        const struct sdp_remote_candidate *c = &remote.candidates[i];
        check(strcmp(net_addr_format_ip(&c->address, address), candidates[i].address) == 0);
        check(c->address.port == candidates[i].port);
        check((c->address.protocol == NET_TCP) == candidates[i].tcp);
    }
    for (size_t i = 0; i < o->media_count; i++) {
        const struct sdp_offer_media *m = &o->media[i];
        const struct sdp_remote_media *got = &remote.media[i];
        bool receives = got->direction == SDP_RECVONLY || got->direction == SDP_SENDRECV;
        check(got->accepted && got->kind == m->kind && strcmp(got->mid, m->mid) == 0);
        check(got->direction == reversed(m->direction) && got->extensions == m->extensions);
        check(got->ssrc == (receives ? m->ssrc : 0));
        check(got->rtx_ssrc == (receives ? m->rtx_ssrc : 0));
        size_t p = 0;
        for (const enum codec *c = m->codecs; *c != CODEC_NONE; c++) {
            check(got->payload_types[p++] == sdp_offer_payload_type(*c));
            if (sdp_offer_rtx_payload_type(*c) != 0)
                check(got->payload_types[p++] == sdp_offer_rtx_payload_type(*c));
        }
        check(got->payload_type_count == p);
    }
}

/* Our server's answer to it, read by us. */
static void check_answer_read_back(const struct sdp_offer *o)
{
    struct sdp_policy policy = sdp_policy_default();
    check(sdp_negotiate(&again, &policy, &negotiated, &error) == OK);
    write_answer();
    check(sdp_remote_read_answer(&again, o, &remote, &error) == OK);
    check_remote(&again);
    check(remote.ice_lite && remote.dtls_client && remote.fingerprints[0].hash == SDP_SHA384);
    for (size_t i = 0; i < o->media_count; i++) {
        const struct sdp_offer_media *m = &o->media[i];
        const struct sdp_remote_media *got = &remote.media[i];
        check(got->accepted && got->rid_count == m->rid_count);
        check(got->direction == (m->direction == SDP_SENDRECV ? SDP_SENDONLY : m->direction));
        check(got->ssrc == (m->direction == SDP_RECVONLY ? 10 + i : 0));
        check(got->extensions == (m->extensions & policy.extensions));
        for (size_t r = 0; r < m->rid_count; r++)
            check(strcmp(sdp_remote_text(&remote, got->rids_text[r]), m->rids[r]) == 0);
    }
}

static void round_trip(struct reader *r)
{
    size_t count = 1 + reader_u8(r) % SDP_MEDIA_MAX;
    struct sdp_offer o = offer_of(count, make_candidates(r));
    for (size_t i = 0; i < count; i++)
        make_media(r, i);
    struct writer w = writer_of(text, sizeof(text));
    check(sdp_write_offer(&o, &w) == OK && parse_written(&w));
    check_offer_read_back(&o);
    check_answer_read_back(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = reader_of(bytes_of(data, len));
    memset(&error, 0, sizeof(error));
    if ((reader_u8(&r) & 1) != 0) {
        round_trip(&r);
        return 0;
    }
    struct sdp_remote_candidate candidate;
    struct bytes rest = reader_take(&r, reader_left(&r));
    if (sdp_candidate_parse(rest, &candidate) == OK)
        check(net_addr_is_set(&candidate.address));
    if (sdp_parse(rest, &sdp, &error) != OK) {
        check_error();
        return 0;
    }
    read_answer_text();
    read_offer_text();
    return 0;
}
