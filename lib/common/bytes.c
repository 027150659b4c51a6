/* SPDX-License-Identifier: Apache-2.0 */
#include "common/bytes.h"

#include <stdarg.h>
#include <stdio.h>

bool bytes_equal_secret(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

void bytes_wipe(void *data, size_t len)
{
    volatile uint8_t *p = (volatile uint8_t *)data;
    while (len-- > 0)
        *p++ = 0;
}

struct bytes reader_take(struct reader *r, size_t n)
{
    if (r->failed || n > reader_left(r)) {
        r->failed = true;
        return (struct bytes){ 0 };
    }
    struct bytes taken = bytes_of(r->at, n);
    if (n > 0)
        r->at += n;
    return taken;
}

uint8_t reader_u8(struct reader *r)
{
    struct bytes b = reader_take(r, 1);
    return b.len == 1 ? b.data[0] : 0;
}

uint16_t reader_u16(struct reader *r)
{
    struct bytes b = reader_take(r, 2);
    return b.len == 2 ? load_be16(b.data) : 0;
}

uint32_t reader_u24(struct reader *r)
{
    struct bytes b = reader_take(r, 3);
    return b.len == 3 ? ((uint32_t)b.data[0] << 16) | load_be16(b.data + 1) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    struct bytes b = reader_take(r, 4);
    return b.len == 4 ? load_be32(b.data) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    struct bytes b = reader_take(r, 8);
    return b.len == 8 ? load_be64(b.data) : 0;
}

uint8_t *writer_reserve(struct writer *w, size_t n)
{
    if (w->failed || n > writer_left(w)) {
        w->failed = true;
        return NULL;
    }
    uint8_t *p = w->at;
    w->at += n;
    return p;
}

void writer_put(struct writer *w, struct bytes b)
{
    uint8_t *p = writer_reserve(w, b.len);
    if (p != NULL && b.len > 0)
        memcpy(p, b.data, b.len);
}

void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = writer_reserve(w, 1);
    if (p != NULL)
        *p = v;
}

void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = writer_reserve(w, 2);
    if (p != NULL)
        store_be16(p, v);
}

void writer_u24(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_reserve(w, 3);
    if (p != NULL) {
        p[0] = (uint8_t)(v >> 16);
        store_be16(p + 1, (uint16_t)v);
    }
}

void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_reserve(w, 4);
    if (p != NULL)
        store_be32(p, v);
}

void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *p = writer_reserve(w, 8);
    if (p != NULL)
        store_be64(p, v);
}

void writer_printf(struct writer *w, const char *format, ...)
{
    if (w->failed)
        return;
    va_list args;
    va_start(args, format);
    /* vsnprintf wants a byte for its zero; the last byte of the buffer may be lost to it. */
    int n = vsnprintf((char *)w->at, writer_left(w), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= writer_left(w))
        w->failed = true;
    else
        w->at += n;
}
