/* fuzz_sdp.c - a text as an offer: parse, negotiate, answer; our own answer must parse and mirror
 * the offer.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/sdp.h"

static struct sdp offer, again;
static struct negotiated negotiated;
static uint8_t answer[512 * 1024];
static struct sdp_slot slots[SDP_MEDIA_MAX];

static size_t write_answer(void)
{
    static const struct sdp_candidate candidates[] = {
        { .address = "192.0.2.1", .port = 40000 },
        { .address = "2001:db8::1", .port = 40000, .tcp = true },
    };
    for (size_t i = 0; i < negotiated.media_count; i++)
        slots[i] =
            (struct sdp_slot){ .ssrc = (uint32_t)i, .rtx_ssrc = 1000, .stream = "s", .track = "t" };
    const struct sdp_answer a = {
        .session_id = 1,
        .ice_ufrag = "abcd",
        .ice_pwd = "0123456789abcdefghijklmn",
        .fingerprint = { .hash = SDP_SHA256, .len = 32 },
        .candidates = candidates,
        .candidate_count = ARRAY_LEN(candidates),
        .cname = "c",
        .slots = slots,
    };
    struct writer w = writer_of(answer, sizeof(answer));
    check(sdp_write_answer(&negotiated, &a, &w) == OK);
    return writer_len(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sdp_policy policy = sdp_policy_default();
    policy.max_message_size = 16384;
    struct sdp_error error = { 0 };
    if (sdp_parse(bytes_of(data, len), &offer, &error) != OK ||
        sdp_negotiate(&offer, &policy, &negotiated, &error) != OK) {
        check(error.text[0] != 0 && memchr(error.text, 0, sizeof(error.text)) != NULL);
        return 0;
    }
    size_t answer_len = write_answer();
    check(sdp_parse(bytes_of(answer, answer_len), &again, &error) == OK);
    check(again.media_count == offer.media_count);
    for (size_t i = 0; i < again.media_count; i++) {
        const struct sdp_media *m = &again.media[i];
        check(bytes_equal(m->mid, offer.media[i].mid));
        check(bytes_equal(m->kind_text, offer.media[i].kind_text));
        if (negotiated.media[i].role == ROLE_REJECTED) {
            check(m->port == 0);
            continue;
        }
        check(m->port == 9 && m->rtcp_mux == !m->is_data && m->ice_ufrag.len == 4);
        check(m->format_count == negotiated.media[i].payload_type_count);
        for (size_t f = 0; f < m->format_count; f++)
            check(m->formats[f].format.codec ==
                  negotiated.formats[m->formats[f].format.payload_type].codec);
        check(m->rid_count == negotiated.media[i].rid_count);
    }
    return 0;
}
