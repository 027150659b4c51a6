/* rtcp.c - iterating over compound packets.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/rtcp.h"

enum { REPORT_SIZE = 24, SDES_CNAME = 1 };

struct rtcp_iter rtcp_iter_of(struct bytes compound)
{
    return (struct rtcp_iter){ .at = reader_of(compound) };
}

/* One packet of the compound: header fields and its body without padding. */
struct part {
    uint8_t type;
    uint8_t count; /* RC, SC or FMT */
    struct bytes body;
};

static enum err take_part(struct reader *r, struct part *ret)
{
    uint8_t first = reader_u8(r);
    ret->type = reader_u8(r);
    struct bytes body = reader_take(r, (size_t)reader_u16(r) * 4);
    if (r->failed)
        return ERR_TRUNCATED;
    if (first >> 6 != 2)
        return ERR_MALFORMED;
    if ((first & 0x20) != 0) {
        uint8_t padding = body.len > 0 ? body.data[body.len - 1] : 0;
        if (padding == 0 || padding > body.len)
            return ERR_MALFORMED;
        body.len -= padding;
    }
    ret->count = first & 0x1f;
    ret->body = body;
    return OK;
}

static enum err parse_report(const struct part *part, struct rtcp_message *m)
{
    struct reader r = reader_of(part->body);
    m->kind = part->type == RTCP_TYPE_SR ? RTCP_SR : RTCP_RR;
    m->sender_ssrc = reader_u32(&r);
    if (m->kind == RTCP_SR) {
        m->sender = (struct rtcp_sender_info){ .ssrc = m->sender_ssrc, .ntp = reader_u64(&r) };
        m->sender.timestamp = reader_u32(&r);
        m->sender.packet_count = reader_u32(&r);
        m->sender.octet_count = reader_u32(&r);
    }
    m->reports = reader_take(&r, (size_t)part->count * REPORT_SIZE);
    return r.failed ? ERR_TRUNCATED : OK;
}

static enum err parse_bye(const struct part *part, struct rtcp_message *m)
{
    struct reader r = reader_of(part->body);
    m->kind = RTCP_BYE;
    m->ssrcs = reader_take(&r, (size_t)part->count * 4);
    if (r.failed)
        return ERR_TRUNCATED;
    m->sender_ssrc = m->ssrcs.len > 0 ? load_be32(m->ssrcs.data) : 0;
    return OK;
}

/* Common head of feedback packets (RFC 4585 §6.1). */
static enum err parse_feedback(const struct part *part, struct rtcp_message *m)
{
    struct reader r = reader_of(part->body);
    m->sender_ssrc = reader_u32(&r);
    m->media_ssrc = reader_u32(&r);
    m->fci = reader_take(&r, reader_left(&r));
    return r.failed ? ERR_TRUNCATED : OK;
}

static enum err parse_rtpfb(const struct part *part, struct rtcp_message *m)
{
    enum err e = parse_feedback(part, m);
    if (e != OK)
        return e;
    if (part->count == RTCP_FMT_NACK)
        m->kind = RTCP_NACK;
    else if (part->count == RTCP_FMT_TWCC)
        m->kind = RTCP_TWCC;
    else
        return ERR_UNSUPPORTED;
    return OK;
}

/* draft-alvestrand-rmcat-remb-03 §2.2 */
static enum err parse_remb(struct rtcp_message *m)
{
    struct reader r = reader_of(m->fci);
    struct bytes name = reader_take(&r, 4);
    if (r.failed || !bytes_equal(name, bytes_of("REMB", 4)))
        return ERR_UNSUPPORTED;
    uint8_t count = reader_u8(&r);
    uint32_t rate = reader_u24(&r);
    m->ssrcs = reader_take(&r, (size_t)count * 4);
    if (r.failed)
        return ERR_TRUNCATED;
    unsigned exponent = rate >> 18;
    uint64_t mantissa = rate & 0x3ffff;
    if (exponent > 46) /* 18 + 46 bits: more is not a rate */
        return ERR_MALFORMED;
    m->bitrate_bps = mantissa << exponent;
    m->kind = RTCP_REMB;
    return OK;
}

static enum err parse_psfb(const struct part *part, struct rtcp_message *m)
{
    enum err e = parse_feedback(part, m);
    if (e != OK)
        return e;
    switch (part->count) {
    case RTCP_FMT_PLI:
        m->kind = RTCP_PLI;
        return OK;
    case RTCP_FMT_FIR:
        m->kind = RTCP_FIR;
        return OK;
    case RTCP_FMT_AFB:
        return parse_remb(m);
    default:
        return ERR_UNSUPPORTED;
    }
}

/* The next CNAME of the SDES packet in hand; ERR_NOT_FOUND when its chunks are used up. */
static enum err next_sdes(struct rtcp_iter *it, struct rtcp_message *m)
{
    while (it->sdes.len > 0) {
        struct reader r = reader_of(it->sdes);
        m->sender_ssrc = reader_u32(&r);
        bool found = false;
        uint8_t type;
        while ((type = reader_u8(&r)) != 0) {
            struct bytes value = reader_take(&r, reader_u8(&r));
            if (type == SDES_CNAME && !r.failed) {
                m->cname = value;
                found = true;
            }
        }
        if (r.failed) {
            it->sdes.len = 0;
            return ERR_TRUNCATED;
        }
        size_t used = it->sdes.len - reader_left(&r);
        used = MIN((used + 3) / 4 * 4, it->sdes.len); /* chunks end on a word */
        it->sdes = bytes_of(it->sdes.data + used, it->sdes.len - used);
        if (found) {
            m->kind = RTCP_SDES;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static enum err parse_part(struct rtcp_iter *it, const struct part *part, struct rtcp_message *m)
{
    switch (part->type) {
    case RTCP_TYPE_SR:
    case RTCP_TYPE_RR:
        return parse_report(part, m);
    case RTCP_TYPE_SDES:
        it->sdes = part->body;
        return ERR_UNSUPPORTED; /* its chunks come next */
    case RTCP_TYPE_BYE:
        return parse_bye(part, m);
    case RTCP_TYPE_RTPFB:
        return parse_rtpfb(part, m);
    case RTCP_TYPE_PSFB:
        return parse_psfb(part, m);
    default: /* APP, XR, future types */
        return ERR_UNSUPPORTED;
    }
}

enum err rtcp_next(struct rtcp_iter *it, struct rtcp_message *ret)
{
    for (;;) {
        struct rtcp_message m = { 0 };
        enum err e = next_sdes(it, &m);
        if (e == ERR_NOT_FOUND) {
            if (reader_left(&it->at) == 0)
                return it->at.failed ? ERR_TRUNCATED : ERR_NOT_FOUND;
            struct part part;
            e = take_part(&it->at, &part);
            if (e == OK)
                e = parse_part(it, &part, &m);
            if (e == ERR_UNSUPPORTED)
                continue;
        }
        if (e == OK)
            *ret = m;
        return e;
    }
}

bool rtcp_report_next(struct bytes *reports, struct rtcp_report *ret)
{
    struct reader r = reader_of(*reports);
    struct rtcp_report report = { .ssrc = reader_u32(&r), .fraction_lost = reader_u8(&r) };
    report.cumulative_lost = (int32_t)(reader_u24(&r) << 8) >> 8;
    report.highest_seq = reader_u32(&r);
    report.jitter = reader_u32(&r);
    report.last_sr = reader_u32(&r);
    report.delay_since_sr = reader_u32(&r);
    if (r.failed)
        return false;
    *reports = bytes_of(r.at, reader_left(&r));
    *ret = report;
    return true;
}

bool rtcp_ssrc_next(struct bytes *ssrcs, uint32_t *ret)
{
    if (ssrcs->len < 4)
        return false;
    *ret = load_be32(ssrcs->data);
    *ssrcs = bytes_of(ssrcs->data + 4, ssrcs->len - 4);
    return true;
}

bool rtcp_fir_next(struct bytes *fci, uint32_t *ret_ssrc, uint8_t *ret_command_seq)
{
    if (fci->len < 8)
        return false;
    *ret_ssrc = load_be32(fci->data);
    *ret_command_seq = fci->data[4];
    *fci = bytes_of(fci->data + 8, fci->len - 8);
    return true;
}

struct rtcp_nack_iter rtcp_nack_iter_of(struct bytes fci)
{
    return (struct rtcp_nack_iter){ .fci = fci };
}

bool rtcp_nack_next(struct rtcp_nack_iter *it, uint16_t *ret_seq)
{
    if (it->open && it->blp != 0) {
        unsigned bit = (unsigned)__builtin_ctz(it->blp);
        it->blp &= (uint16_t)(it->blp - 1);
        *ret_seq = (uint16_t)(it->pid + bit + 1);
        return true;
    }
    if (it->fci.len < 4)
        return false;
    it->pid = load_be16(it->fci.data);
    it->blp = load_be16(it->fci.data + 2);
    it->open = true;
    it->fci = bytes_of(it->fci.data + 4, it->fci.len - 4);
    *ret_seq = it->pid;
    return true;
}

/* Seconds from the NTP epoch (1900) to 1970. */
#define NTP_EPOCH_OFFSET_S 2208988800ull

uint64_t ntp_of(wall_usec wall)
{
    uint64_t us = (uint64_t)wall;
    uint64_t seconds = us / (uint64_t)USEC_PER_SEC + NTP_EPOCH_OFFSET_S;
    uint64_t fraction = ((us % (uint64_t)USEC_PER_SEC) << 32) / (uint64_t)USEC_PER_SEC;
    return seconds << 32 | fraction;
}

wall_usec ntp_to_wall(uint64_t ntp)
{
    int64_t seconds = (int64_t)(ntp >> 32) - (int64_t)NTP_EPOCH_OFFSET_S;
    uint64_t us = ((ntp & 0xffffffff) * (uint64_t)USEC_PER_SEC + (1u << 31)) >> 32;
    return seconds * USEC_PER_SEC + (int64_t)us;
}

usec rtcp_round_trip(const struct rtcp_report *report, uint64_t now_ntp)
{
    if (report->last_sr == 0)
        return -1;
    uint32_t elapsed = ntp_middle(now_ntp) - report->last_sr;
    int32_t rtt = (int32_t)(elapsed - report->delay_since_sr);
    if (rtt < 0) /* clocks of both sides drift: a tiny negative value is a tiny round trip */
        return rtt > -655 ? 0 : -1;
    return ((int64_t)rtt * USEC_PER_SEC) >> 16;
}
