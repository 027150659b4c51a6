/* SPDX-License-Identifier: Apache-2.0 */
#include "core/netem.h"

#include "common/splitmix.h"

#include <stdlib.h>

enum { BYTES_AT_FIRST = 16 * 1024, NANOS_PER_USEC = 1000, QUEUE_US_DEFAULT = 200000 };

/* In the ring, followed by its bytes, in one piece and padded to 8. A size of 0: the rest of the
 * ring is empty, the next record is at its start. There is always room for that: size comes first.
 */
struct record {
    uint32_t size; /* of all of it, a multiple of 8 */
    uint32_t len;
    usec due;
    struct netem_tag tag;
};

struct netem {
    /* given */
    struct network_path path;
    /* owned: datagrams in flight, oldest at head. Sizes are multiples of 8 */
    uint8_t *ring;
    size_t capacity, head, tail, count;
    /* state */
    uint64_t random;
    bool is_bad;          /* of the Gilbert-Elliott model */
    int64_t line_free_ns; /* when the line has sent all that queues */
    usec last_due;
    uint64_t fates[NETEM_FATE_COUNT];
};

const char *netem_fate_name(enum netem_fate f)
{
    static const char *const names[NETEM_FATE_COUNT] = {
        [NETEM_TAKEN] = "taken",           [NETEM_LOST] = "lost",
        [NETEM_LOST_BURST] = "lost-burst", [NETEM_QUEUE_FULL] = "queue-full",
        [NETEM_NO_MEMORY] = "no-memory",
    };
    check(f < NETEM_FATE_COUNT);
    return names[f];
}

bool netem_is_needed(const struct network_path *p)
{
    return p->loss > 0 || p->burst_enter > 0 || p->delay_us > 0 || p->jitter_us > 0 ||
           p->rate_bps > 0;
}

struct netem *netem_new(const struct network_path *path, uint64_t seed)
{
    struct netem *n = (struct netem *)calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    n->path = *path;
    if (n->path.queue_us_max == 0)
        n->path.queue_us_max = QUEUE_US_DEFAULT;
    n->random = seed;
    n->line_free_ns = INT64_MIN;
    n->last_due = INT64_MIN;
    n->ring = (uint8_t *)malloc(BYTES_AT_FIRST);
    n->capacity = BYTES_AT_FIRST;
    if (n->ring == NULL) {
        free(n);
        return NULL;
    }
    return n;
}

void netem_free(struct netem *n)
{
    if (n == NULL)
        return;
    free(n->ring);
    free(n);
}

static bool random_is(struct netem *n, double chance)
{
    return chance > 0 && (double)(splitmix_next(&n->random) >> 11) * 0x1p-53 < chance;
}

/* The record at head; skips what is left empty at the end of the ring. */
static struct record *oldest(const struct netem *n)
{
    check(n->count > 0);
    struct record *r = (struct record *)(void *)(n->ring + n->head);
    return n->head < n->capacity && r->size > 0 ? r : (struct record *)(void *)n->ring;
}

static void forget_oldest(struct netem *n)
{
    const struct record *r = oldest(n);
    n->head = (size_t)((const uint8_t *)r - n->ring) + r->size;
    if (--n->count == 0)
        n->head = n->tail = 0;
}

/* Room for `size` bytes in one piece, or NULL. One byte between tail and head stays empty, so that
 * a full ring is not an empty one. */
static struct record *place(struct netem *n, size_t size)
{
    bool is_wrapped = n->count > 0 && n->tail <= n->head;
    if (!is_wrapped && n->capacity - n->tail < size && size < n->head) {
        if (n->tail < n->capacity)
            ((struct record *)(void *)(n->ring + n->tail))->size = 0;
        n->tail = 0;
        is_wrapped = true;
    }
    if (is_wrapped ? n->head - n->tail <= size : n->capacity - n->tail < size)
        return NULL;
    struct record *r = (struct record *)(void *)(n->ring + n->tail);
    n->tail += size;
    return r;
}

/* Twice the memory, with what is in flight at its start. */
static bool grow(struct netem *n)
{
    size_t capacity = n->capacity * 2;
    if (capacity > NETEM_BYTES_MAX)
        return false;
    uint8_t *ring = (uint8_t *)malloc(capacity);
    if (ring == NULL)
        return false;
    size_t used = 0, count = n->count;
    while (n->count > 0) {
        const struct record *r = oldest(n);
        memcpy(ring + used, r, r->size);
        used += r->size;
        forget_oldest(n);
    }
    free(n->ring);
    n->ring = ring;
    n->capacity = capacity;
    n->head = 0;
    n->tail = used;
    n->count = count;
    return true;
}

/* When the datagram has crossed the line; false: the queue is full. */
static bool cross_line(struct netem *n, size_t len, usec now, usec *ret_sent)
{
    if (n->path.rate_bps == 0) {
        *ret_sent = now;
        return true;
    }
    int64_t now_ns = now * NANOS_PER_USEC, start_ns = MAX(now_ns, n->line_free_ns);
    if (start_ns - now_ns > (int64_t)n->path.queue_us_max * NANOS_PER_USEC)
        return false;
    double seconds = (double)(len + NETEM_OVERHEAD_BYTES) * 8 / (double)n->path.rate_bps;
    n->line_free_ns = start_ns + (int64_t)(seconds * 1e9);
    *ret_sent = (n->line_free_ns + NANOS_PER_USEC - 1) / NANOS_PER_USEC;
    return true;
}

static enum netem_fate draw_loss(struct netem *n)
{
    if (n->path.burst_enter > 0 &&
        random_is(n, n->is_bad ? n->path.burst_leave : n->path.burst_enter))
        n->is_bad = !n->is_bad;
    if (n->is_bad && random_is(n, n->path.burst_loss))
        return NETEM_LOST_BURST;
    return random_is(n, n->path.loss) ? NETEM_LOST : NETEM_TAKEN;
}

static enum netem_fate fate_of(struct netem *n, struct bytes datagram, const struct netem_tag *tag,
                               usec now)
{
    usec sent;
    if (!cross_line(n, datagram.len, now, &sent))
        return NETEM_QUEUE_FULL;
    enum netem_fate fate = draw_loss(n);
    if (fate != NETEM_TAKEN)
        return fate;
    size_t size = (sizeof(struct record) + datagram.len + 7) & ~(size_t)7;
    struct record *r = place(n, size);
    while (r == NULL && grow(n))
        r = place(n, size);
    if (r == NULL)
        return NETEM_NO_MEMORY;
    usec jitter = n->path.jitter_us > 0
                      ? (usec)(splitmix_next(&n->random) % ((uint64_t)n->path.jitter_us + 1))
                      : 0;
    *r = (struct record){ .due = MAX(sent + n->path.delay_us + jitter, n->last_due),
                          .size = (uint32_t)size,
                          .len = (uint32_t)datagram.len,
                          .tag = *tag };
    if (datagram.len > 0)
        memcpy(r + 1, datagram.data, datagram.len);
    n->last_due = r->due;
    n->count++;
    return NETEM_TAKEN;
}

enum netem_fate netem_push(struct netem *n, struct bytes datagram, const struct netem_tag *tag,
                           usec now)
{
    check(datagram.len <= NETEM_DATAGRAM_MAX);
    enum netem_fate fate = fate_of(n, datagram, tag, now);
    n->fates[fate]++;
    return fate;
}

bool netem_pop(struct netem *n, usec now, struct netem_datagram *ret)
{
    if (netem_next_deadline(n) > now)
        return false;
    struct record *r = oldest(n);
    *ret = (struct netem_datagram){
        .data = (uint8_t *)(r + 1), .len = r->len, .tag = r->tag, .due = r->due
    };
    forget_oldest(n);
    return true;
}

usec netem_next_deadline(const struct netem *n)
{
    return n->count == 0 ? USEC_NEVER : oldest(n)->due;
}

uint64_t netem_count(const struct netem *n, enum netem_fate f)
{
    check(f < NETEM_FATE_COUNT);
    return n->fates[f];
}

size_t netem_in_flight(const struct netem *n)
{
    return n->count;
}

size_t netem_memory(const struct netem *n)
{
    return sizeof *n + n->capacity;
}
