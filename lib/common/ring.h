/* ring.h - a bounded queue from one thread to one other thread (SPSC), without locks.
 *
 * Pure: caller memory, C11 atomics. Exactly one thread pushes and exactly one thread pops; either
 * may ask ring_len(). Elements are copied in and out. Full means "no" at once, never a wait: the
 * pusher counts the drop. Push releases, pop acquires, so what the pushed element points to is
 * visible to the popper.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_RING_H
#define COMMON_RING_H

#include "common/base.h"

#include <stdatomic.h>
#include <string.h>

#define RING_CACHE_LINE 64

struct ring {
    /* given */
    uint8_t *memory; /* capacity * element_size bytes, owned by the caller */
    size_t element_size;
    size_t mask; /* capacity - 1 */
    /* written by the popper; pushed_seen is the pusher's last value, read without the other line */
    _Alignas(RING_CACHE_LINE) _Atomic size_t popped;
    size_t pushed_seen;
    /* written by the pusher */
    _Alignas(RING_CACHE_LINE) _Atomic size_t pushed;
    size_t popped_seen;
    _Alignas(RING_CACHE_LINE) char end[1];
};

/* memory    RING_BYTES(capacity, element_size) bytes, borrowed until the ring is no longer used
 * capacity  a power of two */
#define RING_BYTES(capacity, element_size) ((size_t)(capacity) * (size_t)(element_size))
static inline void ring_init(struct ring *r, void *memory, size_t capacity, size_t element_size)
{
    check(capacity > 0 && (capacity & (capacity - 1)) == 0);
    check(memory != NULL && element_size > 0);
    r->memory = (uint8_t *)memory;
    r->element_size = element_size;
    r->mask = capacity - 1;
    r->pushed_seen = 0;
    r->popped_seen = 0;
    atomic_init(&r->popped, 0);
    atomic_init(&r->pushed, 0);
}

static inline size_t ring_capacity(const struct ring *r)
{
    return r->mask + 1;
}

/* Pusher only. False when full; the element was not taken. */
static inline bool ring_push(struct ring *r, const void *element)
{
    size_t at = atomic_load_explicit(&r->pushed, memory_order_relaxed);
    if (at - r->popped_seen > r->mask) {
        r->popped_seen = atomic_load_explicit(&r->popped, memory_order_acquire);
        if (at - r->popped_seen > r->mask)
            return false;
    }
    memcpy(r->memory + (at & r->mask) * r->element_size, element, r->element_size);
    atomic_store_explicit(&r->pushed, at + 1, memory_order_release);
    return true;
}

/* Popper only. False when empty; ret is untouched then. */
static inline bool ring_pop(struct ring *r, void *ret)
{
    size_t at = atomic_load_explicit(&r->popped, memory_order_relaxed);
    if (at == r->pushed_seen) {
        r->pushed_seen = atomic_load_explicit(&r->pushed, memory_order_acquire);
        if (at == r->pushed_seen)
            return false;
    }
    memcpy(ret, r->memory + (at & r->mask) * r->element_size, r->element_size);
    atomic_store_explicit(&r->popped, at + 1, memory_order_release);
    return true;
}

/* A snapshot; exact only on the thread that asks for its own side. Any thread. */
static inline size_t ring_len(const struct ring *r)
{
    size_t popped = atomic_load_explicit(&r->popped, memory_order_acquire);
    size_t pushed = atomic_load_explicit(&r->pushed, memory_order_acquire);
    return pushed - popped;
}

#endif
