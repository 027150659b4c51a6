/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pool.h"

#include <assert.h>
#include <stdlib.h>

enum { GENERATION_MAX = (1 << (32 - POOL_INDEX_BITS)) - 1 };
static_assert(GENERATION_MAX < 0x8000, "the top bit says taken");

static size_t element_stride(size_t element_size)
{
    return (element_size + 15u) & ~(size_t)15;
}

size_t pool_memory(size_t count_max, size_t element_size)
{
    return count_max * (element_stride(element_size) + sizeof(uint16_t) + sizeof(uint32_t));
}

enum err pool_init(struct pool *p, size_t count_max, size_t element_size)
{
    check(count_max > 0 && count_max <= POOL_COUNT_MAX);
    check(element_size > 0);
    *p = (struct pool){ .element_size = element_stride(element_size),
                        .count_max = (uint32_t)count_max };
    p->memory = calloc(count_max, p->element_size);
    p->generations = calloc(count_max, sizeof *p->generations);
    p->next_free = calloc(count_max, sizeof *p->next_free);
    if (p->memory != NULL && p->generations != NULL && p->next_free != NULL)
        return OK;
    pool_done(p);
    return ERR_SYSTEM;
}

void pool_done(struct pool *p)
{
    free(p->memory);
    free(p->generations);
    free(p->next_free);
    *p = (struct pool){ 0 };
}

void *pool_take(struct pool *p, handle *ret)
{
    uint32_t i;
    if (p->free_head != 0) {
        i = p->free_head - 1;
        p->free_head = p->next_free[i];
    } else if (p->touched < p->count_max) {
        i = p->touched++;
    } else {
        return NULL;
    }
    unsigned generation = p->generations[i] >= GENERATION_MAX ? 1u : p->generations[i] + 1u;
    p->generations[i] = (uint16_t)(0x8000u | generation);
    p->live++;
    *ret = (generation << POOL_INDEX_BITS) | i;
    return p->memory + (size_t)i * p->element_size;
}

void pool_give(struct pool *p, handle h)
{
    uint32_t i = handle_index(h);
    check(pool_at(p, h) != NULL);
    p->generations[i] &= 0x7fffu;
    p->next_free[i] = p->free_head;
    p->free_head = i + 1;
    p->live--;
}
