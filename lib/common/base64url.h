/* base64url.h - bytes as text: base64url without padding (RFC 4648 §5, RFC 7515 §2), base64, hex.
 *
 * Pure. Decoding is strict: no white space, no padding (base64url), no foreign characters, and the
 * unused bits of the last character must be zero, so every value has exactly one spelling.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE64URL_H
#define COMMON_BASE64URL_H

#include "common/base.h"
#include "common/bytes.h"

/* Bytes needed for the text and a terminating zero; bytes that a text of that length decodes to. */
#define BASE64URL_CAPACITY(len)  (((len)*4 + 2) / 3 + 1)
#define BASE64URL_DECODED(chars) ((chars)*3 / 4)

/* ret needs BASE64URL_CAPACITY(data.len). Returns the length without the zero. */
size_t base64url_write(char *ret, struct bytes data);

/* ERR_MALFORMED, or ERR_FULL if the value is longer than capacity; ret_len only on OK. */
MUST_USE enum err base64url_parse(struct bytes text, uint8_t *ret, size_t capacity,
                                  size_t *ret_len);

/* Standard alphabet with padding; BASE64_CAPACITY includes the zero. Returns the length. */
#define BASE64_CAPACITY(len) (((len) + 2) / 3 * 4 + 1)
size_t base64_write(char *ret, struct bytes data);

/* Lower case; ret needs len * 2 + 1 bytes. */
void hex_write(char *ret, struct bytes data);
/* Either case. Exactly `capacity` bytes are expected: ERR_MALFORMED otherwise. */
MUST_USE enum err hex_parse(struct bytes text, uint8_t *ret, size_t capacity);

#endif
