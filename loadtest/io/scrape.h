/* scrape.h - GETs URLs on a uv loop without ever blocking it (libcurl's multi interface).
 *
 * Connections are kept and used again. Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_SCRAPE_H
#define LOADTEST_SCRAPE_H

#include "common/bytes.h"

#include <uv.h>

#define SCRAPE_BODY_MAX ((size_t)4 * 1024 * 1024)

struct scraper;

/* NULL without memory. */
struct scraper *scraper_new(uv_loop_t *loop);

/* One answer, from the loop, never from within scraper_get().
 * status  of HTTP; 0: none came, and why says what happened ("Connection refused")
 * body    valid during the call */
typedef void scrape_callback(long status, struct bytes body, const char *why, void *data);

/* ERR_SYSTEM: without memory, or libcurl does not take the URL; the callback is not called then. */
MUST_USE enum err scraper_get(struct scraper *s, const char *url, usec timeout,
                              scrape_callback *callback, void *data);

/* Ends what is under way without calling back, closes, calls on_stopped from the loop, frees. */
void scraper_stop(struct scraper *s, void (*on_stopped)(void *data), void *data);

#endif
