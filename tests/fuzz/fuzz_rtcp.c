/* fuzz_rtcp.c - one compound packet into the RTCP iterator; every view is walked to its end, and
 * what can be written is written and read again.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "rtc/twcc.h"

static uint8_t buffer[1 << 20];

/* The one message in what was written, if it fitted. */
static bool read_back(const struct writer *w, struct rtcp_message *ret)
{
    struct rtcp_iter it = rtcp_iter_of(bytes_of(w->start, writer_len(w)));
    if (w->failed)
        return false;
    check(rtcp_next(&it, ret) == OK);
    struct rtcp_message more;
    check(rtcp_next(&it, &more) == ERR_NOT_FOUND);
    return true;
}

static void check_reports(const struct rtcp_message *m)
{
    struct rtcp_report reports[RTCP_REPORTS_MAX];
    struct bytes left = m->reports;
    size_t count = 0;
    while (rtcp_report_next(&left, &reports[count]))
        if (++count == RTCP_REPORTS_MAX)
            break;
    check(count == m->reports.len / 24);
    struct writer w = writer_of(buffer, sizeof(buffer));
    if (m->kind == RTCP_SR)
        rtcp_write_sr(&w, &m->sender, reports, count);
    else
        rtcp_write_rr(&w, m->sender_ssrc, reports, count);
    struct rtcp_message again;
    check(read_back(&w, &again) && again.kind == m->kind);
    check(bytes_equal(again.reports, m->reports));
    if (count > 0)
        (void)rtcp_round_trip(&reports[0], m->sender.ntp);
    check(m->sender.ntp == 0 || ntp_to_wall(m->sender.ntp) != INT64_MIN);
}

static void check_nack(const struct rtcp_message *m)
{
    static uint16_t seqs[1 << 17];
    size_t count = 0;
    struct rtcp_nack_iter it = rtcp_nack_iter_of(m->fci);
    while (count < ARRAY_LEN(seqs) && rtcp_nack_next(&it, &seqs[count]))
        count++;
    if (count == 0)
        return;
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_nack(&w, m->sender_ssrc, m->media_ssrc, seqs, count);
    struct rtcp_message again;
    if (!read_back(&w, &again))
        return;
    uint16_t seq;
    it = rtcp_nack_iter_of(again.fci);
    size_t again_count = 0; /* less if a number was named twice */
    while (rtcp_nack_next(&it, &seq))
        again_count++;
    check(again_count > 0 && again_count <= count);
}

static void check_remb(const struct rtcp_message *m)
{
    uint32_t ssrcs[RTCP_REMB_SSRCS_MAX];
    struct bytes left = m->ssrcs;
    size_t count = 0;
    while (count < RTCP_REMB_SSRCS_MAX && rtcp_ssrc_next(&left, &ssrcs[count]))
        count++;
    struct writer w = writer_of(buffer, sizeof(buffer));
    rtcp_write_remb(&w, m->sender_ssrc, m->bitrate_bps, ssrcs, count);
    struct rtcp_message again;
    check(read_back(&w, &again) && again.kind == RTCP_REMB);
    check(again.bitrate_bps == m->bitrate_bps && bytes_equal(again.ssrcs, m->ssrcs));
}

static void check_message(const struct rtcp_message *m)
{
    struct bytes fci = m->fci;
    uint32_t ssrc;
    uint8_t command_seq;
    struct twcc_feedback f;
    struct twcc_result result;
    unsigned results = 0;
    switch (m->kind) {
    case RTCP_SR:
    case RTCP_RR:
        check_reports(m);
        break;
    case RTCP_NACK:
        check_nack(m);
        break;
    case RTCP_REMB:
        check_remb(m);
        break;
    case RTCP_FIR:
        while (rtcp_fir_next(&fci, &ssrc, &command_seq))
            continue;
        break;
    case RTCP_TWCC:
        if (twcc_feedback_parse(m->fci, &f) != OK)
            break;
        while (twcc_feedback_next(&f, &result))
            results++;
        check(results == f.status_count);
        break;
    case RTCP_SDES:
        if (m->cname.len > 0) {
            struct writer w = writer_of(buffer, sizeof(buffer));
            struct rtcp_message again;
            rtcp_write_sdes(&w, m->sender_ssrc, m->cname);
            check(read_back(&w, &again) && bytes_equal(again.cname, m->cname));
        }
        break;
    case RTCP_BYE:
    case RTCP_PLI:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rtcp_iter it = rtcp_iter_of(bytes_of(data, len));
    struct rtcp_message m;
    while (rtcp_next(&it, &m) == OK)
        check_message(&m);
    return 0;
}
