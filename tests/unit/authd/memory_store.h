/* memory_store.h - core/store.h in memory, for tests and fuzzing. Time is what the caller says.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_AUTHD_MEMORY_STORE_H
#define TESTS_AUTHD_MEMORY_STORE_H

#include "core/store.h"

#define MEMORY_STORE_ENTRIES 256

struct memory_entry {
    char key[THROTTLE_KEY_CAPACITY + 16];
    char *value;
    char current[REFRESH_HASH_CAPACITY];
    char previous[REFRESH_HASH_CAPACITY];
    wall_usec rotated;
    wall_usec expires; /* 0 = never */
    wall_usec arrival; /* throttle */
};

struct memory_store {
    struct memory_entry entries[MEMORY_STORE_ENTRIES];
    size_t count;
    wall_usec now;
    bool is_away; /* every operation fails */
    size_t op_counts[STORE_OP_COUNT];
};

void memory_store_init(struct memory_store *s, wall_usec now);
void memory_store_done(struct memory_store *s);
/* The reply's value lives until the next call. */
void memory_store_perform(struct memory_store *s, const struct store_op *op,
                          struct store_reply *ret);

#endif
