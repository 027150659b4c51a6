/* demux.h - what a datagram is, by its first bytes (RFC 7983 §7, RFC 5761 §4).
 *
 * Pure. A classification is a guess from two bytes, not a validation: each parser still checks.
 *
 *   first byte     0..3 STUN   16..19 ZRTP   20..63 DTLS   64..79 TURN channel   128..191 RTP/RTCP
 *   second byte    of 128..191: payload type with marker bit cleared 64..95 is RTCP
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DEMUX_H
#define RTC_DEMUX_H

#include "common/bytes.h"

enum demux_kind {
    DEMUX_OTHER, /* nothing we speak (ZRTP included): count and drop */
    DEMUX_STUN,
    DEMUX_DTLS,
    DEMUX_TURN_CHANNEL,
    DEMUX_RTP,
    DEMUX_RTCP,
    DEMUX_KIND_COUNT,
};

static inline enum demux_kind demux_classify(struct bytes packet)
{
    if (packet.len < 2)
        return DEMUX_OTHER;
    uint8_t first = packet.data[0];
    if (first <= 3)
        return DEMUX_STUN;
    if (first >= 20 && first <= 63)
        return DEMUX_DTLS;
    if (first >= 64 && first <= 79)
        return DEMUX_TURN_CHANNEL;
    if (first < 128 || first > 191)
        return DEMUX_OTHER;
    uint8_t type = packet.data[1] & 0x7f;
    return type >= 64 && type <= 95 ? DEMUX_RTCP : DEMUX_RTP;
}

/* "stun", "dtls", …: a metric label. */
static inline const char *demux_name(enum demux_kind kind)
{
    static const char *const names[DEMUX_KIND_COUNT] = { "other",        "stun", "dtls",
                                                         "turn-channel", "rtp",  "rtcp" };
    check((unsigned)kind < DEMUX_KIND_COUNT);
    return names[kind];
}

#endif
