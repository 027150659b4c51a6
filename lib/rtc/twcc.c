/* twcc.c - recording arrivals and writing transport-wide feedback.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/twcc.h"

enum {
    SYMBOL_LOST = 0,
    SYMBOL_SMALL = 1, /* delta of one byte, 0..255 ticks */
    SYMBOL_LARGE = 2, /* delta of two bytes, signed */
    RUN_MAX = 8191,
    LATE_MAX = TWCC_WINDOW / 2, /* what is later than this many packets is not reported again */
};

void twcc_recorder_init(struct twcc_recorder *r, uint32_t *arrival)
{
    *r = (struct twcc_recorder){ .arrival = arrival };
}

static size_t place_of(int64_t seq)
{
    return (size_t)((uint64_t)seq & (TWCC_WINDOW - 1));
}

static bool is_received(const struct twcc_recorder *r, int64_t seq)
{
    return (r->received[place_of(seq) / 64] >> (place_of(seq) % 64) & 1) != 0;
}

static void set_received(struct twcc_recorder *r, int64_t seq, bool on)
{
    uint64_t bit = (uint64_t)1 << (place_of(seq) % 64);
    if (on)
        r->received[place_of(seq) / 64] |= bit;
    else
        r->received[place_of(seq) / 64] &= ~bit;
}

/* Moves the window so that it ends with seq. */
static void advance(struct twcc_recorder *r, int64_t seq)
{
    int64_t highest = r->unwrapper.highest;
    if (seq - highest >= TWCC_WINDOW) {
        memset(r->received, 0, sizeof(r->received));
        r->oldest_seq = r->next_seq = seq;
        return;
    }
    for (int64_t s = highest + 1; s <= seq; s++)
        set_received(r, s, false);
    r->oldest_seq = MAX(r->oldest_seq, seq - TWCC_WINDOW + 1);
    r->next_seq = MAX(r->next_seq, r->oldest_seq);
}

size_t twcc_recorder_on_packet(struct twcc_recorder *r, uint16_t transport_seq, bool marker,
                               usec arrival)
{
    size_t skipped = 0;
    int64_t seq = seq_peek16(&r->unwrapper, transport_seq);
    if (!r->started) {
        r->started = true;
        r->oldest_seq = r->next_seq = seq;
        r->sent_at = arrival;
    } else if (seq > r->unwrapper.highest) {
        skipped = (size_t)(seq - r->unwrapper.highest - 1);
        advance(r, seq);
    } else if (seq <= r->unwrapper.highest - LATE_MAX || is_received(r, seq)) {
        return 0;
    }
    (void)seq_learn(&r->unwrapper, seq);
    r->oldest_seq = MIN(r->oldest_seq, seq);
    r->next_seq = MIN(r->next_seq, seq); /* a late packet corrects a reported loss */
    set_received(r, seq, true);
    r->arrival[place_of(seq)] = (uint32_t)((uint64_t)arrival / TWCC_TICK_US);
    r->pending = true;
    r->marker |= marker;
    return skipped;
}

usec twcc_recorder_next_deadline(const struct twcc_recorder *r)
{
    if (!r->pending)
        return USEC_NEVER;
    if (r->unwrapper.highest - r->next_seq >= TWCC_PACKETS_PER_FEEDBACK)
        return r->sent_at;
    return r->sent_at + (r->marker ? TWCC_MARKER_INTERVAL_US : TWCC_INTERVAL_US);
}

/* What one feedback packet will say. */
struct plan {
    uint8_t symbols[TWCC_WINDOW];
    size_t symbol_count;
    uint32_t first_ticks; /* arrival of the first received packet */
    size_t deltas_len;
};

/* Takes statuses from next_seq on, until the newest packet, the size limit, or a delta that does
 * not fit into 16 bits. Ends with a received packet. */
static void make_plan(const struct twcc_recorder *r, struct plan *p)
{
    size_t received = 0, count = 0;
    uint32_t previous = 0;
    p->symbol_count = p->deltas_len = 0;
    for (int64_t seq = r->next_seq;
         seq <= r->unwrapper.highest && received < TWCC_PACKETS_PER_FEEDBACK; seq++) {
        check(count < TWCC_WINDOW);
        p->symbols[count++] = SYMBOL_LOST;
        if (!is_received(r, seq))
            continue;
        uint32_t ticks = r->arrival[place_of(seq)];
        if (received == 0) {
            p->first_ticks = ticks;
            previous = ticks & ~(uint32_t)0xff; /* the reference time */
        }
        int32_t delta = seq32_diff(ticks, previous);
        if (delta < INT16_MIN || delta > INT16_MAX)
            return;
        bool small = delta >= 0 && delta <= 255;
        p->symbols[count - 1] = small ? SYMBOL_SMALL : SYMBOL_LARGE;
        p->deltas_len += small ? 1 : 2;
        p->symbol_count = count;
        previous = ticks;
        received++;
    }
}

static size_t run_at(const struct plan *p, size_t at)
{
    size_t end = at + 1;
    while (end < p->symbol_count && p->symbols[end] == p->symbols[at] && end - at < RUN_MAX)
        end++;
    return end - at;
}

static bool has_large(const struct plan *p, size_t at, size_t count)
{
    for (size_t i = at; i < at + count; i++)
        if (p->symbols[i] == SYMBOL_LARGE)
            return true;
    return false;
}

/* The chunk for the symbols from *at on: whichever kind covers most of them (§3.1.3, 3.1.4). */
static uint16_t next_chunk(const struct plan *p, size_t *at)
{
    size_t left = p->symbol_count - *at;
    size_t run = run_at(p, *at);
    size_t one_bit = MIN(left, (size_t)14), two_bit = MIN(left, (size_t)7);
    bool one_bit_fits = !has_large(p, *at, one_bit);
    if (run >= (one_bit_fits ? one_bit : two_bit)) {
        uint16_t chunk = (uint16_t)((unsigned)p->symbols[*at] << 13 | run);
        *at += run;
        return chunk;
    }
    unsigned chunk = one_bit_fits ? 0x8000 : 0xc000;
    size_t take = one_bit_fits ? one_bit : two_bit;
    for (size_t i = 0; i < take; i++) {
        unsigned symbol = p->symbols[*at + i];
        chunk |= one_bit_fits ? symbol << (13 - i) : symbol << (12 - 2 * i);
    }
    *at += take;
    return (uint16_t)chunk;
}

static void put_deltas(const struct twcc_recorder *r, const struct plan *p, struct writer *w)
{
    uint32_t previous = p->first_ticks & ~(uint32_t)0xff;
    for (size_t i = 0; i < p->symbol_count; i++) {
        if (p->symbols[i] == SYMBOL_LOST)
            continue;
        uint32_t ticks = r->arrival[place_of(r->next_seq + (int64_t)i)];
        if (p->symbols[i] == SYMBOL_SMALL)
            writer_u8(w, (uint8_t)(ticks - previous));
        else
            writer_u16(w, (uint16_t)(ticks - previous));
        previous = ticks;
    }
}

static void put_packet(const struct twcc_recorder *r, const struct plan *p, uint32_t sender_ssrc,
                       uint32_t media_ssrc, size_t len, size_t padding, struct writer *w)
{
    writer_u8(w, (uint8_t)(0x80 | (padding > 0 ? 0x20 : 0) | RTCP_FMT_TWCC));
    writer_u8(w, RTCP_TYPE_RTPFB);
    writer_u16(w, (uint16_t)(len / 4 - 1));
    writer_u32(w, sender_ssrc);
    writer_u32(w, media_ssrc);
    writer_u16(w, (uint16_t)r->next_seq);
    writer_u16(w, (uint16_t)p->symbol_count);
    writer_u24(w, p->first_ticks >> 8);
    writer_u8(w, r->feedback_count);
    for (size_t at = 0; at < p->symbol_count;)
        writer_u16(w, next_chunk(p, &at));
    put_deltas(r, p, w);
    for (size_t i = 1; i <= padding; i++)
        writer_u8(w, i == padding ? (uint8_t)padding : 0);
}

bool twcc_recorder_write(struct twcc_recorder *r, uint32_t sender_ssrc, uint32_t media_ssrc,
                         usec now, struct writer *w)
{
    if (!r->pending || now < twcc_recorder_next_deadline(r))
        return false;
    struct plan p;
    make_plan(r, &p);
    check(p.symbol_count > 0);
    size_t chunks = 0;
    for (size_t at = 0; at < p.symbol_count; chunks++)
        (void)next_chunk(&p, &at);
    size_t len = 20 + chunks * 2 + p.deltas_len;
    size_t padding = (4 - len % 4) % 4;
    if (w->failed || writer_left(w) < len + padding)
        return false;
    put_packet(r, &p, sender_ssrc, media_ssrc, len + padding, padding, w);
    r->feedback_count++;
    r->next_seq += (int64_t)p.symbol_count;
    if (r->next_seq > r->unwrapper.highest) { /* else it stays due: the rest follows */
        r->pending = false;
        r->marker = false;
        r->sent_at = now;
    }
    return true;
}
