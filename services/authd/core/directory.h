/* directory.h - user records: what is known of an account, and what is pretended of a missing one.
 *
 * Pure: JSON and bytes in, values out.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_DIRECTORY_H
#define AUTHD_CORE_DIRECTORY_H

#include "common/base.h"
#include "common/bytes.h"
#include "common/ids.h"
#include "core/srp.h"
#include "limits.h"

#include <jansson.h>

#define DIRECTORY_SECRET_LEN 32
#define ORG_DEFAULT          "default"

/* How the client stretches the password before SRP sees it (docs/api.md). Always Argon2id. */
struct kdf {
    unsigned memory_kib;
    unsigned iterations;
    unsigned parallelism;
};

/* A plain value. The verifier lets its reader guess passwords offline: wipe it after use. */
struct user {
    char id[ID_CAPACITY]; /* "u_…" */
    char username[USERNAME_LEN_MAX + 1];
    char display_name[DISPLAY_NAME_BYTES_MAX + 1];
    char org[ORG_NAME_BYTES_MAX + 1];
    uint8_t salt[SALT_LEN_MAX];
    size_t salt_len;
    uint8_t verifier[SRP_GROUP_BYTES_MAX];
    size_t verifier_len;
    enum srp_group group;
    struct kdf kdf;
    wall_usec created;
};

/* Lower-cases and checks: 1-64 of a-z 0-9 . _ - and a letter or digit first. ERR_MALFORMED. */
MUST_USE enum err username_parse(const char *text, char ret[USERNAME_LEN_MAX + 1]);

/* Reads salt, verifier, group and kdf from a registration or a stored record. ERR_MALFORMED for
 * anything missing, out of its limits, or outside the group. */
MUST_USE enum err user_credentials_parse(const json_t *json, struct user *ret);

/* The stored form, all of it; NULL without memory. Caller json_decref()s. */
MUST_USE json_t *user_to_json(const struct user *user);
MUST_USE enum err user_from_json(const json_t *json, struct user *ret);

json_t *kdf_to_json(const struct kdf *kdf);

/* Fills in the credentials of a user who does not exist: the same name always gets the same salt,
 * and a number that is as good as a verifier which nobody has the password of. Depends on nothing
 * that a client can see; costs a few HMACs.
 *
 * secret  shared by all instances, or they would contradict each other */
void user_pretend(const uint8_t secret[DIRECTORY_SECRET_LEN], const char *username,
                  struct user *ret);

#endif
