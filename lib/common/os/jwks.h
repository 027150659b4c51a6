/* jwks.h - verifying tokens with authd's public keys, fetched over HTTP and kept.
 *
 * The last good set stays in use while authd is away. It is fetched at start, every `refresh`, and
 * when a token names an unknown kid (at most once per `refresh_min`, for strangers can invent
 * kids). A failure is logged as a warning, without a set in the first 5 s as info: authd may start
 * later. Fetching runs in the loop's thread pool (libcurl); nothing here blocks. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_JWKS_H
#define COMMON_OS_JWKS_H

#include "common/base.h"
#include "common/token.h"

#include <uv.h>

struct jwks;

struct jwks_options {
    const char *url;      /* http://127.0.0.1:8080/.well-known/jwks.json; copied */
    const char *issuer;   /* expected iss, copied; NULL = any */
    const char *audience; /* copied; NULL = any */
    usec leeway;          /* 0 = 30 s */
    usec refresh;         /* 0 = 5 min; while there is no set yet: every refresh_min */
    usec refresh_min;     /* 0 = 2 s */
    usec timeout;         /* of one fetch; 0 = 3 s */
};

/* ERR_SYSTEM. Starts the first fetch; succeeds while authd is away. */
MUST_USE enum err jwks_new(uv_loop_t *loop, const struct jwks_options *options, struct jwks **ret);
/* Pending jwks_verify_async() callbacks get ERR_BAD_STATE now. Frees when the loop has closed the
 * handles. NULL is fine. */
void jwks_free(struct jwks *j);

/* Against the keys at hand. Errors of token_verify(); ERR_BAD_STATE while there is no set at all.
 */
MUST_USE enum err jwks_verify(struct jwks *j, struct bytes token, wall_usec now,
                              struct token_claims *ret);

/* The same, but an unknown kid (or no set yet) waits for one fetch, if one is allowed now.
 * callback gets claims on OK (borrowed), else NULL; called exactly once, perhaps before return. The
 * token is copied. At most 1,024 wait; more get ERR_FULL. */
typedef void jwks_callback(enum err e, const struct token_claims *claims, void *data);
void jwks_verify_async(struct jwks *j, struct bytes token, wall_usec now, jwks_callback *callback,
                       void *data);

bool jwks_has_keys(const struct jwks *j);
/* For admin_add_check(): data is the struct jwks. */
bool jwks_is_ready(void *j, char *ret_why, size_t capacity);

#endif
