/* turn.h - short-lived TURN credentials: coturn's `use-auth-secret`
 * (draft-uberti-behave-turn-rest).
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_TURN_H
#define AUTHD_CORE_TURN_H

#include "common/base.h"
#include "common/base64url.h"
#include "common/bytes.h"

struct turn_credential {
    char username[96];                  /* "<expiry in Unix seconds>:<subject>" */
    char password[BASE64_CAPACITY(20)]; /* base64 of HMAC-SHA1(secret, username) */
};

void turn_credential_write(struct bytes secret, const char *subject, wall_usec expiry,
                           struct turn_credential *ret);

#endif
