/* deadline_heap.h - who is due next: a binary heap of things with a deadline.
 *
 * The node lives inside the thing. No allocation but the array of pointers, made once.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOADTEST_IO_DEADLINE_HEAP_H
#define LOADTEST_IO_DEADLINE_HEAP_H

#include "common/base.h"

struct deadline {
    usec at;
    size_t index; /* in the heap; SIZE_MAX: not in it */
};

struct deadline_heap {
    struct deadline **items;
    size_t count, capacity;
};

static inline void deadline_init(struct deadline *d)
{
    *d = (struct deadline){ .at = USEC_NEVER, .index = SIZE_MAX };
}

/* ERR_SYSTEM: no memory. */
MUST_USE enum err deadline_heap_init(struct deadline_heap *h, size_t capacity);
void deadline_heap_done(struct deadline_heap *h);
/* Puts, moves, or (USEC_NEVER) takes out. */
void deadline_heap_set(struct deadline_heap *h, struct deadline *d, usec at);
/* The earliest, or NULL. */
static inline struct deadline *deadline_heap_first(const struct deadline_heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

#endif
