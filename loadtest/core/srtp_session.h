/* srtp_session.h - SRTP of one leg by libsrtp2 (RFC 3711, RFC 7714): an implementation that is not
 * the server's, so that every run is an interoperability test.
 *
 * srtp_session_library_init() once per process, before the first; the rest is one thread per
 * object. libsrtp allocates as it likes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SRTP_SESSION_H
#define LOADTEST_SRTP_SESSION_H

#include "rtc/dtls.h"

/* ERR_SYSTEM. A second call is OK. */
MUST_USE enum err srtp_session_library_init(void);

struct srtp_session; /* heap */

/* NULL: memory, or a profile that this libsrtp does not have. keys are not kept. */
struct srtp_session *srtp_session_new(const struct dtls_keys *keys);
void srtp_session_free(struct srtp_session *s);

enum { SRTP_SESSION_OVERHEAD_MAX = 20 }; /* room that sealing needs behind the packet */

/* In place; *len is the clear length, then the sealed one. ERR_SYSTEM. */
MUST_USE enum err srtp_session_seal_rtp(struct srtp_session *s, uint8_t *packet, size_t *len);
MUST_USE enum err srtp_session_seal_rtcp(struct srtp_session *s, uint8_t *packet, size_t *len);
/* In place. ERR_AUTH, ERR_EXPIRED (replayed or too old), ERR_MALFORMED. */
MUST_USE enum err srtp_session_open_rtp(struct srtp_session *s, uint8_t *packet, size_t *len);
MUST_USE enum err srtp_session_open_rtcp(struct srtp_session *s, uint8_t *packet, size_t *len);

#endif
