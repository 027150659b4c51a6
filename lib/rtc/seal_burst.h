/* seal_burst.h - packets that are sealed together: AES_CM_128_HMAC_SHA1_80, by ipsec-mb.
 *
 * SHA-1 of one packet is a chain of steps that a CPU cannot speed up; sixteen packets' chains run
 * side by side, whoever they are for. So a worker hands packets to sealer_rtp_later(), and has them
 * sealed when its memory for sending is full or nothing is left to do. One thread's.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_BURST_H
#define RTC_SEAL_BURST_H

#include "rtc/seal.h"

struct seal_burst; /* heap */

/* NULL without memory. With OpenSSL, nothing is ever put off. */
struct seal_burst *seal_burst_new(const struct seal_engine *engine);
/* Wipes it. Nothing may wait. */
void seal_burst_free(struct seal_burst *b);
/* Bytes of one, for the log at start. */
size_t seal_burst_memory(const struct seal_engine *engine);

/* As sealer_rtp(), but the payload may be encrypted and the tag written as late as in
 * seal_burst_run(): until then payload, what was appended to out, and s have to stay as they are.
 * Other profiles than AES-CM, and sealers of OpenSSL, seal at once. b: of the engine of s. */
MUST_USE enum err sealer_rtp_later(struct sealer *s, struct seal_burst *b, uint64_t index,
                                   struct bytes header, struct bytes payload, struct writer *out);

/* Seals all that waits. */
void seal_burst_run(struct seal_burst *b);

#endif
