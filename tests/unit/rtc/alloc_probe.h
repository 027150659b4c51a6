/* alloc_probe.h - counts allocations of the linked code and of OpenSSL, or makes the nth one fail.
 *
 * The binary is linked with --wrap=malloc, calloc, realloc and aligned_alloc (our objects), and
 * main() calls alloc_probe_install() before OpenSSL is used (its own allocations). Include in one
 * file only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_RTC_ALLOC_PROBE_H
#define TESTS_UNIT_RTC_ALLOC_PROBE_H

#include "common/base.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static struct {
    size_t count;   /* since alloc_probe_reset() */
    size_t fail_at; /* this allocation returns NULL; 0 = none */
    bool persists;  /* … and all after it */
} alloc_probe;

static inline void alloc_probe_reset(size_t fail_at, bool persists)
{
    alloc_probe.count = 0;
    alloc_probe.fail_at = fail_at;
    alloc_probe.persists = persists;
}

static bool alloc_probe_fails(void)
{
    size_t n = ++alloc_probe.count;
    return alloc_probe.fail_at != 0 &&
           (n == alloc_probe.fail_at || (alloc_probe.persists && n > alloc_probe.fail_at));
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return alloc_probe_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return alloc_probe_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return alloc_probe_fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return alloc_probe_fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    return alloc_probe_fails() ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    if (size == 0) { /* as OpenSSL's own does */
        free(old);
        return NULL;
    }
    return alloc_probe_fails() ? NULL : __real_realloc(old, size);
}

static void openssl_free(void *p, const char *file, int line)
{
    free(p);
}

static inline void alloc_probe_install(void)
{
    check(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1);
}

#endif
