/* origin.h - which web pages may use us: the Origin header (RFC 6454 §7), and what CORS answers.
 *
 * A page of our own origin always may; one of another origin if it is in the operator's list
 * (allowed-origins). Whoever sends no Origin is no page, and is asked for a token like any other.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_ORIGIN_H
#define COMMON_ORIGIN_H

#include "common/base.h"
#include "common/http.h"

#define ORIGIN_CAPACITY 256

enum origin {
    ORIGIN_NONE,    /* no page asks */
    ORIGIN_OWN,     /* a page from here */
    ORIGIN_ALLOWED, /* one from elsewhere, in the list */
    ORIGIN_FOREIGN,
};

/* What a list may have: "https://app.example.org", "http://localhost:5173", or "*" for any. In
 * lower case, without a default port, a path or a slash at its end: as browsers write it. */
bool origin_is_valid(const char *text);

/* origin, host: the headers of that name, or NULL; host may have the default port. The scheme of
 * our own origin is not compared: TLS ends before us. */
enum origin origin_judge(const char *origin, const char *host, const char *const *allowed,
                         size_t allowed_count);

/* Lets scripts of that origin read the answer with those of its headers (a list with commas). */
void origin_permit(struct http_response *r, const char *origin, const char *headers);

/* The rest of the answer to a preflight: 204. */
void origin_preflight(struct http_response *r, const char *methods, const char *headers);

#endif
