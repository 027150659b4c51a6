/* SPDX-License-Identifier: Apache-2.0 */
#include "core/netem.h"

#include "common/splitmix.h"

#include <stdlib.h>

enum {
    BYTES_AT_FIRST = 16 * 1024,
    NANOS_PER_USEC = 1000,
    QUEUE_US_DEFAULT = 200000,
    REORDER_US_DEFAULT = 20000,
};

/* In the ring, followed by its bytes, in one piece and padded to 8. A size of 0: the rest of the
 * ring is empty, the next record is at its start. There is always room for that: size comes first.
 */
struct record {
    uint32_t size; /* of all of it, a multiple of 8 */
    uint32_t len;
    usec due;
    struct netem_tag tag;
};

/* Datagrams in flight in the order in which they arrive, oldest at head. */
struct ring {
    uint8_t *data; /* NULL: nothing was ever put in */
    size_t capacity, head, tail, count;
    usec last_due;
};

struct netem {
    /* given */
    struct network_path path;
    /* owned */
    struct ring straight, late; /* late: what others overtake */
    /* state */
    uint64_t random;
    bool is_bad;          /* of the Gilbert-Elliott model */
    int64_t line_free_ns; /* when the line has sent all that queues */
    uint64_t fates[NETEM_FATE_COUNT], reordered, duplicated;
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
           p->rate_bps > 0 || p->reorder > 0 || p->duplicate > 0;
}

void netem_set_path(struct netem *n, const struct network_path *path)
{
    n->path = *path;
    if (n->path.queue_us_max == 0)
        n->path.queue_us_max = QUEUE_US_DEFAULT;
    if (n->path.reorder_us == 0)
        n->path.reorder_us = REORDER_US_DEFAULT;
    if (n->path.burst_enter <= 0)
        n->is_bad = false;
}

struct netem *netem_new(const struct network_path *path, uint64_t seed)
{
    struct netem *n = (struct netem *)calloc(1, sizeof *n);
    if (n == NULL)
        return NULL;
    netem_set_path(n, path);
    n->random = seed;
    n->line_free_ns = INT64_MIN;
    n->straight.last_due = n->late.last_due = INT64_MIN;
    n->straight.data = (uint8_t *)malloc(BYTES_AT_FIRST);
    n->straight.capacity = BYTES_AT_FIRST;
    if (n->straight.data == NULL) {
        free(n);
        return NULL;
    }
    return n;
}

void netem_free(struct netem *n)
{
    if (n == NULL)
        return;
    free(n->straight.data);
    free(n->late.data);
    free(n);
}

static bool random_is(struct netem *n, double chance)
{
    return chance > 0 && (double)(splitmix_next(&n->random) >> 11) * 0x1p-53 < chance;
}

/* --- a ring --- */

/* The record at head; skips what is left empty at the end of the ring. */
static struct record *oldest(const struct ring *q)
{
    check(q->count > 0);
    struct record *r = (struct record *)(void *)(q->data + q->head);
    return q->head < q->capacity && r->size > 0 ? r : (struct record *)(void *)q->data;
}

static void forget_oldest(struct ring *q)
{
    const struct record *r = oldest(q);
    q->head = (size_t)((const uint8_t *)r - q->data) + r->size;
    if (--q->count == 0)
        q->head = q->tail = 0;
}

/* Room for `size` bytes in one piece, or NULL. One byte between tail and head stays empty, so that
 * a full ring is not an empty one. */
static struct record *place(struct ring *q, size_t size)
{
    bool is_wrapped = q->count > 0 && q->tail <= q->head;
    if (!is_wrapped && q->capacity - q->tail < size && size < q->head) {
        if (q->tail < q->capacity)
            ((struct record *)(void *)(q->data + q->tail))->size = 0;
        q->tail = 0;
        is_wrapped = true;
    }
    if (is_wrapped ? q->head - q->tail <= size : q->capacity - q->tail < size)
        return NULL;
    struct record *r = (struct record *)(void *)(q->data + q->tail);
    q->tail += size;
    return r;
}

/* Twice the memory, with what is in flight at its start. */
static bool grow(struct ring *q)
{
    size_t capacity = q->capacity == 0 ? BYTES_AT_FIRST : q->capacity * 2;
    if (capacity > NETEM_BYTES_MAX)
        return false;
    uint8_t *data = (uint8_t *)malloc(capacity);
    if (data == NULL)
        return false;
    size_t used = 0, count = q->count;
    while (q->count > 0) {
        const struct record *r = oldest(q);
        memcpy(data + used, r, r->size);
        used += r->size;
        forget_oldest(q);
    }
    free(q->data);
    q->data = data;
    q->capacity = capacity;
    q->head = 0;
    q->tail = used;
    q->count = count;
    return true;
}

/* What comes in later comes out no earlier. False: no memory. */
static bool append(struct ring *q, struct bytes datagram, const struct netem_tag *tag, usec due)
{
    size_t size = (sizeof(struct record) + datagram.len + 7) & ~(size_t)7;
    struct record *r = place(q, size);
    while (r == NULL && grow(q))
        r = place(q, size);
    if (r == NULL)
        return false;
    *r = (struct record){ .due = MAX(due, q->last_due),
                          .size = (uint32_t)size,
                          .len = (uint32_t)datagram.len,
                          .tag = *tag };
    if (datagram.len > 0)
        memcpy(r + 1, datagram.data, datagram.len);
    q->last_due = r->due;
    q->count++;
    return true;
}

/* --- the network --- */

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
    usec jitter = n->path.jitter_us > 0
                      ? (usec)(splitmix_next(&n->random) % ((uint64_t)n->path.jitter_us + 1))
                      : 0;
    bool is_late = random_is(n, n->path.reorder), is_double = random_is(n, n->path.duplicate);
    usec due = sent + n->path.delay_us + jitter;
    if (!append(is_late ? &n->late : &n->straight, datagram, tag,
                is_late ? due + n->path.reorder_us : due))
        return NETEM_NO_MEMORY;
    n->reordered += is_late;
    if (is_double && append(&n->straight, datagram, tag, due))
        n->duplicated++;
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

static usec due_of(const struct ring *q)
{
    return q->count == 0 ? USEC_NEVER : oldest(q)->due;
}

bool netem_pop(struct netem *n, usec now, struct netem_datagram *ret)
{
    struct ring *q = due_of(&n->late) < due_of(&n->straight) ? &n->late : &n->straight;
    if (q->count == 0 || due_of(q) > now)
        return false;
    struct record *r = oldest(q);
    *ret = (struct netem_datagram){
        .data = (uint8_t *)(r + 1), .len = r->len, .tag = r->tag, .due = r->due
    };
    forget_oldest(q);
    return true;
}

usec netem_next_deadline(const struct netem *n)
{
    return MIN(due_of(&n->straight), due_of(&n->late));
}

uint64_t netem_count(const struct netem *n, enum netem_fate f)
{
    check(f < NETEM_FATE_COUNT);
    return n->fates[f];
}

uint64_t netem_reordered(const struct netem *n)
{
    return n->reordered;
}

uint64_t netem_duplicated(const struct netem *n)
{
    return n->duplicated;
}

size_t netem_in_flight(const struct netem *n)
{
    return n->straight.count + n->late.count;
}

size_t netem_memory(const struct netem *n)
{
    return sizeof *n + n->straight.capacity + n->late.capacity;
}
