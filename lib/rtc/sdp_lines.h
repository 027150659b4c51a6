/* sdp_lines.h - the lines that offers and answers of ours have in common; shared by sdp_offer.c and
 * sdp_answer.c only.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SDP_LINES_H
#define RTC_SDP_LINES_H

#include "rtc/sdp.h"

/* a=ice-ufrag, a=ice-pwd, a=fingerprint, a=setup */
void sdp_put_transport(const char *ufrag, const char *pwd, const struct sdp_fingerprint *f,
                       const char *setup, struct writer *w);

/* a=candidate of component 1, then a=end-of-candidates. `tcptype`: of the TCP ones. */
void sdp_put_candidates(const struct sdp_candidate *list, size_t count, const char *tcptype,
                        struct writer *w);

/* a=rtpmap, a=rtcp-fb and a=fmtp of one payload type; an empty fmtp is left out. */
void sdp_put_format(const struct format *f, const char *fmtp, struct writer *w);

/* a=msid, a=ssrc-group:FID and a=ssrc, as far as they are known. */
void sdp_put_stream(const struct sdp_slot *s, const char *cname, struct writer *w);

/* "sendrecv", … */
const char *sdp_direction_name(enum sdp_direction d);

#endif
