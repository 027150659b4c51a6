/* rtcp.h - RTCP compound packets (RFC 3550 §6, RFC 4585, RFC 5104, RFC 5506 reduced size).
 *
 * Pure. The iterator yields typed messages whose views borrow from the packet; writers append to a
 * caller's `struct writer`. Unknown types, APP and XR are skipped.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_RTCP_H
#define RTC_RTCP_H

#include "common/bytes.h"

enum {
    RTCP_TYPE_SR = 200,
    RTCP_TYPE_RR = 201,
    RTCP_TYPE_SDES = 202,
    RTCP_TYPE_BYE = 203,
    RTCP_TYPE_APP = 204,
    RTCP_TYPE_RTPFB = 205,
    RTCP_TYPE_PSFB = 206,
    RTCP_TYPE_XR = 207,
    RTCP_FMT_NACK = 1,  /* RTPFB */
    RTCP_FMT_TWCC = 15, /* RTPFB */
    RTCP_FMT_PLI = 1,   /* PSFB */
    RTCP_FMT_FIR = 4,   /* PSFB */
    RTCP_FMT_AFB = 15,  /* PSFB, carries REMB */
    RTCP_REPORTS_MAX = 31,
    RTCP_SOURCES_MAX = 31, /* in one BYE */
    RTCP_REMB_SSRCS_MAX = 255,
};

enum rtcp_kind {
    RTCP_SR,
    RTCP_RR,
    RTCP_SDES, /* one message per CNAME chunk */
    RTCP_BYE,
    RTCP_NACK,
    RTCP_TWCC,
    RTCP_PLI,
    RTCP_FIR,
    RTCP_REMB,
};

/* RFC 3550 §6.4.1 */
struct rtcp_report {
    uint32_t ssrc;
    uint8_t fraction_lost;   /* of 256, since the previous report */
    int32_t cumulative_lost; /* 24 bits signed on the wire, clamped when written */
    uint32_t highest_seq;    /* extended */
    uint32_t jitter;         /* timestamp units */
    uint32_t last_sr;        /* middle 32 bits of its NTP time; 0: none yet */
    uint32_t delay_since_sr; /* 1/65536 s */
};

struct rtcp_sender_info {
    uint32_t ssrc;
    uint64_t ntp; /* 32.32 since 1900 */
    uint32_t timestamp;
    uint32_t packet_count;
    uint32_t octet_count;
};

struct rtcp_message {
    enum rtcp_kind kind;
    uint32_t sender_ssrc;           /* SR, RR, SDES: the source. BYE: the first one */
    uint32_t media_ssrc;            /* feedback only */
    struct rtcp_sender_info sender; /* SR */
    struct bytes reports;           /* SR, RR: rtcp_report_next() */
    struct bytes cname;             /* SDES */
    struct bytes ssrcs;             /* BYE, REMB: 4 bytes each */
    struct bytes fci;               /* NACK: rtcp_nack_next(); FIR: rtcp_fir_next(); TWCC: twcc.h */
    uint64_t bitrate_bps;           /* REMB */
};

struct rtcp_iter {
    struct reader at;
    struct bytes sdes; /* chunks of the current SDES packet still to be yielded */
};

/* Does not look at the bytes yet. */
struct rtcp_iter rtcp_iter_of(struct bytes compound);

/* The next message. OK; ERR_NOT_FOUND at the regular end; ERR_TRUNCATED or ERR_MALFORMED if what
 * follows cannot be parsed (what was yielded before stands; stop then). */
MUST_USE enum err rtcp_next(struct rtcp_iter *it, struct rtcp_message *ret);

/* Consume the views of a message; false at the end. */
bool rtcp_report_next(struct bytes *reports, struct rtcp_report *ret);
bool rtcp_ssrc_next(struct bytes *ssrcs, uint32_t *ret);
bool rtcp_fir_next(struct bytes *fci, uint32_t *ret_ssrc, uint8_t *ret_command_seq);

/* Sequence numbers of a generic NACK, in wire order. */
struct rtcp_nack_iter {
    struct bytes fci;
    uint16_t pid;
    uint16_t blp;
    bool open;
};
struct rtcp_nack_iter rtcp_nack_iter_of(struct bytes fci);
bool rtcp_nack_next(struct rtcp_nack_iter *it, uint16_t *ret_seq);

/* Writers: each appends one whole packet, or nothing and the writer's `failed`. count <=
 * RTCP_REPORTS_MAX. */
void rtcp_write_sr(struct writer *w, const struct rtcp_sender_info *info,
                   const struct rtcp_report *reports, size_t count);
void rtcp_write_rr(struct writer *w, uint32_t ssrc, const struct rtcp_report *reports,
                   size_t count);
/* cname: 1..255 bytes */
void rtcp_write_sdes(struct writer *w, uint32_t ssrc, struct bytes cname);
/* The end of `count` sources, 1 to RTCP_SOURCES_MAX. reason may be empty; at most 255 bytes are
 * used. */
void rtcp_write_bye(struct writer *w, const uint32_t *ssrcs, size_t count, struct bytes reason);
/* seqs ascending (serially) pack best, any order is right. count > 0 */
void rtcp_write_nack(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                     const uint16_t *seqs, size_t count);
void rtcp_write_pli(struct writer *w, uint32_t sender_ssrc, uint32_t media_ssrc);
void rtcp_write_fir(struct writer *w, uint32_t sender_ssrc, uint32_t target_ssrc,
                    uint8_t command_seq);
void rtcp_write_remb(struct writer *w, uint32_t sender_ssrc, uint64_t bitrate_bps,
                     const uint32_t *ssrcs, size_t count);

/* NTP 32.32 of a wall clock, and the middle 32 bits that LSR carries. */
uint64_t ntp_of(wall_usec wall);
wall_usec ntp_to_wall(uint64_t ntp);
static inline uint32_t ntp_middle(uint64_t ntp)
{
    return (uint32_t)(ntp >> 16);
}

/* Round trip from a report about a stream of ours (RFC 3550 §6.4.1), -1 if it cannot be known.
 * now_ntp is when the report arrived, on the clock that wrote our sender reports. */
usec rtcp_round_trip(const struct rtcp_report *report, uint64_t now_ntp);

#endif
