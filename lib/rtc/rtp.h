/* rtp.h - RTP packets and their header extension blocks (RFC 3550 §5.1, RFC 8285).
 *
 * Pure: bytes in, values out. Views point into the caller's packet and live as long as it does.
 *
 *   0                   1                   2                   3
 *   V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   timestamp | SSRC | CSRC... | extension: profile, words, body | payload | padding, count
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_RTP_H
#define RTC_RTP_H

#include "common/bytes.h"

enum {
    RTP_HEADER_SIZE = 12,
    RTP_EXT_ONE_BYTE = 0xBEDE, /* RFC 8285 §4.2 */
    RTP_EXT_TWO_BYTE = 0x1000, /* RFC 8285 §4.3, low 4 bits are "appbits" */
};

struct rtp_packet {
    uint8_t payload_type;
    bool marker;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;
    struct bytes csrcs; /* 4 bytes each */
    bool has_ext;
    uint16_t ext_profile; /* RTP_EXT_ONE_BYTE, RTP_EXT_TWO_BYTE | appbits, or something else */
    struct bytes ext;     /* body, without profile and length words */
    struct bytes payload; /* without padding; empty for a padding-only packet */
    uint8_t padding_len;  /* including its count byte */
};

/* Parses one decrypted packet. OK, ERR_TRUNCATED, or ERR_MALFORMED (version, padding count).
 * Extension elements are not looked at here. */
MUST_USE enum err rtp_parse(struct bytes packet, struct rtp_packet *ret);

/* Writes fixed header, CSRCs and extension block of `p`: everything before the payload. p->ext
 * must be a multiple of 4 bytes. The padding bit is set if p->padding_len > 0; the caller then
 * appends payload and padding itself. Sticky failure in the writer. */
void rtp_write_header(struct writer *w, const struct rtp_packet *p);

/* Header, payload and padding. */
void rtp_write(struct writer *w, const struct rtp_packet *p);

/* Elements of an extension block. Zero-length elements exist in the two-byte form. */
struct rtp_ext_iter {
    struct reader at;
    bool two_byte;
};

/* For a packet without extensions, or with an unknown profile, the iteration is empty. */
struct rtp_ext_iter rtp_ext_iter_of(const struct rtp_packet *p);

/* The next element; false at the end or at the first malformed element (the rest is ignored, as
 * RFC 8285 asks of receivers). */
bool rtp_ext_next(struct rtp_ext_iter *it, uint8_t *ret_id, struct bytes *ret_value);

#endif
