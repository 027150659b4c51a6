/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc_count.h"

#include <stdlib.h>

static bool is_on;
static uint64_t count;

void alloc_count_watch(bool on)
{
    is_on = on;
}

uint64_t alloc_count(void)
{
    return count;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t number, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t number, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    count += is_on;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size)
{
    count += is_on;
    return __real_calloc(number, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    count += is_on;
    return __real_realloc(old, size);
}
