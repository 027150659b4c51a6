/* sdp_answer_tool.c - reads an offer on stdin and prints our answer: for trying what a browser
 * says to it. Exit status 1 and the reason on stderr if the offer is refused.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/sdp.h"

#include <stdio.h>

static uint8_t text[SDP_TEXT_MAX + 1];
static uint8_t answer[SDP_ANSWER_SIZE_MAX];
static struct sdp offer;
static struct negotiated negotiated;
static struct sdp_slot slots[SDP_MEDIA_MAX];

int main(void)
{
    size_t len = fread(text, 1, sizeof(text), stdin);
    struct sdp_error error;
    struct sdp_policy policy = sdp_policy_default();
    if (sdp_parse(bytes_of(text, len), &offer, &error) != OK ||
        sdp_negotiate(&offer, &policy, &negotiated, &error) != OK) {
        (void)fprintf(stderr, "refused: %s\n", error.text);
        return 1;
    }
    for (size_t i = 0; i < negotiated.media_count; i++)
        slots[i] = (struct sdp_slot){ .ssrc = (uint32_t)(1000 + 2 * i),
                                      .rtx_ssrc = negotiated.media[i].kind == MEDIA_VIDEO
                                                      ? (uint32_t)(1001 + 2 * i)
                                                      : 0,
                                      .stream = "slots",
                                      .track = negotiated.media[i].mid };
    const struct sdp_candidate candidates[] = {
        { .address = "127.0.0.1", .port = 40000 },
        { .address = "127.0.0.1", .port = 40000, .tcp = true }
    };
    struct sdp_answer a = {
        .session_id = 4611686018427387904u,
        .ice_ufrag = "abcd1234",
        .ice_pwd = "0123456789abcdefghijklmn",
        .fingerprint = { .hash = SDP_SHA256, .len = 32, .value = { 1, 2, 3 } },
        .candidates = candidates,
        .candidate_count = ARRAY_LEN(candidates),
        .cname = "conclave",
        .slots = slots,
    };
    struct writer w = writer_of(answer, sizeof(answer));
    if (sdp_write_answer(&negotiated, &a, &w) != OK)
        return 1;
    return fwrite(answer, 1, writer_len(&w), stdout) == writer_len(&w) ? 0 : 1;
}
