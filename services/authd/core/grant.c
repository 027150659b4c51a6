/* grant.c - user → roles and grant.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/grant.h"

#include <strings.h>

bool grant_is_admin(const struct grant_policy *policy, const char *username)
{
    for (size_t i = 0; i < policy->admin_count; i++)
        if (strcasecmp(policy->admins[i], username) == 0)
            return true;
    return false;
}

struct token_grant grant_of_guest(void)
{
    return (struct token_grant){
        .room = "*", .publish = TOKEN_PUBLISH_ALL, .subscribe = true, .data = true
    };
}

struct token_grant grant_of_user(const struct grant_policy *policy, const char *username)
{
    struct token_grant grant = grant_of_guest();
    grant.admin = grant.moderate = grant_is_admin(policy, username);
    return grant;
}

json_t *grant_roles(const struct grant_policy *policy, const char *username)
{
    return grant_is_admin(policy, username) ? json_pack("[s, s]", "member", "admin")
                                            : json_pack("[s]", "member");
}
