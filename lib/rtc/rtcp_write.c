/* rtcp_write.c - writing RTCP packets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/rtcp.h"

enum { CUMULATIVE_LOST_MAX = 0x7fffff };

/* Starts a packet of `len` bytes in all, or fails the writer before anything is written. */
static bool begin(struct writer *w, unsigned count, uint8_t type, size_t len)
{
    check(len % 4 == 0 && len >= 4 && len / 4 - 1 <= UINT16_MAX);
    if (w->failed || writer_left(w) < len) {
        w->failed = true;
        return false;
    }
    writer_u8(w, (uint8_t)(0x80 | count));
    writer_u8(w, type);
    writer_u16(w, (uint16_t)(len / 4 - 1));
    return true;
}

static void put_reports(struct writer *w, const struct rtcp_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct rtcp_report *r = &reports[i];
        int32_t lost = MIN(r->cumulative_lost, CUMULATIVE_LOST_MAX);
        lost = MAX(lost, -CUMULATIVE_LOST_MAX - 1);
        writer_u32(w, r->ssrc);
        writer_u8(w, r->fraction_lost);
        writer_u24(w, (uint32_t)lost & 0xffffff);
        writer_u32(w, r->highest_seq);
        writer_u32(w, r->jitter);
        writer_u32(w, r->last_sr);
        writer_u32(w, r->delay_since_sr);
    }
}

void rtcp_write_sr(struct writer *w, const struct rtcp_sender_info *info,
                   const struct rtcp_report *reports, size_t count)
{
    check(count <= RTCP_REPORTS_MAX);
    if (!begin(w, (unsigned)count, RTCP_TYPE_SR, 28 + 24 * count))
        return;
    writer_u32(w, info->ssrc);
    writer_u64(w, info->ntp);
    writer_u32(w, info->timestamp);
    writer_u32(w, info->packet_count);
    writer_u32(w, info->octet_count);
    put_reports(w, reports, count);
}

void rtcp_write_rr(struct writer *w, uint32_t ssrc, const struct rtcp_report *reports, size_t count)
{
    check(count <= RTCP_REPORTS_MAX);
    if (!begin(w, (unsigned)count, RTCP_TYPE_RR, 8 + 24 * count))
        return;
    writer_u32(w, ssrc);
    put_reports(w, reports, count);
}

void rtcp_write_sdes(struct writer *w, uint32_t ssrc, struct bytes cname)
{
    check(cname.len > 0 && cname.len <= 255);
    /* ssrc, type, length, text, then 1..4 zero bytes that end the chunk on a word */
    size_t chunk = (4 + 2 + cname.len) / 4 * 4 + 4;
    if (!begin(w, 1, RTCP_TYPE_SDES, 4 + chunk))
        return;
    writer_u32(w, ssrc);
    writer_u8(w, 1);
    writer_u8(w, (uint8_t)cname.len);
    writer_put(w, cname);
    for (size_t i = 6 + cname.len; i < chunk; i++)
        writer_u8(w, 0);
}

void rtcp_write_bye(struct writer *w, const uint32_t *ssrcs, size_t count, struct bytes reason)
{
    check(count > 0 && count <= RTCP_SOURCES_MAX);
    size_t len = MIN(reason.len, (size_t)255);
    size_t text = len > 0 ? (1 + len + 3) / 4 * 4 : 0;
    if (!begin(w, (unsigned)count, RTCP_TYPE_BYE, 4 + 4 * count + text))
        return;
    for (size_t i = 0; i < count; i++)
        writer_u32(w, ssrcs[i]);
    if (len == 0)
        return;
    writer_u8(w, (uint8_t)len);
    writer_put(w, bytes_of(reason.data, len));
    for (size_t i = 1 + len; i < text; i++)
        writer_u8(w, 0);
}

static bool begin_feedback(struct writer *w, unsigned format, uint8_t type, uint32_t sender,
                           uint32_t media, size_t fci_len)
{
    if (!begin(w, format, type, 12 + fci_len))
        return false;
    writer_u32(w, sender);
    writer_u32(w, media);
    return true;
}

/* One FCI word: the number at *index and those of the 16 after it that follow in the list. */
static uint32_t nack_word(const uint16_t *seqs, size_t count, size_t *index)
{
    uint16_t pid = seqs[(*index)++];
    uint16_t blp = 0;
    while (*index < count) {
        uint16_t distance = (uint16_t)(seqs[*index] - pid);
        if (distance == 0 || distance > 16)
            break;
        blp = (uint16_t)(blp | 1u << (distance - 1));
        (*index)++;
    }
    return (uint32_t)pid << 16 | blp;
}

void rtcp_write_nack(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                     const uint16_t *seqs, size_t count)
{
    check(count > 0);
    size_t words = 0;
    for (size_t i = 0; i < count; words++)
        (void)nack_word(seqs, count, &i);
    if (words > UINT16_MAX - 2) {
        w->failed = true;
        return;
    }
    if (!begin_feedback(w, RTCP_FMT_NACK, RTCP_TYPE_RTPFB, sender_ssrc, media_ssrc, words * 4))
        return;
    for (size_t i = 0; i < count;)
        writer_u32(w, nack_word(seqs, count, &i));
}

void rtcp_write_pli(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    (void)begin_feedback(w, RTCP_FMT_PLI, RTCP_TYPE_PSFB, sender_ssrc, media_ssrc, 0);
}

void rtcp_write_fir(struct writer *w, uint32_t sender_ssrc, uint32_t target_ssrc,
                    uint8_t command_seq)
{
    /* RFC 5104 §4.3.1.2: the media source of the packet is 0, the target is in the FCI */
    if (!begin_feedback(w, RTCP_FMT_FIR, RTCP_TYPE_PSFB, sender_ssrc, 0, 8))
        return;
    writer_u32(w, target_ssrc);
    writer_u32(w, (uint32_t)command_seq << 24);
}

void rtcp_write_remb(struct writer *w, uint32_t sender_ssrc, uint64_t bitrate_bps,
                     const uint32_t *ssrcs, size_t count)
{
    check(count <= RTCP_REMB_SSRCS_MAX);
    if (!begin_feedback(w, RTCP_FMT_AFB, RTCP_TYPE_PSFB, sender_ssrc, 0, 8 + 4 * count))
        return;
    unsigned exponent = 0;
    while (bitrate_bps >> exponent > 0x3ffff)
        exponent++;
    writer_put(w, bytes_of("REMB", 4));
    writer_u8(w, (uint8_t)count);
    writer_u24(w, exponent << 18 | (uint32_t)(bitrate_bps >> exponent));
    for (size_t i = 0; i < count; i++)
        writer_u32(w, ssrcs[i]);
}
