/* limits.h - every limit of authd, with its reason.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_LIMITS_H
#define AUTHD_LIMITS_H

#include "common/base.h"

/* User names go into keys, logs and the SRP hash: ASCII only, so that lower-casing is one rule. */
#define USERNAME_LEN_MAX 64
/* 16 bytes is what our client makes; more is allowed, less is not. */
#define SALT_LEN_MIN 16
#define SALT_LEN_MAX 64

/* The client's key derivation: floors from docs/api.md; ceilings so that nobody can store an
 * account whose owner's browser runs out of memory. */
#define KDF_MEMORY_KIB_MIN      8192
#define KDF_MEMORY_KIB_MAX      (1024 * 1024)
#define KDF_MEMORY_KIB_DEFAULT  19456
#define KDF_ITERATIONS_MIN      1
#define KDF_ITERATIONS_MAX      64
#define KDF_ITERATIONS_DEFAULT  2
#define KDF_PARALLELISM_MIN     1
#define KDF_PARALLELISM_MAX     16
#define KDF_PARALLELISM_DEFAULT 1

/* Between the two steps of a login: a slow phone's Argon2id fits, a hoard of open logins does not.
 */
#define LOGIN_TTL SECONDS(60)
/* A refresh token that was answered may be shown once more for so long: its answer was lost. */
#define REFRESH_GRACE SECONDS(10)
/* More is a mistake, not a session. */
#define SESSION_TTL_MAX SECONDS(366 * 86400)
/* How long a key stays in the key set after its instance was last seen, beyond the access tokens
 * that it may have signed. */
#define KEY_TTL_EXTRA SECONDS(300)
/* How often an instance reads everybody's keys and confirms its own. */
#define KEY_REFRESH SECONDS(2)

/* Requests being answered at once; above it clients get 503 with Retry-After. */
#define CALLS_MAX 512
/* What Retry-After says while the store is away: it reconnects within 2 s. */
#define RETRY_AFTER_UNAVAILABLE_S 2
/* Lists in the configuration. */
#define TURN_URLS_MAX 16

#endif
