/* sdp_text.h - small pieces of SDP text, shared by the sdp_*.c files only.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SDP_TEXT_H
#define RTC_SDP_TEXT_H

#include "rtc/sdp.h"

/* Cuts `text` at the first `separator`: returns what is before it, leaves what is behind it. */
struct bytes sdp_cut(struct bytes *text, char separator);

/* Whether text equals a literal; the second ignores case. */
bool sdp_is(struct bytes text, const char *literal);
bool sdp_is_nocase(struct bytes text, const char *literal);

/* A decimal number of digits only, at most `max`. */
bool sdp_number(struct bytes text, uint64_t max, uint64_t *ret);

/* 1..max bytes of RFC 8866 token characters: visible ASCII without separators that break us. */
bool sdp_is_token(struct bytes text, size_t max);

/* Copies with a terminating zero; text.len < size. */
void sdp_copy(char *to, size_t size, struct bytes text);

/* The value of `key` in "a=1;b=2", or an empty view. Key case is ignored. */
struct bytes sdp_fmtp_value(struct bytes fmtp, const char *key);

/* Fills an error and returns `e`. line 0: about the description as a whole. */
enum err sdp_fail(struct sdp_error *error, enum err e, unsigned line, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* sdp_format.c: reads what fmtp says into the formats of an m-line, after all its lines are known.
 * A format with parameters we do not understand becomes CODEC_NONE. */
void sdp_resolve_formats(struct sdp_media *media);

#endif
