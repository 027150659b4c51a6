/* bytes.h - bounded views of memory, and a reader and a writer over them.
 *
 * Pure. Every parser reads through `reader`, every serialiser writes through `writer`: neither can
 * leave its buffer. Both are sticky: after the first failure every call is harmless and the
 * `failed` flag stays set, so a parser may check once at its end.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include "common/base.h"

#include <string.h>

/* A borrowed, read-only run of bytes. { NULL, 0 } is empty. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){ .data = (const uint8_t *)data, .len = len };
}

static inline struct bytes bytes_of_str(const char *s)
{
    return bytes_of(s, strlen(s));
}

/* Not for secrets: use bytes_equal_secret() there. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Constant time in the contents; the lengths are public. */
bool bytes_equal_secret(struct bytes a, struct bytes b);

/* Overwrites memory that held a secret; never optimised away. */
void bytes_wipe(void *data, size_t len);

/* Reads big-endian values from a view. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct bytes b)
{
    return (struct reader){ .at = b.data, .end = b.data == NULL ? NULL : b.data + b.len };
}

static inline size_t reader_left(const struct reader *r)
{
    return r->at == NULL ? 0 : (size_t)(r->end - r->at);
}

/* A view of the next n bytes, or an empty view and `failed`. */
struct bytes reader_take(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);

/* Writes big-endian values into caller memory. */
struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct writer writer_of(void *buffer, size_t capacity)
{
    uint8_t *p = (uint8_t *)buffer;
    return (struct writer){ .start = p, .at = p, .end = p + capacity };
}

static inline size_t writer_len(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline size_t writer_left(const struct writer *w)
{
    return (size_t)(w->end - w->at);
}

/* Room for n bytes to be filled by the caller, or NULL and `failed`. */
uint8_t *writer_reserve(struct writer *w, size_t n);
void writer_put(struct writer *w, struct bytes b);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u24(struct writer *w, uint32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
/* printf into the writer, without a terminating zero. */
void writer_printf(struct writer *w, const char *format, ...) PRINTF_LIKE(2, 3);

/* Plain big-endian loads and stores, for code that has checked its bounds. */
static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t load_be32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
    return ((uint64_t)load_be32(p) << 32) | load_be32(p + 4);
}

static inline void store_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
    store_be32(p, (uint32_t)(v >> 32));
    store_be32(p + 4, (uint32_t)v);
}

#endif
