/* store.h - the store operations of core/store.h, on Redis. Keys and TTLs are in README.md.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_IO_STORE_H
#define AUTHD_IO_STORE_H

#include "common/os/redis.h"
#include "core/store.h"

/* Called once per operation, from the loop, never from within store_perform(). The reply is
 * borrowed for the call. */
typedef void store_callback(const struct store_reply *reply, void *data);

/* op is copied as far as it is needed. */
void store_perform(struct redis *redis, const struct store_op *op, store_callback *callback,
                   void *data);

#endif
