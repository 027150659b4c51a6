/* packetizer_av1.c - OBUs into aggregation packets and fragments (AV1 RTP §4).
 *
 *   |Z|Y|W W|N|-|-|-| then W elements, all but the last with a leb128 length (W = 0: all of them)
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/obu.h"
#include "rtc/packetizer_codec.h"

enum {
    ELEMENTS_MAX = 12, /* of one payload */
    BIT_Z = 0x80,      /* the first element continues one of the packet before */
    BIT_Y = 0x40,      /* the last element is continued */
    BIT_N = 0x08,      /* a new coded video sequence */
};

/* `len` bytes of an OBU without its size field, from byte `from`. */
struct element {
    struct obu obu;
    size_t at; /* of the OBU in the frame */
    size_t from, len;
};

struct payload {
    struct element elements[ELEMENTS_MAX];
    unsigned count;
    size_t next_at, next_done; /* where the next payload starts */
};

static size_t obu_len(const struct obu *o)
{
    return o->header_len + o->payload.len;
}

/* The next OBU that is sent, and where it starts. ERR_NOT_FOUND at the end. */
static enum err next_obu(struct bytes frame, struct reader *r, size_t *ret_at, struct obu *ret)
{
    while (reader_left(r) > 0) {
        *ret_at = frame.len - reader_left(r);
        if (obu_read(r, ret) != OK)
            return ERR_MALFORMED;
        if (ret->type != OBU_TEMPORAL_DELIMITER)
            return OK;
    }
    *ret_at = frame.len;
    return ERR_NOT_FOUND;
}

/* Another OBU would start the next payload: leave it the last byte of this one. So every payload
 * but the first starts with a continued OBU, and who sees one packet knows where frames start. */
static void end_within_obu(struct payload *s)
{
    struct element *last = &s->elements[s->count - 1];
    if (last->len < 2)
        return;
    last->len--;
    s->next_at = last->at;
    s->next_done = last->from + last->len;
}

static enum err gather(const struct packetizer *p, struct payload *s)
{
    struct bytes frame = p->frame.data;
    struct reader r = reader_of(bytes_of(frame.data + p->at, frame.len - p->at));
    size_t room = p->payload_max - 1;
    size_t done = p->done;
    struct element e = { 0 };
    enum err err;
    s->count = 0;
    while ((err = next_obu(frame, &r, &e.at, &e.obu)) == OK) {
        size_t left = obu_len(&e.obu) - done;
        size_t length_size = leb128_size((uint32_t)left);
        s->next_at = e.at;
        s->next_done = done;
        if (s->count == ELEMENTS_MAX || room <= length_size) {
            end_within_obu(s);
            return OK;
        }
        e.from = done;
        e.len = MIN(left, room - length_size);
        s->elements[s->count++] = e;
        if (e.len < left) {
            s->next_done = done + e.len;
            return OK;
        }
        room -= length_size + e.len;
        done = 0;
    }
    s->next_at = frame.len;
    s->next_done = 0;
    return err == ERR_NOT_FOUND && s->count > 0 ? OK : err;
}

static void write_element(const struct element *e, struct writer *w)
{
    size_t header_len = e->obu.header_len;
    size_t from = e->from, len = e->len;
    if (from < header_len) {
        size_t part = MIN(header_len - from, len);
        writer_put(w, bytes_of(e->obu.header + from, part));
        from += part;
        len -= part;
    }
    if (len > 0)
        writer_put(w, bytes_of(e->obu.payload.data + (from - header_len), len));
}

enum err packetizer_step_av1(struct packetizer *p, struct writer *w)
{
    struct payload s;
    if (p->frame.data.len > UINT32_MAX)
        return ERR_MALFORMED;
    enum err e = gather(p, &s);
    if (e != OK)
        return e;
    unsigned w_field = s.count <= 3 ? s.count : 0;
    bool is_new_sequence = p->frame.keyframe && p->index == 0;
    writer_u8(w, (uint8_t)((p->done > 0 ? BIT_Z : 0) | (s.next_done > 0 ? BIT_Y : 0) |
                           w_field << 4 | (is_new_sequence ? BIT_N : 0)));
    for (unsigned i = 0; i < s.count; i++) {
        if (w_field == 0 || i + 1 < s.count)
            leb128_write(w, (uint32_t)s.elements[i].len);
        write_element(&s.elements[i], w);
    }
    p->at = s.next_at;
    p->done = s.next_done;
    return OK;
}
