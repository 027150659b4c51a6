/* web.h - the built web app in memory: path to bytes, type and caching.
 *
 * Read once at start and on reload; requests never touch the disk, so no path can leave the root.
 * Symbolic links that lead out of the root are not followed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNALD_IO_WEB_H
#define SIGNALD_IO_WEB_H

#include "common/base.h"
#include "common/bytes.h"

/* A file bigger than this is not served; all of them together. */
#define WEB_FILE_BYTES_MAX  (16 * 1024 * 1024)
#define WEB_TOTAL_BYTES_MAX (128 * 1024 * 1024)
#define WEB_DEPTH_MAX       8

struct web_file {
    const char *type;
    const char *cache; /* Cache-Control */
    char etag[40];     /* with its quotes */
    struct bytes body;
    struct bytes gzip; /* empty: not worth it */
};

/* One reading of the directory. Counted, so that a reload does not cut off a running download. */
struct web;

/* root NULL: an empty one. ERR_NOT_FOUND (no such directory), ERR_FULL, ERR_SYSTEM. */
MUST_USE enum err web_new(const char *root, struct web **ret);
struct web *web_ref(struct web *w);
void web_unref(struct web *w);
size_t web_count(const struct web *w);
/* path: percent-decoded, without the query. "/" and "/r/<room>" are index.html. NULL: 404. Borrowed
 * from w. */
const struct web_file *web_find(const struct web *w, const char *path);

/* Headers that go with everything, name and value by turns; ends with NULL. */
extern const char *const web_headers[];
/* The Content-Security-Policy of a page that was asked for at this host ("" = unknown): its scripts
 * may open WebSockets to that host only. It is named, because older browsers do not take 'self' for
 * ws and wss. */
#define WEB_POLICY_CAPACITY 1024
void web_policy(const char *host, char ret[WEB_POLICY_CAPACITY]);

#endif
