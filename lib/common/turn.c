/* turn.c - TURN credentials.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/turn.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

void turn_credential_write(struct bytes secret, const char *subject, wall_usec expiry,
                           struct turn_credential *ret)
{
    int len = snprintf(ret->username, sizeof(ret->username), "%lld:%.64s",
                       (long long)(expiry / USEC_PER_SEC), subject);
    check(len > 0 && (size_t)len < sizeof(ret->username));
    uint8_t mac[20];
    unsigned mac_len = 0;
    check(HMAC(EVP_sha1(), secret.data, (int)secret.len, (const uint8_t *)ret->username,
               (size_t)len, mac, &mac_len) != NULL);
    check(mac_len == sizeof(mac));
    base64_write(ret->password, bytes_of(mac, sizeof(mac)));
}

bool turn_url_is_valid(const char *url)
{
    static const char *const schemes[] = { "stun:", "stuns:", "turn:", "turns:" };
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        const char *host = url + strlen(schemes[i]);
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
            return host[strcspn(host, " /@\t<>\"\r\n")] == 0 &&
                   strcspn(host, ":?") + (host[0] == '[') > 0;
    }
    return false;
}
