/* grant.h - what a token allows its bearer, decided here and nowhere else.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_GRANT_H
#define AUTHD_CORE_GRANT_H

#include "common/base.h"
#include "common/token.h"

#include <jansson.h>

/* User names that are administrators, from the configuration (`admins`). Borrowed. */
struct grant_policy {
    const char *const *admins;
    size_t admin_count;
};

bool grant_is_admin(const struct grant_policy *policy, const char *username);

/* A user may join every room of its org, publish everything and subscribe; an administrator may
 * also moderate and administer. */
struct token_grant grant_of_user(const struct grant_policy *policy, const char *username);
/* A guest may do what a user may. */
struct token_grant grant_of_guest(void);

/* ["member"] or ["member", "admin"]; NULL without memory. */
json_t *grant_roles(const struct grant_policy *policy, const char *username);

#endif
