/* dcep.h - opening data channels in band (RFC 8832), and the payload protocols of SCTP messages in
 * them (RFC 8831 §8).
 *
 * Pure: bytes in, values out. Views point into the message and live as long as it does.
 *
 *     OPEN  3 | channel type 1 | priority 2 | reliability 4 | label len 2 | protocol len 2 | …
 *     ACK   2
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_DCEP_H
#define RTC_DCEP_H

#include "common/bytes.h"

enum dcep_ppid {
    DCEP_PPID_CONTROL = 50,
    DCEP_PPID_TEXT = 51,
    DCEP_PPID_BINARY = 53,
    DCEP_PPID_TEXT_EMPTY = 56, /* one byte stands for none */
    DCEP_PPID_BINARY_EMPTY = 57,
};

enum dcep_reliability {
    DCEP_RELIABLE,
    DCEP_RETRANSMITS, /* at most `limit` times again */
    DCEP_LIFETIME,    /* for at most `limit` milliseconds */
};

/* What both ends of a channel keep to. */
struct dcep_open {
    enum dcep_reliability reliability;
    bool ordered;
    uint16_t priority;
    uint32_t limit; /* 0 if reliable */
    struct bytes label;
    struct bytes protocol;
};

enum dcep_kind { DCEP_ACK, DCEP_OPEN };

struct dcep_message {
    enum dcep_kind kind;
    struct dcep_open open; /* OPEN */
};

/* Parses one whole message. ret is written only on OK. ERR_TRUNCATED, ERR_MALFORMED (lengths that
 * do not add up), ERR_UNSUPPORTED (another message, or channel type). */
MUST_USE enum err dcep_parse(struct bytes message, struct dcep_message *ret);

/* ERR_FULL: no room in w, or a label or protocol of more than 65,535 bytes. */
MUST_USE enum err dcep_write_open(const struct dcep_open *open, struct writer *w);
MUST_USE enum err dcep_write_ack(struct writer *w);

#endif
