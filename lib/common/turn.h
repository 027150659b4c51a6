/* turn.h - short-lived TURN credentials: coturn's `use-auth-secret`
 * (draft-uberti-behave-turn-rest).
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_TURN_H
#define COMMON_TURN_H

#include "common/base.h"
#include "common/base64url.h"
#include "common/bytes.h"

#include <string.h>

struct turn_credential {
    char username[96];                  /* "<expiry in Unix seconds>:<subject>" */
    char password[BASE64_CAPACITY(20)]; /* base64 of HMAC-SHA1(secret, username) */
};

void turn_credential_write(struct bytes secret, const char *subject, wall_usec expiry,
                           struct turn_credential *ret);

/* RFC 7064, RFC 7065: stun, stuns, turn or turns, a host, and not more than a port and a transport
 * behind it; nothing that would have to be quoted in a header. */
bool turn_url_is_valid(const char *url);
static inline bool turn_url_needs_credential(const char *url)
{
    return strncmp(url, "turn", 4) == 0;
}

#endif
