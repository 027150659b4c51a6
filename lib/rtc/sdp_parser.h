/* sdp_parser.h - a description being parsed, shared by sdp_parse.c (lines) and sdp_attribute.c
 * only.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SDP_PARSER_H
#define RTC_SDP_PARSER_H

#include "rtc/sdp_text.h"

struct sdp_parser {
    struct sdp *sdp;
    struct sdp_media *media; /* the m-line the next attribute belongs to; NULL: the session */
    struct sdp_error *error;
    unsigned line;
    const char *attribute; /* name for messages */
};

/* What follows "a=" of the current line. Unknown attributes are OK. */
enum err sdp_on_attribute(struct sdp_parser *p, struct bytes value);

/* NULL if the m-line does not list the payload type. */
struct sdp_format *sdp_find_format(struct sdp_media *media, uint64_t payload_type);

#endif
