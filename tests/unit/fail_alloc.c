/* SPDX-License-Identifier: Apache-2.0 */
#include "fail_alloc.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static unsigned countdown; /* 0 = off */
static bool has_failed;

static bool must_fail(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    has_failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return must_fail() ? NULL : __real_strdup(text);
}

void fail_alloc_at(unsigned nth)
{
    countdown = nth;
    has_failed = false;
}

unsigned fail_alloc_each(void (*body)(void *data), void *data)
{
    json_set_alloc_funcs(__wrap_malloc, free);
    unsigned nth = 0;
    do {
        fail_alloc_at(++nth);
        body(data);
    } while (has_failed);
    fail_alloc_at(0);
    json_set_alloc_funcs(malloc, free);
    return nth - 1;
}
