/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "sdp_layout.h"

#include <stdlib.h>

static struct sdp parsed;
static struct negotiated n;
static struct sdp_remote remote;
static struct sdp_error error;
static struct sdp_layout layout;
static struct sdp_slot slots[SDP_MEDIA_MAX];
static char text[SDP_TEXT_MAX + 1];

static void read_vector(const char *name)
{
    char path[512];
    assert_true((size_t)snprintf(path, sizeof(path), "%s/sdp/%s", getenv("VECTORS"), name) <
                sizeof(path));
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    (void)fclose(f);
    assert_in_range(len, 100, SDP_TEXT_MAX);
    text[len] = 0;
}

static enum err read_answer(const struct sdp_offer *offer)
{
    memset(&error, 0, sizeof(error));
    enum err e = sdp_parse(bytes_of_str(text), &parsed, &error);
    return e != OK ? e : sdp_remote_read_answer(&parsed, offer, &remote, &error);
}

static enum err read_offer(void)
{
    memset(&error, 0, sizeof(error));
    enum err e = sdp_parse(bytes_of_str(text), &parsed, &error);
    return e != OK ? e : sdp_remote_read_offer(&parsed, &remote, &error);
}

/* An answer with the candidates, credentials and slots of `text`'s author, into `text`. */
static void write_answer(const struct sdp_policy *policy)
{
    if (sdp_parse(bytes_of_str(text), &parsed, &error) != OK ||
        sdp_negotiate(&parsed, policy, &n, &error) != OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < n.media_count; i++)
        slots[i] =
            (struct sdp_slot){ .ssrc = (uint32_t)(100 + i),
                               .rtx_ssrc = n.media[i].kind == MEDIA_VIDEO ? (uint32_t)(200 + i) : 0,
                               .stream = "slots",
                               .track = n.media[i].mid };
    static const struct sdp_candidate candidates[] = {
        { .address = "192.0.2.7", .port = 40000 },
        { .address = "2001:db8::7", .port = 40001, .tcp = true },
    };
    const struct sdp_answer a = {
        .session_id = 42,
        .version = 3,
        .ice_ufrag = "ufra",
        .ice_pwd = "abcdefghijkl0123456789",
        .fingerprint = { .hash = SDP_SHA256, .len = 32, .value = { 0xcd } },
        .candidates = candidates,
        .candidate_count = 2,
        .cname = "conclave",
        .slots = slots,
    };
    struct writer w = writer_of(text, sizeof(text) - 1);
    assert_int_equal(sdp_write_answer(&n, &a, &w), OK);
    text[writer_len(&w)] = 0;
}

/* What our server answers to the layout's first `count` m-lines. */
static struct sdp_offer server_answer(size_t count)
{
    struct sdp_offer o = layout_offer(&layout, count);
    struct sdp_policy policy = sdp_policy_default();
    struct writer w = writer_of(text, sizeof(text) - 1);
    assert_int_equal(sdp_write_offer(&o, &w), OK);
    text[writer_len(&w)] = 0;
    write_answer(&policy);
    return o;
}

/* Replaces the first `from` in `text`, which is there. */
static void edit(const char *from, const char *to)
{
    char *at = strstr(text, from);
    assert_non_null(at);
    size_t tail = strlen(at + strlen(from)) + 1;
    assert_true((size_t)(at - text) + strlen(to) + tail <= sizeof(text));
    memmove(at + strlen(to), at + strlen(from), tail);
    memcpy(at, to, strlen(to));
}

static void our_servers_answer_is_read_back(void **state)
{
    struct sdp_offer o = server_answer(LAYOUT_COUNT);
    if (read_answer(&o) != OK)
        fail_msg("%s", error.text);
    assert_string_equal(remote.ice_ufrag, "ufra");
    assert_string_equal(remote.ice_pwd, "abcdefghijkl0123456789");
    assert_true(remote.ice_lite && remote.end_of_candidates && remote.ext.allow_mixed);
    assert_true(remote.dtls_client); /* the server is passive */
    assert_true(remote.controlling);
    assert_int_equal(remote.fingerprint_count, 1);
    assert_int_equal(remote.fingerprints[0].value[0], 0xcd);
    assert_int_equal(remote.media_count, LAYOUT_COUNT);
    assert_int_equal(remote.format_count, 10);
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        const struct sdp_remote_media *m = &remote.media[i];
        bool send = i < LAYOUT_SEND_COUNT, audio = o.media[i].kind == MEDIA_AUDIO;
        assert_true(m->accepted);
        assert_string_equal(m->mid, o.media[i].mid);
        assert_int_equal(m->direction, o.media[i].direction);
        assert_int_equal(m->extensions, o.media[i].extensions);
        assert_int_equal(m->payload_type_count, audio ? 2 : 8);
        assert_int_equal(m->ssrc, send ? 0 : 100 + i);
        assert_int_equal(m->rtx_ssrc, send || audio ? 0 : 200 + i);
        assert_string_equal(sdp_remote_text(&remote, m->stream_text), send ? "" : "slots");
        assert_string_equal(sdp_remote_text(&remote, m->track_text), send ? "" : o.media[i].mid);
        assert_ptr_equal(sdp_remote_find_media(&remote, bytes_of_str(o.media[i].mid)), m);
        assert_int_equal(m->rid_count, i == 1 ? 3 : 0);
    }
    assert_string_equal(sdp_remote_text(&remote, remote.media[1].rids_text[0]), "q");
    assert_string_equal(sdp_remote_text(&remote, remote.media[1].rids_text[2]), "f");
    assert_null(sdp_remote_find_media(&remote, bytes_of_str("17")));
    assert_null(sdp_remote_find_media(&remote, bytes_of_str("")));
}

static void formats_of_the_answer_are_ours(void **state)
{
    struct sdp_offer o = server_answer(LAYOUT_COUNT);
    edit("profile-level-id=42e01f", "profile-level-id=42001f"); /* of no weight in an answer */
    assert_int_equal(read_answer(&o), OK);
    for (unsigned pt = 0; pt < 128; pt++) {
        struct format ours = sdp_offer_format((uint8_t)pt);
        const struct format *f = sdp_remote_format(&remote, (uint8_t)pt);
        assert_int_equal(f != NULL, ours.codec != CODEC_NONE);
        if (f != NULL)
            assert_memory_equal(f, &ours, sizeof(ours));
    }
}

static void candidates_of_both_transports_are_told_apart(void **state)
{
    struct sdp_offer o = server_answer(1);
    edit("a=end-of-candidates\r\n",
         "a=candidate:1 1 udp 9 5e7a.local 40000 typ host\r\n"
         "a=candidate:1 2 udp 9 192.0.2.7 40001 typ host\r\n"
         "a=candidate:1 1 sctp 9 192.0.2.7 40002 typ host\r\n"
         "a=candidate:1 1 udp 9 192.0.2.7 40000 typ host\r\n"
         "a=candidate:1 1 UDP 5 198.51.100.1 5 typ srflx raddr 10.0.0.1 rport 7 generation 0\r\n");
    edit("a=group:BUNDLE", "a=candidate:7 1 udp 1 203.0.113.5 6 typ relay\r\na=group:BUNDLE");
    assert_int_equal(read_answer(&o), OK);
    static const struct {
        const char *address;
        enum net_protocol protocol;
        enum sdp_candidate_type type;
        uint32_t priority;
    } expected[] = {
        { "203.0.113.5:6", NET_UDP, SDP_CANDIDATE_RELAY, 1 },
        { "192.0.2.7:40000", NET_UDP, SDP_CANDIDATE_HOST, 2130706431 },
        { "[2001:db8::7]:40001", NET_TCP, SDP_CANDIDATE_HOST, 1526726399 },
        { "198.51.100.1:5", NET_UDP, SDP_CANDIDATE_SRFLX, 5 },
    };
    assert_int_equal(remote.candidate_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        char address[NET_ADDR_TEXT_SIZE];
        const struct sdp_remote_candidate *c = &remote.candidates[i];
        assert_string_equal(net_addr_format(&c->address, address), expected[i].address);
        assert_int_equal(c->address.protocol, expected[i].protocol);
        assert_int_equal(c->type, expected[i].type);
        assert_int_equal(c->priority, expected[i].priority);
    }
    assert_int_equal(remote.candidates[2].tcptype, SDP_TCPTYPE_PASSIVE);
    assert_false(remote.end_of_candidates);
}

static void trickled_candidates_are_read_alone(void **state)
{
    static const struct {
        const char *text;
        enum err expected;
    } cases[] = {
        { "candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host", OK },
        { "candidate:1 1 tcp 1 2001:db8::1 9 typ host tcptype active", OK },
        { "candidate:1 1 tcp 1 2001:db8::1 9 typ host tcptype Passive ufrag abcd", OK },
        { "candidate:1 1 tcp 1 2001:db8::1 9 typ host", ERR_UNSUPPORTED },
        { "candidate:1 1 tcp 1 2001:db8::1 9 typ host tcptype x", ERR_MALFORMED },
        { "candidate:1 1 udp 1 x.local 9 typ host", ERR_UNSUPPORTED },
        { "candidate:1 1 udp 1 192.0.2.7 0 typ host", ERR_UNSUPPORTED },
        { "candidate:1 1 udp 1 192.0.2.7 9 typ odd", ERR_UNSUPPORTED },
        { "candidate:1 1 udp 1 192.0.2.7 65536 typ host", ERR_MALFORMED },
        { "candidate:1 1 udp 4294967296 192.0.2.7 9 typ host", ERR_MALFORMED },
        { "candidate:1 1 udp 1 192.0.2.7 9 host", ERR_MALFORMED },
        { "candidate:1 1 udp 1 192.0.2.7 9 typ", ERR_MALFORMED },
        { "candidate:", ERR_MALFORMED },
        { "", ERR_MALFORMED },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sdp_remote_candidate c;
        if (sdp_candidate_parse(bytes_of_str(cases[i].text), &c) != cases[i].expected)
            fail_msg("%s", cases[i].text);
    }
}

static void candidates_beyond_the_limits_are_left_out(void **state)
{
    struct sdp_offer o = server_answer(1);
    static char many[100 * 64];
    struct writer w = writer_of(many, sizeof(many) - 1);
    for (unsigned i = 1; i <= 100; i++)
        writer_printf(&w, "a=candidate:1 1 udp 9 192.0.2.8 %u typ host\r\n", i);
    many[writer_len(&w)] = 0;
    edit("a=end-of-candidates\r\n", many);
    assert_int_equal(read_answer(&o), OK);
    assert_int_equal(parsed.candidate_count, SDP_PARSED_CANDIDATES_MAX);
    assert_int_equal(remote.candidate_count, SDP_REMOTE_CANDIDATES_MAX);
}

static void janus_answer_is_understood(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_SEND_COUNT);
    read_vector("janus-answer.sdp");
    if (read_answer(&o) != OK)
        fail_msg("%s", error.text);
    assert_string_equal(remote.ice_ufrag, "9rh1");
    assert_false(remote.ice_lite);
    assert_false(remote.dtls_client);                        /* Janus is active: we wait for it */
    assert_int_equal(remote.fingerprints[0].value[0], 0xd1); /* of the session */
    assert_int_equal(remote.candidate_count, 3);
    assert_true(remote.end_of_candidates);
    for (size_t i = 0; i < LAYOUT_SEND_COUNT; i++) {
        assert_true(remote.media[i].accepted);
        assert_int_equal(remote.media[i].direction, SDP_SENDONLY);
        assert_int_equal(remote.media[i].ssrc, 0); /* it sends nothing, whatever it announces */
    }
    const struct sdp_remote_media *microphone = &remote.media[0], *camera = &remote.media[1];
    assert_int_equal(microphone->payload_type_count, 1); /* opus without RED */
    assert_int_equal(camera->payload_types[0], sdp_offer_payload_type(CODEC_VP8));
    assert_int_equal(camera->payload_types[1], sdp_offer_rtx_payload_type(CODEC_VP8));
    assert_int_equal(camera->payload_type_count, 2);
    assert_int_equal(camera->rid_count, 3);
    assert_int_equal(camera->rids_paused, 0);
    assert_int_equal(remote.media[2].rid_count, 0);
    assert_int_equal(camera->extensions, RTP_EXT_BIT(RTP_EXT_MID) | RTP_EXT_BIT(RTP_EXT_RID) |
                                             RTP_EXT_BIT(RTP_EXT_REPAIRED_RID) |
                                             RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC));
}

static void chromium_answer_is_understood(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_COUNT);
    read_vector("chromium-answer.sdp");
    if (read_answer(&o) != OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        const struct sdp_remote_media *m = &remote.media[i];
        assert_true(m->accepted);
        assert_int_equal(m->direction, o.media[i].direction);
        assert_int_equal(m->payload_type_count, m->kind == MEDIA_AUDIO ? 2 : 8);
        assert_int_equal(m->ssrc != 0, i >= LAYOUT_SEND_COUNT);
    }
    assert_int_equal(remote.media[1].rid_count, 0); /* a browser receives no simulcast */
}

/* A server's offer: read, answered by a client, and the answer read as the server would. */
static void answer_offer(const char *vector, enum negotiated_role second)
{
    struct sdp_policy policy = sdp_policy_client();
    read_vector(vector);
    if (read_offer() != OK)
        fail_msg("%s: %s", vector, error.text);
    write_answer(&policy);
    assert_true(n.full_ice && n.dtls_client);
    assert_null(strstr(text, "a=ice-lite"));
    assert_null(strstr(text, "a=setup:passive"));
    assert_non_null(strstr(text, "o=- 42 3 IN"));
    assert_non_null(strstr(text, "tcptype active"));
    assert_int_equal(sdp_parse(bytes_of_str(text), &parsed, &error), OK);
    assert_int_equal(parsed.media_count, remote.media_count);
    for (size_t i = 0; i < parsed.media_count; i++) {
        assert_int_equal(n.media[i].role, i == 1 ? second : ROLE_PUBLISH);
        assert_int_equal(parsed.media[i].direction, remote.media[i].direction);
        assert_int_equal(parsed.media[i].setup, SDP_SETUP_ACTIVE);
        assert_int_equal(parsed.media[i].format_count, remote.media[i].payload_type_count);
    }
}

static void janus_subscriber_offer_is_understood_and_answered(void **state)
{
    answer_offer("janus-subscriber-offer.sdp", ROLE_PUBLISH);
    assert_string_equal(remote.ice_ufrag, "LUh2");
    assert_true(remote.dtls_client);
    assert_false(remote.controlling); /* who offers is */
    assert_int_equal(remote.media_count, 2);
    const struct sdp_remote_media *audio = &remote.media[0], *video = &remote.media[1];
    assert_int_equal(audio->direction, SDP_RECVONLY);
    assert_int_equal(audio->ssrc, 407833323);
    assert_int_equal(video->direction, SDP_RECVONLY);
    assert_int_equal(video->ssrc, 3803972807);
    assert_int_equal(video->rtx_ssrc, 2902970194);
    assert_string_equal(sdp_remote_text(&remote, video->stream_text), "janus");
    assert_string_equal(sdp_remote_text(&remote, video->track_text), "janus1");
    assert_int_equal(remote.ext.id_of[RTP_EXT_MID], 4); /* its numbers, not ours */
    const struct format *rtx = sdp_remote_format(&remote, video->payload_types[1]);
    assert_int_equal(rtx->codec, CODEC_RTX);
    assert_int_equal(rtx->apt, video->payload_types[0]);
}

static void further_offers_are_read_anew(void **state)
{
    answer_offer("janus-reoffer-more.sdp", ROLE_PUBLISH);
    assert_int_equal(remote.media_count, 3);
    assert_int_equal(remote.media[2].ssrc, 3196064680);
    answer_offer("janus-reoffer-inactive.sdp", ROLE_INACTIVE);
    assert_int_equal(remote.media_count, 3);
    assert_true(remote.media[1].accepted);
    assert_int_equal(remote.media[1].direction, SDP_INACTIVE);
    assert_int_equal(remote.media[1].ssrc, 0);
    assert_int_equal(remote.media[2].ssrc, 3196064680);
}

static void offer_without_any_open_line_is_an_empty_subscription(void **state)
{
    struct sdp_policy policy = sdp_policy_client();
    (void)snprintf(text, sizeof(text),
                   "v=0\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=inactive\r\n");
    assert_int_equal(read_offer(), OK);
    assert_int_equal(remote.media_count, 1);
    assert_false(remote.media[0].accepted);
    write_answer(&policy);
    assert_non_null(strstr(text, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"));
}

static void server_that_is_active_or_lite_is_answered(void **state)
{
    struct sdp_policy policy = sdp_policy_client();
    read_vector("janus-subscriber-offer.sdp");
    edit("a=msid-semantic", "a=ice-lite\r\na=msid-semantic");
    edit("a=setup:actpass", "a=setup:active");
    assert_int_equal(read_offer(), OK);
    assert_true(remote.ice_lite && remote.controlling);
    assert_false(remote.dtls_client);
    write_answer(&policy);
    assert_non_null(strstr(text, "a=setup:passive"));
}

static void only_what_was_offered_comes_back(void **state)
{
    struct sdp_offer o = server_answer(LAYOUT_SEND_COUNT);
    layout.media[1].rids[2] = "x"; /* as if we had never offered f, VP9, or RED on the first */
    memcpy(layout.media[1].codecs, (enum codec[CODEC_COUNT]){ CODEC_VP8, CODEC_H264 },
           sizeof(layout.media[1].codecs));
    layout.media[0].codecs[1] = CODEC_NONE;
    layout.media[0].extensions = RTP_EXT_BIT(RTP_EXT_MID);
    layout.media[2].direction = SDP_RECVONLY;
    edit("a=simulcast:recv q;h;f", "a=simulcast:recv ~q;h;f");
    assert_int_equal(read_answer(&o), OK);
    assert_int_equal(remote.media[0].payload_type_count, 1);
    assert_int_equal(remote.media[0].extensions, RTP_EXT_BIT(RTP_EXT_MID));
    assert_int_equal(remote.media[1].payload_type_count, 4);
    assert_int_equal(remote.media[1].rid_count, 2);
    assert_int_equal(remote.media[1].rids_paused, 1);
    assert_int_equal(remote.media[2].direction, SDP_INACTIVE);
}

static void rejected_lines_are_told(void **state)
{
    struct sdp_offer o = server_answer(3);
    edit("m=video 9", "m=video 0");
    edit("BUNDLE 0 1 2", "BUNDLE 0 2");
    assert_int_equal(read_answer(&o), OK);
    assert_true(remote.media[0].accepted && remote.media[2].accepted);
    assert_false(remote.media[1].accepted);
    assert_int_equal(remote.media[1].direction, SDP_INACTIVE);
    assert_string_equal(remote.media[1].mid, "1");
    assert_int_equal(remote.media[1].rid_count, 0);
}

static void refusals_name_line_and_reason(void **state)
{
    static const struct {
        const char *from, *to;
        enum err expected;
        const char *text;
    } cases[] = {
        { "m=video", "m=audio", ERR_MALFORMED, "the m-line is not an answer to mid 1" },
        { "a=mid:1", "a=mid:7", ERR_MALFORMED, "the m-line is not an answer to mid 1" },
        { "a=mid:1\r\n", "", ERR_MALFORMED, "the m-line is not an answer to mid 1" },
        { "a=group:BUNDLE 0", "a=group:BUNDLE 9", ERR_MALFORMED,
          "a=group:BUNDLE names an unknown mid" },
        { "a=group", "a=grupp", ERR_UNSUPPORTED,
          "the answer does not bundle its m-lines (a=group:BUNDLE)" },
        { "a=ice-ufrag", "a=ufrag", ERR_UNSUPPORTED,
          "line 9: the answer has no ICE credentials (a=ice-ufrag, a=ice-pwd)" },
        { "a=fingerprint:sha-256", "a=fingerprint:md5", ERR_UNSUPPORTED,
          "line 9: the answer has no DTLS fingerprint (a=fingerprint, sha-256 or better)" },
        { "a=setup:passive", "a=setup:actpass", ERR_MALFORMED,
          "line 9: a=setup: an answer says active or passive" },
        { "a=setup:passive\r\n", "", ERR_UNSUPPORTED,
          "line 9: the answer does not say who starts DTLS (a=setup)" },
        { "a=rtcp-mux\r\n", "", ERR_UNSUPPORTED, "line 9: mid 0: a=rtcp-mux is required" },
        { "a=extmap:1 ", "a=extmap:2 ", ERR_MALFORMED,
          "line 9: a=extmap: id 2 is not what the bundle says of "
          "urn:ietf:params:rtp-hdrext:sdes:mid" },
        { "udp 2130706431", "udp x", ERR_MALFORMED,
          "line 17: a=candidate: not <foundation> <component> <transport> <priority> <address> "
          "<port> typ …" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sdp_offer o = server_answer(3);
        edit(cases[i].from, cases[i].to);
        assert_int_equal(read_answer(&o), cases[i].expected);
        if (strstr(error.text, cases[i].text) == NULL)
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, error.text, cases[i].text);
    }
}

static void answer_to_another_offer_is_refused(void **state)
{
    struct sdp_offer o = server_answer(3);
    o.media_count = 2;
    assert_int_equal(read_answer(&o), ERR_MALFORMED);
    assert_string_equal(error.text, "the answer has 3 m-lines, the offer 2");
    o = server_answer(1);
    edit("m=audio 9", "m=audio 0");
    assert_int_equal(read_answer(&o), ERR_UNSUPPORTED);
    assert_string_equal(error.text, "the answer accepts no m-line of the offer");
    (void)snprintf(text, sizeof(text), "v=0\r\n");
    assert_int_equal(read_offer(), ERR_UNSUPPORTED);
    assert_string_equal(error.text, "the offer has no m-lines");
}

static void offer_with_two_meanings_is_refused(void **state)
{
    read_vector("janus-reoffer-more.sdp");
    char *second = strstr(strstr(text, "a=mid:2"), "a=rtpmap:96 VP8");
    memcpy(second, "a=rtpmap:96 VP9", 15);
    assert_int_equal(read_offer(), ERR_MALFORMED);
    assert_non_null(strstr(error.text, "payload type 96 means VP9 here and VP8"));
    read_vector("janus-reoffer-more.sdp");
    edit("a=mid:1", "a=mid:0");
    assert_int_equal(read_offer(), ERR_MALFORMED);
    assert_non_null(strstr(error.text, "mid 0 is used twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_servers_answer_is_read_back),
        cmocka_unit_test(formats_of_the_answer_are_ours),
        cmocka_unit_test(candidates_of_both_transports_are_told_apart),
        cmocka_unit_test(trickled_candidates_are_read_alone),
        cmocka_unit_test(candidates_beyond_the_limits_are_left_out),
        cmocka_unit_test(janus_answer_is_understood),
        cmocka_unit_test(chromium_answer_is_understood),
        cmocka_unit_test(janus_subscriber_offer_is_understood_and_answered),
        cmocka_unit_test(further_offers_are_read_anew),
        cmocka_unit_test(offer_without_any_open_line_is_an_empty_subscription),
        cmocka_unit_test(server_that_is_active_or_lite_is_answered),
        cmocka_unit_test(only_what_was_offered_comes_back),
        cmocka_unit_test(rejected_lines_are_told),
        cmocka_unit_test(refusals_name_line_and_reason),
        cmocka_unit_test(answer_to_another_offer_is_refused),
        cmocka_unit_test(offer_with_two_meanings_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
