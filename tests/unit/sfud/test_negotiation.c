/* Browsers' offers become transport parameters and an answer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/negotiation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct negotiation_scratch scratch;
static struct negotiation_result result, second;
static uint8_t answer[SDP_ANSWER_SIZE_MAX];
static struct sdp_error error;

static char *read_vector(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", SDP_VECTORS, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, SDP_TEXT_MAX);
    assert_true(fread(text, 1, SDP_TEXT_MAX - 1, f) > 0);
    assert_int_equal(fclose(f), 0);
    return text;
}

static const struct sdp_candidate candidate = { .address = "192.0.2.1", .port = 40000 };

static struct negotiation_request request_of(const char *offer)
{
    struct negotiation_request q = { .offer = bytes_of_str(offer),
                                     .source_count = SOURCE_COUNT,
                                     .allowed = SOURCES_ALL & ~SOURCE_BIT(SOURCE_SCREEN),
                                     .seed = { 1, 2, 3 },
                                     .session_id = 77,
                                     .local_ufrag = "abcdefgh",
                                     .local_pwd = "0123456789abcdefghijklmn",
                                     .fingerprint = { .hash = SDP_SHA256, .len = 32 },
                                     .candidates = &candidate,
                                     .candidate_count = 1 };
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        q.sources[i].source = (enum source)i;
        snprintf(q.sources[i].mid, sizeof q.sources[i].mid, "%u", i);
    }
    return q;
}

static enum err run(const struct negotiation_request *q, struct negotiation_result *ret)
{
    struct writer w = writer_of(answer, sizeof answer - 1);
    enum err err = negotiate(q, &scratch, ret, &w, &error);
    if (err == OK)
        answer[writer_len(&w)] = '\0';
    return err;
}

static size_t count(const char *needle)
{
    size_t n = 0;
    for (const char *at = (const char *)answer; (at = strstr(at, needle)) != NULL; at++)
        n++;
    return n;
}

static void expect_default_layout(const char *vector)
{
    char *offer = read_vector(vector);
    struct negotiation_request q = request_of(offer);
    assert_int_equal(run(&q, &result), OK);
    const struct transport_params *p = &result.params;
    assert_int_equal(p->media_count, 17);
    assert_int_equal(result.slot_count, 13);
    assert_false(p->dtls_client); /* actpass: the browser begins */
    assert_true(p->fingerprint_count >= 1);
    assert_int_equal(p->media[1].source, SOURCE_CAMERA);
    assert_int_equal(p->media[1].role, MEDIA_PUBLISH);
    assert_int_equal(p->media[1].rid_count, 3);
    assert_string_equal(p->media[1].rids[0], "q");
    assert_string_equal(p->media[1].rids[2], "f");
    assert_true(p->media[0].allowed);
    assert_false(p->media[2].allowed); /* the screen is not in the grant */
    for (size_t i = 4; i < 17; i++) {
        assert_int_equal(p->media[i].role, MEDIA_SLOT);
        assert_int_equal(p->media[i].kind, i < 8 ? MEDIA_AUDIO : MEDIA_VIDEO);
        assert_int_not_equal(p->media[i].ssrc, 0);
        assert_int_equal(p->media[i].rtx_ssrc != 0, i >= 8);
        for (size_t j = 4; j < i; j++)
            assert_int_not_equal(p->media[i].ssrc, p->media[j].ssrc);
    }
    assert_int_equal(count("m="), 17);
    assert_int_equal(count("a=sendonly"), 13);
    assert_int_equal(count("a=recvonly"), 4);
    assert_true(count("a=simulcast:recv") == 1);
    assert_true(count("192.0.2.1 40000") >= 1);
    free(offer);
}

static void chromium_gets_four_sources_and_thirteen_slots(void **state)
{
    expect_default_layout("chromium-offer.sdp");
}

static void other_credentials_of_the_participant_are_a_restart(void **state)
{
    char *offer = read_vector("chromium-offer.sdp");
    struct negotiation_request q = request_of(offer);
    assert_int_equal(run(&q, &result), OK);
    assert_false(result.is_restart);
    char ufrag[SDP_UFRAG_MAX + 1], pwd[SDP_PWD_MAX + 1];
    memcpy(ufrag, result.params.remote_ufrag, sizeof ufrag);
    memcpy(pwd, result.remote_pwd, sizeof pwd);
    q.known_ufrag = ufrag;
    q.known_pwd = pwd;
    q.next_ufrag = "ijklmnop";
    q.next_pwd = "nopqrstuvwxyz0123456789a";
    assert_int_equal(run(&q, &result), OK); /* one more offer, the same credentials */
    assert_false(result.is_restart);
    assert_string_equal(result.params.local_ufrag, "abcdefgh");
    assert_int_equal(count("a=ice-ufrag:abcdefgh\r\n"), 17);

    q.known_ufrag = "former";
    assert_int_equal(run(&q, &result), OK);
    assert_true(result.is_restart);
    assert_string_equal(result.params.local_ufrag, "ijklmnop");
    assert_string_equal(result.params.local_pwd, "nopqrstuvwxyz0123456789a");
    assert_int_equal(count("a=ice-ufrag:ijklmnop\r\n"), 17);
    assert_int_equal(count("a=ice-pwd:nopqrstuvwxyz0123456789a\r\n"), 17);
    assert_int_equal(count("abcdefgh"), 0);
    q.known_ufrag = ufrag;
    q.known_pwd = "former";
    assert_int_equal(run(&q, &result), OK);
    assert_true(result.is_restart);
    free(offer);
}

static void firefox_gets_the_same(void **state)
{
    expect_default_layout("firefox-offer.sdp");
}

static void the_answer_is_sdp_that_says_what_the_parameters_say(void **state)
{
    static struct sdp parsed;
    char *offer = read_vector("chromium-offer.sdp");
    struct negotiation_request q = request_of(offer);
    assert_int_equal(run(&q, &result), OK);
    assert_int_equal(sdp_parse(bytes_of_str((char *)answer), &parsed, &error), OK);
    assert_int_equal(parsed.media_count, 17);
    for (size_t i = 4; i < 17; i++) {
        assert_true(bytes_equal(parsed.media[i].mid, bytes_of_str(result.params.media[i].mid)));
        bool found = false;
        for (size_t j = 0; j < parsed.media[i].ssrc_count; j++)
            found = found || parsed.media[i].ssrcs[j].ssrc == result.params.media[i].ssrc;
        assert_true(found);
    }
    free(offer);
}

/* The same offer with one more receive slot, as a client doubles its slots. */
static char *with_another_slot(const char *offer)
{
    char *text = calloc(1, SDP_TEXT_MAX);
    const char *last = offer;
    for (const char *at = offer; (at = strstr(at, "m=video")) != NULL; at++)
        last = at;
    const char *bundle = strstr(offer, " 15 16");
    assert_non_null(bundle);
    size_t head = (size_t)(bundle - offer) + 6;
    int len = snprintf(text, SDP_TEXT_MAX, "%.*s 17%.*s", (int)head, offer,
                       (int)(strlen(offer) - head), offer + head);
    snprintf(text + len, SDP_TEXT_MAX - (size_t)len, "%s", last);
    char *mid = text + len;
    mid = strstr(mid, "a=mid:16");
    assert_non_null(mid);
    mid[7] = '7';
    return text;
}

static void a_later_offer_leaves_the_slots_as_they_are(void **state)
{
    char *offer = read_vector("chromium-offer.sdp");
    char *more = with_another_slot(offer);
    struct negotiation_request q = request_of(offer);
    assert_int_equal(run(&q, &result), OK);
    q.offer = bytes_of_str(more);
    assert_int_equal(run(&q, &second), OK);
    assert_int_equal(second.params.media_count, 18);
    for (size_t i = 0; i < 17; i++) {
        assert_int_equal(second.params.media[i].ssrc, result.params.media[i].ssrc);
        assert_int_equal(second.params.media[i].rtx_ssrc, result.params.media[i].rtx_ssrc);
    }
    assert_int_equal(second.params.media[17].role, MEDIA_SLOT);
    free(offer);
    free(more);
}

static void participants_have_different_ssrcs(void **state)
{
    char *offer = read_vector("chromium-offer.sdp");
    struct negotiation_request q = request_of(offer);
    assert_int_equal(run(&q, &result), OK);
    q.seed[15] = 9;
    assert_int_equal(run(&q, &second), OK);
    for (size_t i = 4; i < 17; i++)
        assert_int_not_equal(second.params.media[i].ssrc, result.params.media[i].ssrc);
    free(offer);
}

static void sources_that_do_not_fit_the_offer_are_refused(void **state)
{
    char *offer = read_vector("chromium-offer.sdp");
    struct negotiation_request q = request_of(offer);
    q.sources[0].source = SOURCE_CAMERA; /* an audio m-line */
    assert_int_equal(run(&q, &result), ERR_MALFORMED);
    assert_true(strlen(error.text) > 0);
    q = request_of(offer);
    memcpy(q.sources[3].mid, "99", 3);
    assert_int_equal(run(&q, &result), ERR_MALFORMED);
    q = request_of(offer);
    q.sources[2].source = SOURCE_CAMERA; /* named twice */
    assert_int_equal(run(&q, &result), ERR_MALFORMED);
    free(offer);
}

static void an_m_line_without_a_source_is_not_forwarded(void **state)
{
    char *offer = read_vector("chromium-offer.sdp");
    struct negotiation_request q = request_of(offer);
    q.source_count = 1;
    assert_int_equal(run(&q, &result), OK);
    assert_int_equal(result.params.media[0].role, MEDIA_PUBLISH);
    assert_int_equal(result.params.media[1].role, MEDIA_UNUSED);
    free(offer);
}

/* The vector with data channels in its bundle. */
static char *add_data(const char *offer)
{
    static const char group[] = "a=group:BUNDLE";
    char *text = calloc(1, SDP_TEXT_MAX);
    const char *at = strstr(offer, group);
    assert_true(text != NULL && at != NULL);
    size_t head = (size_t)(at - offer) + strcspn(at, "\r\n");
    snprintf(text, SDP_TEXT_MAX,
             "%.*s d%sm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
             "a=mid:d\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
             (int)head, offer, offer + head);
    return text;
}

static void data_channels_are_decided_by_the_first_offer(void **state)
{
    char *offer = read_vector("chromium-offer.sdp"), *with_data = add_data(offer);
    struct negotiation_request q = request_of(with_data);
    q.takes_data = q.data_allowed = true;
    assert_int_equal(run(&q, &result), OK);
    assert_int_equal(result.params.data.sctp_port, 5000);
    assert_int_equal(result.params.data.max_message_size, 16384);
    assert_true(result.params.data.is_allowed);
    assert_int_equal(count("a=sctp-port:5000\r\na=max-message-size:16384\r\n"), 1);
    q.takes_data = false; /* the first had none */
    assert_int_equal(run(&q, &result), OK);
    assert_int_equal(result.params.data.sctp_port, 0);
    assert_int_equal(count("m=application 0 "), 1);
    free(offer);
    free(with_data);
}

static void nonsense_is_refused_with_a_reason(void **state)
{
    struct negotiation_request q = request_of("hello");
    assert_int_equal(run(&q, &result), ERR_MALFORMED);
    assert_true(strlen(error.text) > 0);
    q = request_of("");
    assert_int_not_equal(run(&q, &result), OK);
}

static void source_names_are_those_of_the_protocol(void **state)
{
    for (unsigned i = 0; i < SOURCE_COUNT; i++) {
        enum source s;
        assert_true(source_from_name(bytes_of_str(source_name((enum source)i)), &s));
        assert_int_equal(s, i);
    }
    enum source s;
    assert_false(source_from_name(bytes_of_str("cam"), &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromium_gets_four_sources_and_thirteen_slots),
        cmocka_unit_test(firefox_gets_the_same),
        cmocka_unit_test(other_credentials_of_the_participant_are_a_restart),
        cmocka_unit_test(the_answer_is_sdp_that_says_what_the_parameters_say),
        cmocka_unit_test(a_later_offer_leaves_the_slots_as_they_are),
        cmocka_unit_test(participants_have_different_ssrcs),
        cmocka_unit_test(sources_that_do_not_fit_the_offer_are_refused),
        cmocka_unit_test(an_m_line_without_a_source_is_not_forwarded),
        cmocka_unit_test(data_channels_are_decided_by_the_first_offer),
        cmocka_unit_test(nonsense_is_refused_with_a_reason),
        cmocka_unit_test(source_names_are_those_of_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
