/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "rtc/sdp.h"

#include <stdio.h>
#include <stdlib.h>

static struct sdp sdp, answered;
static struct negotiated n;
static struct sdp_error error;
static char text[SDP_TEXT_MAX + 2];
static char answer[SDP_ANSWER_SIZE_MAX];

static struct bytes read_vector(const char *name)
{
    char path[512];
    assert_true((size_t)snprintf(path, sizeof(path), "%s/sdp/%s", getenv("VECTORS"), name) <
                sizeof(path));
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    assert_in_range(len, 100, SDP_TEXT_MAX);
    return bytes_of(text, len);
}

static enum err negotiate_with(struct bytes offer, const struct sdp_policy *policy)
{
    memset(&error, 0, sizeof(error));
    enum err e = sdp_parse(offer, &sdp, &error);
    return e != OK ? e : sdp_negotiate(&sdp, policy, &n, &error);
}

static enum err negotiate(struct bytes offer)
{
    struct sdp_policy policy = sdp_policy_default();
    return negotiate_with(offer, &policy);
}

/* Our answer to what is negotiated, parsed again into `answered`. */
static const char *write_answer(void)
{
    static struct sdp_slot slots[SDP_MEDIA_MAX];
    for (size_t i = 0; i < n.media_count; i++)
        slots[i] = (struct sdp_slot){
            .ssrc = (uint32_t)(100 + i),
            .rtx_ssrc = n.media[i].kind == MEDIA_VIDEO ? (uint32_t)(200 + i) : 0,
            .stream = "slots",
            .track = "t",
        };
    const struct sdp_candidate candidates[] = {
        { .address = "192.0.2.7", .port = 40000 },
        { .address = "2001:db8::7", .port = 40001, .tcp = true }
    };
    const struct sdp_answer a = {
        .session_id = 42,
        .ice_ufrag = "ufra",
        .ice_pwd = "0123456789abcdefghijkl",
        .fingerprint = { .hash = SDP_SHA256, .len = 32, .value = { 0xab } },
        .candidates = candidates,
        .candidate_count = 2,
        .cname = "conclave",
        .slots = slots,
    };
    struct writer w = writer_of(answer, sizeof(answer) - 1);
    assert_int_equal(sdp_write_answer(&n, &a, &w), OK);
    answer[writer_len(&w)] = 0;
    enum err e = sdp_parse(bytes_of(answer, writer_len(&w)), &answered, &error);
    if (e != OK)
        fail_msg("our own answer: %s", error.text);
    return answer;
}

/* A small offer; the lines of the m-line and of the session can be replaced. */
#define SESSION "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
#define FINGERPRINT                                                                                \
    "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:"  \
    "17:18:19:1a:1b:1c:1d:1e:1f\r\n"
#define ICE       "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
#define TRANSPORT ICE FINGERPRINT "a=setup:actpass\r\na=rtcp-mux\r\n"
#define AUDIO     "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n"
#define VIDEO     "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n"

static struct bytes str(const char *s)
{
    return bytes_of_str(s);
}

static void chromium_offer_is_understood(void **state)
{
    assert_int_equal(negotiate(read_vector("chromium-offer.sdp")), OK);
    assert_int_equal(n.media_count, 17);
    assert_int_equal(n.fingerprint_count, 1);
    assert_int_equal(n.fingerprints[0].len, 32);
    assert_false(n.dtls_client);
    assert_true(n.ext.allow_mixed);
    const struct negotiated_media *microphone = &n.media[0], *camera = &n.media[1];
    assert_int_equal(microphone->role, ROLE_PUBLISH);
    assert_int_equal(microphone->payload_type_count, 2);
    assert_int_equal(microphone->payload_types[0], 111);
    assert_int_equal(n.formats[111].codec, CODEC_OPUS);
    assert_int_equal(n.formats[63].codec, CODEC_RED);
    assert_int_equal(n.formats[63].apt, 111);
    assert_true(microphone->ssrc != 0);
    assert_int_equal(camera->role, ROLE_PUBLISH);
    assert_int_equal(camera->rid_count, 3);
    assert_string_equal(camera->rids[0].id, "q");
    assert_string_equal(camera->rids[2].id, "f");
    assert_int_equal(camera->payload_types[0], 96);
    assert_int_equal(camera->payload_types[1], 97);
    assert_int_equal(n.formats[97].codec, CODEC_RTX);
    assert_int_equal(n.formats[97].apt, 96);
    assert_int_equal(n.formats[96].feedback, RTCP_FB_NACK | RTCP_FB_NACK_PLI | RTCP_FB_CCM_FIR |
                                                 RTCP_FB_TRANSPORT_CC | RTCP_FB_GOOG_REMB);
    assert_int_equal(n.ext.id_of[RTP_EXT_AUDIO_LEVEL], 1);
    assert_int_equal(n.ext.id_of[RTP_EXT_RID], 10);
    assert_int_equal(n.ext.id_of[RTP_EXT_DEPENDENCY_DESCRIPTOR], 12);
    for (size_t i = 4; i < 17; i++) {
        assert_int_equal(n.media[i].role, ROLE_SLOT);
        assert_int_equal(n.media[i].kind, i < 8 ? MEDIA_AUDIO : MEDIA_VIDEO);
    }
    /* a camera's codecs can all be forwarded into a slot */
    for (size_t i = 0; i < camera->payload_type_count; i++)
        assert_non_null(memchr(n.media[8].payload_types, camera->payload_types[i],
                               n.media[8].payload_type_count));
}

static void answer_mirrors_the_offer(void **state)
{
    static const char *const names[] = { "chromium-offer.sdp", "firefox-offer.sdp" };
    for (size_t v = 0; v < ARRAY_LEN(names); v++) {
        assert_int_equal(negotiate(read_vector(names[v])), OK);
        const char *written_answer = write_answer();
        assert_non_null(strstr(written_answer, "a=ice-lite\r\n"));
        assert_non_null(
            strstr(written_answer, "a=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host\r\n"));
        assert_non_null(strstr(written_answer, "40001 typ host tcptype passive\r\n"));
        assert_non_null(strstr(written_answer, "a=simulcast:recv q;h;f\r\n"));
        assert_int_equal(answered.media_count, sdp.media_count);
        for (size_t i = 0; i < sdp.media_count; i++) {
            const struct sdp_media *a = &answered.media[i];
            assert_true(bytes_equal(a->mid, sdp.media[i].mid));
            assert_int_equal(a->kind, sdp.media[i].kind);
            assert_int_equal(a->port, 9);
            assert_int_equal(a->setup, SDP_SETUP_PASSIVE);
            assert_int_equal(a->direction, i < 4 ? SDP_RECVONLY : SDP_SENDONLY);
            assert_int_equal(a->fingerprints[0].value[0], 0xab);
            if (i < 4)
                continue;
            assert_int_equal(a->ssrcs[0].ssrc, 100 + i);
            assert_int_equal(a->ssrcs[0].rtx_ssrc, a->kind == MEDIA_VIDEO ? 200 + i : 0);
        }
    }
}

static void firefox_offer_is_understood(void **state)
{
    assert_int_equal(negotiate(read_vector("firefox-offer.sdp")), OK);
    assert_int_equal(n.media_count, 17);
    assert_int_equal(n.fingerprint_count, 1); /* from the session */
    assert_string_equal(n.ice_ufrag, "7c1d9b2e");
    assert_int_equal(n.media[1].role, ROLE_PUBLISH); /* bundle-only, port 0 */
    assert_int_equal(n.media[1].rid_count, 3);
    assert_int_equal(n.formats[120].codec, CODEC_VP8);
    assert_int_equal(n.formats[97].packetization_mode, 0);
    assert_int_equal(n.formats[126].profile, H264_PROFILE_CONSTRAINED_BASELINE);
    assert_true(n.media[2].ssrc != 0 && n.media[2].rtx_ssrc == n.media[2].ssrc + 1);
    /* offered for sending only: answered for receiving only, and not taken for slots */
    assert_non_null(strstr(write_answer(),
                           "a=extmap:8/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"));
    assert_int_equal(n.media[8].extensions & RTP_EXT_BIT(RTP_EXT_RID), 0);
}

/* Encoders that publish by WHIP: no extensions, no simulcast, few feedback messages. */
static void offers_of_encoders_are_understood(void **state)
{
    static const struct {
        const char *name;
        size_t audio; /* index of its m-line */
        enum codec video;
        bool dtls_client;
        uint32_t video_ssrc;
    } offers[] = {
        { "gst-whip-vp8.sdp", 1, CODEC_VP8, false, 0 },
        { "gst-whip-h264.sdp", 1, CODEC_H264, false, 0 },
        { "obs-offer.sdp", 0, CODEC_H264, false, 1711045002 },
        { "ffmpeg-offer.sdp", 0, CODEC_H264, true, 2846271539 },
    };
    for (size_t v = 0; v < ARRAY_LEN(offers); v++) {
        assert_int_equal(negotiate(read_vector(offers[v].name)), OK);
        assert_int_equal(n.media_count, 2);
        assert_int_equal(n.dtls_client, offers[v].dtls_client);
        const struct negotiated_media *audio = &n.media[offers[v].audio];
        const struct negotiated_media *video = &n.media[1 - offers[v].audio];
        assert_int_equal(audio->role, ROLE_PUBLISH);
        assert_int_equal(n.formats[audio->payload_types[0]].codec, CODEC_OPUS);
        assert_true(audio->ssrc != 0);
        assert_int_equal(video->role, ROLE_PUBLISH);
        assert_int_equal(n.formats[video->payload_types[0]].codec, offers[v].video);
        assert_int_equal(video->payload_type_count, 1);
        assert_int_equal(video->rid_count, 0);
        assert_int_equal(video->extensions, 0);
        assert_true(video->ssrc != 0 && video->ssrc != audio->ssrc);
        assert_true(offers[v].video_ssrc == 0 || video->ssrc == offers[v].video_ssrc);
        const char *text_of_answer = write_answer();
        assert_null(strstr(text_of_answer, "a=extmap:"));
        assert_null(strstr(text_of_answer, "rtx"));
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(answered.media[i].direction, SDP_RECVONLY);
            assert_int_equal(answered.media[i].setup,
                             offers[v].dtls_client ? SDP_SETUP_ACTIVE : SDP_SETUP_PASSIVE);
        }
    }
}

static void an_offer_that_only_watches_gets_slots(void **state)
{
    assert_int_equal(negotiate(read_vector("gst-whep.sdp")), OK);
    assert_int_equal(n.media_count, 2);
    assert_int_equal(n.media[0].role, ROLE_SLOT);
    assert_int_equal(n.media[1].role, ROLE_SLOT);
    write_answer();
    assert_int_equal(answered.media[0].direction, SDP_SENDONLY);
    assert_int_equal(answered.media[0].ssrcs[0].ssrc, 100);
}

static void refusals_name_line_and_reason(void **state)
{
    static const struct {
        const char *offer;
        enum err expected;
        unsigned line;
        const char *text;
    } refused[] = {
        { "", ERR_MALFORMED, 0, "the description is empty" },
        { "v=1\r\n", ERR_MALFORMED, 1, "line 1: the first line is not v=0" },
        { "v=0\r\nhello\r\n", ERR_MALFORMED, 2, "line 2: not of the form <letter>=<value>" },
        { "v=0\r\ns=a\tb\r\n", ERR_MALFORMED, 2, "line 2: control character" },
        { SESSION, ERR_UNSUPPORTED, 0, "the offer has no m-lines" },
        { SESSION "m=audio nine UDP/TLS/RTP/SAVPF 1\r\n", ERR_MALFORMED, 6,
          "line 6: m=: port is not a number" },
        { SESSION "m=audio 9 UDP/TLS/RTP/SAVPF x\r\n", ERR_MALFORMED, 6,
          "line 6: m=: payload type is not a number from 0 to 127" },
        { SESSION "m=audio 9 UDP/TLS/RTP/SAVPF 1 1\r\n", ERR_MALFORMED, 6,
          "line 6: m=: payload type is listed twice" },
        { SESSION "m=audio 9\r\n", ERR_MALFORMED, 6, "line 6: m=: no protocol" },
        { SESSION AUDIO "a=rtpmap:x opus/48000/2\r\n", ERR_MALFORMED, 9,
          "line 9: a=rtpmap: payload type is not a number from 0 to 127" },
        { SESSION AUDIO "a=rtpmap:111 opus/x\r\n", ERR_MALFORMED, 9,
          "line 9: a=rtpmap: clock rate is not a number" },
        { SESSION AUDIO "a=rtpmap:111 opus/48000\r\n", ERR_MALFORMED, 9,
          "line 9: a=rtpmap: payload type is mapped twice" },
        { SESSION AUDIO "a=extmap:0 urn:x\r\n", ERR_MALFORMED, 9,
          "line 9: a=extmap: id is not a number from 1" },
        { SESSION AUDIO "a=ice-pwd:short\r\n", ERR_MALFORMED, 9,
          "line 9: a=ice-pwd: not 22 to 256 characters" },
        { SESSION AUDIO "a=setup:perhaps\r\n", ERR_MALFORMED, 9,
          "line 9: a=setup: not actpass, active or passive" },
        { SESSION AUDIO "a=fingerprint:sha-256 00:11\r\n", ERR_MALFORMED, 9,
          "line 9: a=fingerprint: not a hash of the right length in hexadecimal" },
        { SESSION AUDIO "a=rid:a:b send\r\n", ERR_MALFORMED, 9,
          "line 9: a=rid: id is not 1 to 16 letters, digits, '-' or '_'" },
        { SESSION AUDIO "a=ssrc:12345678901 cname:x\r\n", ERR_MALFORMED, 9,
          "line 9: a=ssrc: SSRC is not a 32-bit number" },
        { SESSION AUDIO "a=mid:12345678901234567\r\n", ERR_MALFORMED, 9,
          "line 9: a=mid: not a token of 1 to 16 characters" },
        { "v=0\r\n" AUDIO TRANSPORT, ERR_UNSUPPORTED, 0,
          "the offer does not bundle its m-lines (a=group:BUNDLE)" },
        { SESSION AUDIO FINGERPRINT "a=setup:actpass\r\na=rtcp-mux\r\n", ERR_UNSUPPORTED, 6,
          "line 6: the offer has no ICE credentials (a=ice-ufrag, a=ice-pwd)" },
        { SESSION AUDIO ICE "a=fingerprint:sha-1 00\r\na=setup:actpass\r\na=rtcp-mux\r\n",
          ERR_UNSUPPORTED, 6,
          "line 6: the offer has no DTLS fingerprint (a=fingerprint, sha-256 or better)" },
        { SESSION AUDIO ICE FINGERPRINT "a=setup:actpass\r\n", ERR_UNSUPPORTED, 6,
          "line 6: mid 0: a=rtcp-mux is required" },
        { SESSION AUDIO ICE FINGERPRINT "a=rtcp-mux\r\n", ERR_UNSUPPORTED, 6,
          "line 6: the offer does not say who starts DTLS (a=setup)" },
        { SESSION AUDIO TRANSPORT AUDIO TRANSPORT, ERR_MALFORMED, 23, "mid 0 is used twice" },
        { SESSION "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n" TRANSPORT, ERR_UNSUPPORTED, 0,
          "no m-line of the offer can be accepted (opus, VP8, H264, VP9 or AV1)" },
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_int_equal(negotiate(str(refused[i].offer)), refused[i].expected);
        if (strstr(error.text, refused[i].text) == NULL)
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, error.text, refused[i].text);
        if (strstr(refused[i].text, "twice") == NULL)
            assert_int_equal(error.line, refused[i].line);
    }
}

static void limits_are_enforced(void **state)
{
    memset(text, 'a', sizeof(text));
    assert_int_equal(negotiate(bytes_of(text, SDP_TEXT_MAX + 1)), ERR_FULL);
    memcpy(text, "v=0\ns=", 6);
    text[SDP_LINE_MAX + 10] = '\n';
    assert_int_equal(negotiate(bytes_of(text, SDP_LINE_MAX + 11)), ERR_FULL);
    assert_string_equal(error.text, "line 2: longer than 4096 bytes");
    struct writer w = writer_of(text, sizeof(text));
    writer_printf(&w, "v=0\r\n");
    for (int i = 0; i <= SDP_MEDIA_MAX; i++)
        writer_printf(&w, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n");
    assert_int_equal(negotiate(written(&w)), ERR_FULL);
    assert_string_equal(error.text, "line 66: m=: too many m-lines");
    w = writer_of(text, sizeof(text));
    writer_printf(&w, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF");
    for (int i = 0; i <= SDP_FORMATS_MAX; i++)
        writer_printf(&w, " %d", i);
    writer_printf(&w, "\r\n");
    assert_int_equal(negotiate(written(&w)), ERR_FULL);
}

static void line_ends_may_be_bare(void **state)
{
    char bare[2048];
    struct writer w = writer_of(bare, sizeof(bare));
    for (const char *c = SESSION AUDIO TRANSPORT; *c != 0; c++)
        if (*c != '\r')
            writer_u8(&w, (uint8_t)*c);
    assert_int_equal(negotiate(written(&w)), OK);
    assert_string_equal(n.ice_ufrag, "abcd");
    assert_int_equal(n.fingerprints[0].value[31], 0x1f);
}

static void directions_become_roles(void **state)
{
    static const struct {
        const char *line;
        enum negotiated_role role;
        enum sdp_direction answer;
    } directions[] = { { "a=sendonly\r\n", ROLE_PUBLISH, SDP_RECVONLY },
                       { "a=sendrecv\r\n", ROLE_PUBLISH, SDP_RECVONLY },
                       { "", ROLE_PUBLISH, SDP_RECVONLY },
                       { "a=recvonly\r\n", ROLE_SLOT, SDP_SENDONLY },
                       { "a=inactive\r\n", ROLE_INACTIVE, SDP_INACTIVE } };
    for (size_t i = 0; i < ARRAY_LEN(directions); i++) {
        char offer[2048];
        (void)snprintf(offer, sizeof(offer), SESSION AUDIO TRANSPORT "%s", directions[i].line);
        assert_int_equal(negotiate(str(offer)), OK);
        assert_int_equal(n.media[0].role, directions[i].role);
        (void)write_answer();
        assert_int_equal(answered.media[0].direction, directions[i].answer);
    }
}

static void passive_offer_makes_us_start_dtls(void **state)
{
    assert_int_equal(
        negotiate(str(SESSION AUDIO ICE FINGERPRINT "a=setup:passive\r\na=rtcp-mux\r\n")), OK);
    assert_true(n.dtls_client);
    (void)write_answer();
    assert_int_equal(answered.media[0].setup, SDP_SETUP_ACTIVE);
}

static void data_channel_and_unknown_media_are_rejected_alone(void **state)
{
    assert_int_equal(negotiate(str("v=0\r\na=group:BUNDLE 0 d\r\n" AUDIO TRANSPORT
                                   "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                                   "a=mid:d\r\na=sctp-port:5000\r\n"
                                   "m=text 9 RTP/AVP 98\r\n"
                                   "m=audio 9 RTP/AVP 0\r\na=mid:x\r\n")),
                     OK);
    assert_int_equal(n.media[0].role, ROLE_PUBLISH);
    const char *written_answer = write_answer();
    assert_non_null(strstr(written_answer, "a=group:BUNDLE 0\r\n"));
    assert_non_null(strstr(written_answer, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_non_null(strstr(written_answer, "m=text 0 RTP/AVP 98\r\n"));
    assert_non_null(strstr(written_answer, "m=audio 0 RTP/AVP 0\r\n"));
    assert_int_equal(answered.media_count, 4);
}

static void a_data_channel_is_answered_if_we_want_one(void **state)
{
    struct sdp_policy policy = sdp_policy_default();
    policy.max_message_size = 16384;
    struct bytes offer = str("v=0\r\na=group:BUNDLE 0 d e\r\n" AUDIO TRANSPORT
                             "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                             "a=mid:d\r\na=sctp-port:5001\r\na=max-message-size:262144\r\n"
                             "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                             "a=mid:e\r\na=sctp-port:5002\r\n");
    assert_int_equal(negotiate_with(offer, &policy), OK);
    assert_int_equal(n.media[1].role, ROLE_DATA);
    assert_int_equal(n.media[2].role, ROLE_REJECTED); /* there is one association */
    assert_int_equal(n.sctp_port, 5001);
    assert_int_equal(n.max_message_size, 16384);
    const char *answer_text = write_answer();
    assert_non_null(strstr(answer_text, "a=group:BUNDLE 0 d\r\n"));
    assert_non_null(strstr(answer_text, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_true(answered.media[1].is_data);
    assert_int_equal(answered.media[1].sctp_port, 5001);
    assert_int_equal(answered.media[1].max_message_size, 16384);
    assert_true(answered.media[1].ice_ufrag.len > 0);
}

static void the_smaller_message_size_counts(void **state)
{
    struct sdp_policy policy = sdp_policy_default();
    policy.max_message_size = 100000;
    static const char *const head = "v=0\r\na=group:BUNDLE 0 d\r\n" AUDIO TRANSPORT
                                    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
                                    "a=mid:d\r\na=sctp-port:5000\r\n";
    static const struct {
        const char *line;
        uint32_t size;
    } cases[] = { { "", 65536 }, /* not said */
                  { "a=max-message-size:0\r\n", 100000 },
                  { "a=max-message-size:1200\r\n", 1200 },
                  { "a=max-message-size:99999999999\r\n", 100000 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char offer[4096];
        snprintf(offer, sizeof offer, "%s%s", head, cases[i].line);
        assert_int_equal(negotiate_with(str(offer), &policy), OK);
        assert_int_equal(n.max_message_size, cases[i].size);
    }
    char offer[4096];
    snprintf(offer, sizeof offer, "%sa=max-message-size:x\r\n", head);
    assert_int_equal(negotiate_with(str(offer), &policy), ERR_MALFORMED);
}

static void simulcast_takes_first_alternatives_and_pauses(void **state)
{
    assert_int_equal(
        negotiate(str(SESSION VIDEO TRANSPORT
                      "a=sendonly\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
                      "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
                      "a=simulcast:send ~hi,alt;lo\r\n"
                      "a=rid:lo send\r\na=rid:alt send\r\na=rid:hi send\r\n")),
        OK);
    assert_int_equal(n.media[0].rid_count, 2);
    assert_string_equal(n.media[0].rids[0].id, "hi");
    assert_true(n.media[0].rids[0].paused);
    assert_string_equal(n.media[0].rids[1].id, "lo");
    assert_non_null(strstr(write_answer(), "a=simulcast:recv ~hi;lo\r\n"));
}

static void codecs_follow_the_policy(void **state)
{
    struct sdp_policy policy = sdp_policy_default();
    policy.video_order[0] = CODEC_AV1;
    policy.video_order[1] = CODEC_VP8;
    policy.video_order[2] = CODEC_NONE;
    policy.extensions = RTP_EXT_BIT(RTP_EXT_MID);
    assert_int_equal(negotiate_with(read_vector("chromium-offer.sdp"), &policy), OK);
    const struct negotiated_media *slot = &n.media[8];
    assert_int_equal(n.formats[slot->payload_types[0]].codec, CODEC_AV1);
    assert_int_equal(n.formats[slot->payload_types[2]].codec, CODEC_VP8);
    assert_int_equal(slot->payload_type_count, 4);
    assert_int_equal(slot->extensions, RTP_EXT_BIT(RTP_EXT_MID));
    assert_int_equal(n.media[1].rid_count, 0); /* without the rid extension no simulcast */
}

static void publisher_chooses_its_codec_by_its_order(void **state)
{
#define CODECS_98_96                                                                               \
    "m=video 9 UDP/TLS/RTP/SAVPF 98 96\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"                 \
    "a=rtpmap:98 VP9/90000\r\n"
    assert_int_equal(negotiate(str("v=0\r\na=group:BUNDLE 0 1\r\n" CODECS_98_96
                                   "a=mid:0\r\na=sendonly\r\n" TRANSPORT CODECS_98_96
                                   "a=mid:1\r\na=recvonly\r\n")),
                     OK);
    assert_int_equal(n.formats[n.media[0].payload_types[0]].codec, CODEC_VP9);
    assert_int_equal(n.formats[n.media[0].payload_types[1]].codec, CODEC_VP8);
    assert_int_equal(n.formats[n.media[1].payload_types[0]].codec, CODEC_VP8);
    assert_int_equal(n.formats[n.media[1].payload_types[1]].codec, CODEC_VP9);
#undef CODECS_98_96
}

static void one_payload_type_with_two_meanings_is_refused(void **state)
{
    assert_int_equal(negotiate(str("v=0\r\na=group:BUNDLE 0 1\r\n" VIDEO TRANSPORT
                                   "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtcp-mux\r\n"
                                   "a=rtpmap:96 VP9/90000\r\n")),
                     ERR_MALFORMED);
    assert_non_null(strstr(error.text, "payload type 96 means VP9 here and VP8 in another"));
}

static void one_extension_with_two_ids_is_refused(void **state)
{
    assert_int_equal(negotiate(str("v=0\r\na=group:BUNDLE 0 1\r\n" VIDEO TRANSPORT
                                   "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
                                   "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtcp-mux\r\n"
                                   "a=rtpmap:96 VP8/90000\r\n"
                                   "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n")),
                     ERR_MALFORMED);
    assert_non_null(strstr(error.text, "a=extmap: id 4"));
}

static void feedback_for_all_payload_types_is_understood(void **state)
{
    assert_int_equal(negotiate(str(SESSION VIDEO TRANSPORT "a=rtcp-fb:* nack\r\n"
                                                           "a=rtcp-fb:* nack pli\r\n")),
                     OK);
    assert_int_equal(n.formats[96].feedback, RTCP_FB_NACK | RTCP_FB_NACK_PLI);
}

static void every_cut_of_an_offer_gets_an_answer_or_a_reason(void **state)
{
    struct bytes offer = read_vector("chromium-offer.sdp");
    for (size_t len = 0; len < 12000; len += 7) {
        if (negotiate(bytes_of(offer.data, len)) == OK)
            (void)write_answer();
        else
            assert_true(error.text[0] != 0);
    }
}

static void answer_larger_than_the_writer_is_an_error(void **state)
{
    assert_int_equal(negotiate(str(SESSION AUDIO TRANSPORT)), OK);
    const struct sdp_answer a = { .ice_ufrag = "u",
                                  .ice_pwd = "p",
                                  .cname = "c",
                                  .fingerprint = { .hash = SDP_SHA256, .len = 32 } };
    struct writer w = writer_of(answer, 200);
    assert_int_equal(sdp_write_answer(&n, &a, &w), ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromium_offer_is_understood),
        cmocka_unit_test(firefox_offer_is_understood),
        cmocka_unit_test(offers_of_encoders_are_understood),
        cmocka_unit_test(an_offer_that_only_watches_gets_slots),
        cmocka_unit_test(answer_mirrors_the_offer),
        cmocka_unit_test(refusals_name_line_and_reason),
        cmocka_unit_test(limits_are_enforced),
        cmocka_unit_test(line_ends_may_be_bare),
        cmocka_unit_test(directions_become_roles),
        cmocka_unit_test(passive_offer_makes_us_start_dtls),
        cmocka_unit_test(data_channel_and_unknown_media_are_rejected_alone),
        cmocka_unit_test(a_data_channel_is_answered_if_we_want_one),
        cmocka_unit_test(the_smaller_message_size_counts),
        cmocka_unit_test(simulcast_takes_first_alternatives_and_pauses),
        cmocka_unit_test(codecs_follow_the_policy),
        cmocka_unit_test(publisher_chooses_its_codec_by_its_order),
        cmocka_unit_test(one_payload_type_with_two_meanings_is_refused),
        cmocka_unit_test(one_extension_with_two_ids_is_refused),
        cmocka_unit_test(feedback_for_all_payload_types_is_understood),
        cmocka_unit_test(every_cut_of_an_offer_gets_an_answer_or_a_reason),
        cmocka_unit_test(answer_larger_than_the_writer_is_an_error),
    };
    return cmocka_run_group_tests_name("rtc/sdp", tests, NULL, NULL);
}
