/* base.h - what every file of Conclave stands on: attributes, errors, checks, time units.
 *
 * Pure. SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define NORETURN          __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
/* CLEANUP(thing_freep) struct thing *t = NULL; frees t when it leaves scope. io code only. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* What can go wrong because of somebody else: a peer, the network, the operating system. Our own
 * mistakes are check()s. err_name() is the log value and the metric label, so names are stable. */
enum err {
    OK,
    ERR_TRUNCATED,   /* more bytes are needed than there are */
    ERR_MALFORMED,   /* breaks the format */
    ERR_UNSUPPORTED, /* well formed, but not something we do */
    ERR_AUTH,        /* a MAC, signature, password or token is wrong */
    ERR_BAD_STATE,   /* right message, wrong moment */
    ERR_FULL,        /* a declared limit is reached */
    ERR_NOT_FOUND,
    ERR_EXPIRED, /* was right once: replayed, too old, past its deadline */
    ERR_SYSTEM,  /* the operating system or a library said no */
    ERR_COUNT,
};

/* "truncated", "malformed", … Never NULL. */
const char *err_name(enum err e);

/* Our own invariants: on in release too. Prints expression and place, aborts. Never on input. */
#define check(expr)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(expr), 0))                                                          \
            check_failed(#expr, __FILE__, __LINE__);                                               \
    } while (0)
NORETURN void check_failed(const char *expr, const char *file, int line);

/* Monotonic time in microseconds; zero is arbitrary. Always a parameter in pure code. */
typedef int64_t usec;
/* Wall clock: microseconds since 1970-01-01T00:00:00Z. */
typedef int64_t wall_usec;

#define USEC_NEVER   INT64_MAX
#define USEC_PER_MS  ((usec)1000)
#define USEC_PER_SEC ((usec)1000000)
#define SECONDS(n)   ((usec)(n)*USEC_PER_SEC)
#define MILLIS(n)    ((usec)(n)*USEC_PER_MS)

#endif
