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

/* The m-line with that mid, or NULL; never one without a mid. */
const struct sdp_media *sdp_find_media(const struct sdp *sdp, struct bytes mid);

/* Whether a mid is in the first BUNDLE group. */
bool sdp_is_bundled(const struct sdp *sdp, struct bytes mid);

/* The transport that all m-lines of the bundle share. Borrows from the description. */
struct sdp_transport {
    const struct sdp_media *tagged; /* the m-line that decides */
    struct bytes ufrag, pwd;
    const struct sdp_fingerprint *fingerprints;
    size_t fingerprint_count;
    enum sdp_setup setup;
    bool extmap_allow_mixed;
};

/* sdp_transport.c. ERR_UNSUPPORTED if a part is missing, ERR_MALFORMED if the group is wrong.
 * what: "offer" or "answer", for the message. */
enum err sdp_find_transport(const struct sdp *sdp, const char *what, struct sdp_transport *ret,
                            struct sdp_error *ret_error);

/* Whether an m-line is RTP and not rejected: port 0 means that, unless it is bundle-only
 * (RFC 9143 §6). */
bool sdp_is_open(const struct sdp_media *m);

/* sdp_candidate.c: what follows "a=candidate:". As sdp_candidate_parse(). */
enum err sdp_candidate_read(struct bytes value, struct sdp_remote_candidate *ret);

/* Fills an error and returns `e`. line 0: about the description as a whole. */
enum err sdp_fail(struct sdp_error *error, enum err e, unsigned line, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* sdp_format.c: reads what fmtp says into the formats of an m-line, after all its lines are known.
 * A format with parameters we do not understand becomes CODEC_NONE. */
void sdp_resolve_formats(struct sdp_media *media);

#endif
