/* pool.h - a fixed number of equal objects, named by handles that cannot dangle.
 *
 * A handle is a generation and an index: when an object is given back its handle stops resolving,
 * whoever still holds it. Memory is one block from pool_init(); what was never taken is never
 * touched. Owned by one thread.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_CORE_POOL_H
#define SFUD_CORE_POOL_H

#include "common/base.h"

/* generation << POOL_INDEX_BITS | index. Zero is "none" and never resolves. */
typedef uint32_t handle;

enum { POOL_INDEX_BITS = 20, POOL_COUNT_MAX = 1 << POOL_INDEX_BITS };

struct pool {
    /* owned */
    uint8_t *memory;
    uint16_t *generations; /* top bit: taken */
    uint32_t *next_free;   /* index + 1; 0: none */
    /* given */
    size_t element_size;
    uint32_t count_max;
    /* derived */
    uint32_t touched; /* indexes below were taken at least once */
    uint32_t free_head;
    uint32_t live;
};

/* ERR_SYSTEM without memory. */
MUST_USE enum err pool_init(struct pool *p, size_t count_max, size_t element_size);
void pool_done(struct pool *p);

/* Bytes pool_init() asks for. */
size_t pool_memory(size_t count_max, size_t element_size);

/* An object with the bytes its last user left (zero the first time), or NULL when all are taken. */
void *pool_take(struct pool *p, handle *ret);
void pool_give(struct pool *p, handle h);

static inline uint32_t handle_index(handle h)
{
    return h & (POOL_COUNT_MAX - 1);
}

/* The object, or NULL if the handle is none or stale. */
static inline void *pool_at(const struct pool *p, handle h)
{
    uint32_t i = handle_index(h);
    if (i >= p->touched || p->generations[i] != (uint16_t)(0x8000u | (h >> POOL_INDEX_BITS)))
        return NULL;
    return p->memory + (size_t)i * p->element_size;
}

/* Walks taken objects: start with *at = 0; NULL at the end. The current one may be given back. */
static inline void *pool_walk(const struct pool *p, uint32_t *at)
{
    while (*at < p->touched) {
        uint32_t i = (*at)++;
        if (p->generations[i] & 0x8000u)
            return p->memory + (size_t)i * p->element_size;
    }
    return NULL;
}

/* The index of an object of this pool. */
static inline uint32_t pool_index_of(const struct pool *p, const void *object)
{
    size_t i = (size_t)((const uint8_t *)object - p->memory) / p->element_size;
    check(i < p->count_max);
    return (uint32_t)i;
}

/* The handle of a taken object, by its address. */
static inline handle pool_handle_of(const struct pool *p, const void *object)
{
    uint32_t i = pool_index_of(p, object);
    return ((handle)(p->generations[i] & 0x7fffu) << POOL_INDEX_BITS) | i;
}

#endif
