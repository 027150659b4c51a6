/* hex.h - test vectors as hexadecimal text; blanks and line breaks are ignored.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_RTC_HEX_H
#define TESTS_UNIT_RTC_HEX_H

#include "common/bytes.h"

/* Decodes text into buffer and returns a view of it. */
static inline struct bytes hex(const char *text, uint8_t *buffer, size_t capacity)
{
    static const char digits[] = "0123456789abcdef";
    size_t digit_count = 0;
    for (; *text != '\0'; text++) {
        if (*text == ' ' || *text == '\n')
            continue;
        const char *at = strchr(digits, *text >= 'A' && *text <= 'F' ? *text + 32 : *text);
        check(at != NULL && digit_count / 2 < capacity);
        uint8_t *byte = &buffer[digit_count++ / 2];
        *byte = (uint8_t)(*byte << 4 | (at - digits));
    }
    check(digit_count % 2 == 0);
    return bytes_of(buffer, digit_count / 2);
}

/* HEX("00ff") with a buffer that lives as long as the block it is in. */
#define HEX(text) hex(text, (uint8_t[sizeof(text)]){ 0 }, sizeof(text))

#define assert_bytes_equal(a, b)                                                                   \
    do {                                                                                           \
        struct bytes a_ = (a), b_ = (b);                                                           \
        assert_int_equal(a_.len, b_.len);                                                          \
        assert_memory_equal(a_.data, b_.data, b_.len);                                             \
    } while (0)

#endif
