/* seal_keys.h - session keys of an SRTP direction, derived from its master key (RFC 3711 §4.3).
 *
 * Inside of the seal module; tests use it to hold it against the RFCs' vectors, which give session
 * keys. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef RTC_SEAL_KEYS_H
#define RTC_SEAL_KEYS_H

#include "rtc/seal.h"

#define SEAL_AUTH_KEY_LEN 20

/* Keys of RTP or of RTCP; auth is for HMAC-SHA1 only. */
struct seal_keys {
    uint8_t key[SEAL_KEY_MAX];
    uint8_t salt[SEAL_SALT_MAX];
    uint8_t auth[SEAL_AUTH_KEY_LEN];
};

/* Holds secrets: wipe after use. */
struct seal_session {
    struct seal_keys rtp;
    struct seal_keys rtcp;
};

/* OK, or ERR_UNSUPPORTED (profile), ERR_SYSTEM. ret is written only on OK. */
MUST_USE enum err seal_session_derive(enum seal_profile profile, const struct seal_master *master,
                                      struct seal_session *ret);

/* As sealer_new() and opener_new(), from session keys. */
struct sealer *sealer_new_session(const struct seal_engine *engine, enum seal_profile profile,
                                  const struct seal_session *session, size_t streams);
struct opener *opener_new_session(const struct seal_engine *engine, enum seal_profile profile,
                                  const struct seal_session *session, size_t streams);

#endif
