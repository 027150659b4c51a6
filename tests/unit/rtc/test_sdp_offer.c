/* SPDX-License-Identifier: Apache-2.0 */
#include "media_test.h"

#include "sdp_layout.h"

static struct sdp parsed;
static struct negotiated n;
static struct sdp_error error;
static struct sdp_layout layout;
static char text[SDP_TEXT_MAX + 1];

/* Our offer as text, parsed again into `parsed`. */
static const char *write_offer(const struct sdp_offer *o)
{
    struct writer w = writer_of(text, sizeof(text) - 1);
    assert_int_equal(sdp_write_offer(o, &w), OK);
    text[writer_len(&w)] = 0;
    if (sdp_parse(bytes_of(text, writer_len(&w)), &parsed, &error) != OK)
        fail_msg("our own offer: %s", error.text);
    return text;
}

static void negotiate(void)
{
    struct sdp_policy policy = sdp_policy_default();
    if (sdp_negotiate(&parsed, &policy, &n, &error) != OK)
        fail_msg("our own offer: %s", error.text);
}

static void server_takes_every_line_of_the_layout(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_COUNT);
    write_offer(&o);
    negotiate();
    assert_int_equal(n.media_count, LAYOUT_COUNT);
    assert_string_equal(n.ice_ufrag, "bot1");
    assert_string_equal(n.ice_pwd, "0123456789abcdefghijkl");
    assert_int_equal(n.fingerprint_count, 1);
    assert_memory_equal(&n.fingerprints[0], &o.fingerprint, sizeof(o.fingerprint));
    assert_false(n.dtls_client);
    assert_true(n.ext.allow_mixed);
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        const struct negotiated_media *m = &n.media[i];
        assert_int_equal(m->role, i < LAYOUT_SEND_COUNT ? ROLE_PUBLISH : ROLE_SLOT);
        assert_int_equal(m->kind, o.media[i].kind);
        assert_string_equal(m->mid, o.media[i].mid);
        assert_int_equal(m->extensions, o.media[i].extensions);
        assert_int_equal(m->payload_type_count, m->kind == MEDIA_AUDIO ? 2 : 8);
        assert_true(m->rtcp_rsize);
    }
}

static void streams_with_rids_are_found_by_extension_and_others_by_ssrc(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_SEND_COUNT);
    write_offer(&o);
    negotiate();
    const struct negotiated_media *camera = &n.media[1], *screen = &n.media[2];
    assert_int_equal(parsed.media[1].ssrc_count, 0);
    assert_int_equal(camera->rid_count, 3);
    assert_string_equal(camera->rids[0].id, "q");
    assert_string_equal(camera->rids[1].id, "h");
    assert_string_equal(camera->rids[2].id, "f");
    assert_int_not_equal(n.ext.id_of[RTP_EXT_MID], 0);
    assert_int_not_equal(n.ext.id_of[RTP_EXT_RID], 0);
    assert_int_not_equal(n.ext.id_of[RTP_EXT_REPAIRED_RID], 0);
    assert_int_equal(screen->rid_count, 0);
    assert_int_equal(screen->ssrc, 3000);
    assert_int_equal(screen->rtx_ssrc, 3001);
    assert_int_equal(n.media[0].ssrc, 1000);
    assert_int_equal(n.media[0].rtx_ssrc, 0);
}

static void payload_types_mean_what_the_header_says(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_COUNT);
    write_offer(&o);
    negotiate();
    for (unsigned pt = 0; pt < 128; pt++) {
        struct format ours = sdp_offer_format((uint8_t)pt);
        assert_int_equal(ours.codec, n.formats[pt].codec);
        if (ours.codec != CODEC_NONE)
            assert_memory_equal(&ours, &n.formats[pt], sizeof(ours));
    }
    static const enum codec video[] = { CODEC_VP8, CODEC_H264, CODEC_VP9, CODEC_AV1 };
    for (size_t i = 0; i < ARRAY_LEN(video); i++) {
        uint8_t pt = sdp_offer_payload_type(video[i]), rtx = sdp_offer_rtx_payload_type(video[i]);
        assert_int_equal(n.media[1].payload_types[2 * i], pt);
        assert_int_equal(n.media[1].payload_types[2 * i + 1], rtx);
        assert_int_equal(n.formats[rtx].apt, pt);
        assert_int_equal(n.formats[pt].feedback & RTCP_FB_NACK, RTCP_FB_NACK);
    }
    assert_int_equal(sdp_offer_payload_type(CODEC_NONE), 0);
    assert_int_equal(sdp_offer_payload_type(CODEC_RTX), 0);
    assert_int_equal(sdp_offer_rtx_payload_type(CODEC_OPUS), 0);
    assert_string_equal(n.fmtp[111], "minptime=10;useinbandfec=1");
}

static void extension_ids_are_the_same_in_all_lines(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_COUNT);
    write_offer(&o);
    negotiate();
    for (unsigned k = RTP_EXT_NONE + 1; k < RTP_EXT_KIND_COUNT; k++) {
        uint8_t id = n.ext.id_of[k];
        assert_true(id == 0 || id == sdp_offer_extension_id((enum rtp_ext_kind)k));
    }
    assert_int_not_equal(n.ext.id_of[RTP_EXT_ABS_CAPTURE_TIME], 0);
    assert_int_not_equal(n.ext.id_of[RTP_EXT_DEPENDENCY_DESCRIPTOR], 0);
}

static void codecs_and_directions_are_as_asked(void **state)
{
    struct sdp_offer o = layout_offer(&layout, 3);
    memcpy(layout.media[1].codecs, (enum codec[CODEC_COUNT]){ CODEC_AV1 },
           sizeof(layout.media[1].codecs));
    layout.media[0].codecs[1] = CODEC_NONE;
    layout.media[0].direction = SDP_SENDRECV;
    layout.media[2].direction = SDP_INACTIVE;
    layout.media[2].extensions &= ~RTP_EXT_BIT(RTP_EXT_TRANSPORT_CC);
    const char *offer = write_offer(&o);
    assert_int_equal(parsed.media[0].format_count, 1);
    assert_int_equal(parsed.media[0].direction, SDP_SENDRECV);
    assert_int_equal(parsed.media[1].format_count, 2);
    assert_int_equal(parsed.media[1].formats[0].format.codec, CODEC_AV1);
    assert_int_equal(parsed.media[2].direction, SDP_INACTIVE);
    assert_int_equal(parsed.media[2].ssrc_count, 0);
    assert_int_equal(parsed.media[2].formats[0].format.feedback & RTCP_FB_TRANSPORT_CC, 0);
    assert_null(strstr(offer, "a=ice-lite"));
    assert_null(strstr(offer, "a=ice-options"));
}

static void candidates_are_written_once_and_read_again(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_COUNT);
    write_offer(&o);
    assert_int_equal(parsed.candidate_count, 2);
    assert_int_equal(parsed.candidates[0].media, 1);
    const struct sdp_remote_candidate *udp = &parsed.candidates[0].candidate;
    const struct sdp_remote_candidate *tcp = &parsed.candidates[1].candidate;
    char address[NET_ADDR_TEXT_SIZE];
    assert_string_equal(net_addr_format(&udp->address, address), "192.0.2.9:45000");
    assert_int_equal(udp->address.protocol, NET_UDP);
    assert_int_equal(tcp->address.protocol, NET_TCP);
    assert_int_equal(tcp->tcptype, SDP_TCPTYPE_ACTIVE);
    assert_true(udp->priority > tcp->priority);
    assert_true(parsed.media[0].end_of_candidates);
    assert_false(parsed.media[1].end_of_candidates);
    o.candidate_count = 0;
    write_offer(&o);
    assert_int_equal(parsed.candidate_count, 0);
    assert_true(parsed.media[0].end_of_candidates);
}

static void offer_that_does_not_fit_is_full(void **state)
{
    struct sdp_offer o = layout_offer(&layout, LAYOUT_COUNT);
    write_offer(&o);
    size_t len = strlen(text);
    struct writer w = writer_of(text, len - 1);
    assert_int_equal(sdp_write_offer(&o, &w), ERR_FULL);
    w = writer_of(text, len + 1); /* writer_printf() wants room for a zero */
    assert_int_equal(sdp_write_offer(&o, &w), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_takes_every_line_of_the_layout),
        cmocka_unit_test(streams_with_rids_are_found_by_extension_and_others_by_ssrc),
        cmocka_unit_test(payload_types_mean_what_the_header_says),
        cmocka_unit_test(extension_ids_are_the_same_in_all_lines),
        cmocka_unit_test(codecs_and_directions_are_as_asked),
        cmocka_unit_test(candidates_are_written_once_and_read_again),
        cmocka_unit_test(offer_that_does_not_fit_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
