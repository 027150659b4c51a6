/* hash_index.h - hashes to handles, in memory fixed at start.
 *
 * The index does not know keys: a find yields candidates with the same 64-bit hash, and the caller
 * compares. Open addressing, removal by shifting back. Owned by one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_HASH_INDEX_H
#define SFUD_CORE_HASH_INDEX_H

#include "core/pool.h"

struct hash_entry {
    uint64_t hash;
    handle value; /* 0: the place is empty */
};

struct hash_index {
    struct hash_entry *entries; /* owned */
    size_t mask;
    size_t len, len_max;
};

/* Holds up to `count_max` entries. ERR_SYSTEM without memory. */
MUST_USE enum err hash_index_init(struct hash_index *x, size_t count_max);
void hash_index_done(struct hash_index *x);
size_t hash_index_memory(size_t count_max);

/* False when full. */
MUST_USE bool hash_index_insert(struct hash_index *x, uint64_t hash, handle value);
/* Removes the entry with this hash and value; nothing if there is none. */
void hash_index_remove(struct hash_index *x, uint64_t hash, handle value);

/* The next candidate with this hash, 0 at the end. *at: start with HASH_INDEX_START. */
#define HASH_INDEX_START SIZE_MAX
handle hash_index_find(const struct hash_index *x, uint64_t hash, size_t *at);

#endif
