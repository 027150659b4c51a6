/* media_test.h - what the tests of the media modules share.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_MEDIA_TEST_H
#define TESTS_MEDIA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/bytes.h"
#include "prng.h"

/* The written part of a writer. */
static inline struct bytes written(const struct writer *w)
{
    assert_false(w->failed);
    return bytes_of(w->start, writer_len(w));
}

static inline void assert_bytes(struct bytes actual, const void *expected, size_t len)
{
    assert_int_equal(actual.len, len);
    if (len > 0)
        assert_memory_equal(actual.data, expected, len);
}

#define BYTES(...)                                                                                 \
    bytes_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

#endif
