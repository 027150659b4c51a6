/* packet_cache.c - rings of source packets and of send records.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rtc/packet_cache.h"

#include "rtc/seq.h"

static bool is_power_of_two(size_t n)
{
    return n > 0 && (n & (n - 1)) == 0;
}

void packet_cache_init(struct packet_cache *c, struct cached_packet *ring, size_t ring_count)
{
    check(is_power_of_two(ring_count));
    memset(ring, 0, ring_count * sizeof(*ring));
    *c = (struct packet_cache){ .ring = ring, .ring_count = ring_count };
}

static struct cached_packet *place_of(const struct packet_cache *c, int64_t seq)
{
    return &c->ring[(uint64_t)seq & (c->ring_count - 1)];
}

void *packet_cache_put(struct packet_cache *c, const struct cached_packet *p)
{
    check(p->owner != NULL);
    if (!c->started) {
        c->started = true;
        c->highest = c->oldest = p->seq;
    }
    if (p->seq <= c->highest - (int64_t)c->ring_count)
        return p->owner; /* older than the ring reaches */
    struct cached_packet *place = place_of(c, p->seq);
    if (place->owner != NULL && place->seq >= p->seq)
        return p->owner; /* already there, or its place went to a newer one */
    void *evicted = place->owner;
    *place = *p;
    c->highest = MAX(c->highest, p->seq);
    c->oldest = MIN(c->oldest, p->seq);
    return evicted;
}

const struct cached_packet *packet_cache_find(const struct packet_cache *c, int64_t seq)
{
    const struct cached_packet *place = place_of(c, seq);
    return place->owner != NULL && place->seq == seq ? place : NULL;
}

/* After a jump, places may hold packets older than highest - ring_count: `oldest` then still points
 * at them, and skipping is bounded because a place is visited once per ring turn. */
void *packet_cache_expire(struct packet_cache *c, usec before)
{
    if (!c->started)
        return NULL;
    while (c->oldest <= c->highest) {
        struct cached_packet *place = place_of(c, c->oldest);
        if (place->owner != NULL && place->seq <= c->oldest) {
            if (place->stored_at > before)
                return NULL;
            void *owner = place->owner;
            place->owner = NULL;
            return owner;
        }
        if (c->highest - c->oldest >= 2 * (int64_t)c->ring_count)
            c->oldest = c->highest - 2 * (int64_t)c->ring_count;
        c->oldest++;
    }
    return NULL;
}

void send_log_init(struct send_log *l, struct send_record *ring, size_t ring_count)
{
    check(is_power_of_two(ring_count));
    *l = (struct send_log){ .ring = ring, .ring_count = ring_count };
    send_log_clear(l);
}

/* The ring is cleared with the first packet: until then its pages take no memory. */
void send_log_clear(struct send_log *l)
{
    l->started = false;
    l->gate = INT64_MIN;
}

void send_log_add(struct send_log *l, const struct send_record *r)
{
    check(r->patch_len <= SEND_PATCH_MAX);
    if (!l->started)
        memset(l->ring, 0, l->ring_count * sizeof(*l->ring));
    struct send_record *place = &l->ring[(uint64_t)r->out_seq & (l->ring_count - 1)];
    if (place->used && place->out_seq > r->out_seq)
        return; /* too late to be remembered */
    *place = *r;
    place->used = true;
    place->resend_count = 0;
    place->resent_at = 0;
    l->highest = l->started ? MAX(l->highest, r->out_seq) : r->out_seq;
    l->started = true;
}

void send_log_gate(struct send_log *l, int64_t out_seq)
{
    l->gate = MAX(l->gate, out_seq);
}

const struct send_record *send_log_recent(const struct send_log *l, unsigned back)
{
    int64_t seq = l->highest - back;
    const struct send_record *r = &l->ring[(uint64_t)seq & (l->ring_count - 1)];
    return l->started && r->used && r->out_seq == seq ? r : NULL;
}

enum err send_log_serve(struct send_log *l, uint16_t out_seq, usec now, usec rtt_us,
                        const struct send_record **ret)
{
    if (!l->started)
        return ERR_NOT_FOUND;
    int64_t seq = l->highest + seq16_diff(out_seq, (uint16_t)l->highest);
    struct send_record *r = &l->ring[(uint64_t)seq & (l->ring_count - 1)];
    if (!r->used || r->out_seq != seq)
        return ERR_NOT_FOUND;
    if (seq < l->gate)
        return ERR_EXPIRED;
    if (r->resend_count >= RESEND_MAX)
        return ERR_FULL;
    usec spacing = MAX((usec)RESEND_INTERVAL_MIN_US, rtt_us / 4 * 3);
    if (r->resend_count > 0 && now - r->resent_at < spacing)
        return ERR_BAD_STATE;
    r->resend_count++;
    r->resent_at = now;
    *ret = r;
    return OK;
}

bool send_log_has_forgotten(const struct send_log *l, uint16_t out_seq)
{
    int64_t seq = l->highest + seq16_diff(out_seq, (uint16_t)l->highest);
    return l->started && seq >= l->gate && seq <= l->highest - (int64_t)l->ring_count;
}

void send_record_write_payload(struct writer *w, const struct send_record *r,
                               struct bytes source_payload)
{
    if (r->patch_skip > source_payload.len) { /* not the packet that was sent then */
        w->failed = true;
        return;
    }
    writer_put(w, bytes_of(r->patch, r->patch_len));
    writer_put(w,
               bytes_of(source_payload.data + r->patch_skip, source_payload.len - r->patch_skip));
}

void rtx_write_payload(struct writer *w, const struct send_record *r, struct bytes source_payload)
{
    writer_u16(w, (uint16_t)r->out_seq);
    send_record_write_payload(w, r, source_payload);
}

enum err rtx_parse_payload(struct bytes payload, uint16_t *ret_original_seq,
                           struct bytes *ret_payload)
{
    if (payload.len < 2)
        return ERR_TRUNCATED;
    *ret_original_seq = load_be16(payload.data);
    *ret_payload = bytes_of(payload.data + 2, payload.len - 2);
    return OK;
}
