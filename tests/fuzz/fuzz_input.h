/* fuzz_input.h - how harnesses of state machines cut their input into events: length-prefixed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include "common/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A 16-bit length, and that many of the bytes that are left. */
static inline struct bytes fuzz_take_chunk(struct reader *r)
{
    size_t len = reader_u16(r);
    return reader_take(r, MIN(len, reader_left(r)));
}

#endif
