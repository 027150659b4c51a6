/* See deadline_heap.h. SPDX-License-Identifier: Apache-2.0 */
#include "io/deadline_heap.h"

#include <stdlib.h>

enum err deadline_heap_init(struct deadline_heap *h, size_t capacity)
{
    *h = (struct deadline_heap){ .capacity = capacity };
    h->items = calloc(MAX(capacity, (size_t)1), sizeof *h->items);
    return h->items == NULL ? ERR_SYSTEM : OK;
}

void deadline_heap_done(struct deadline_heap *h)
{
    free(h->items);
    *h = (struct deadline_heap){ 0 };
}

static void place(struct deadline_heap *h, size_t index, struct deadline *d)
{
    h->items[index] = d;
    d->index = index;
}

static void sift_up(struct deadline_heap *h, struct deadline *d)
{
    size_t i = d->index;
    while (i > 0 && h->items[(i - 1) / 2]->at > d->at) {
        place(h, i, h->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, d);
}

static void sift_down(struct deadline_heap *h, struct deadline *d)
{
    size_t i = d->index;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < h->count && h->items[child + 1]->at < h->items[child]->at)
            child++;
        if (child >= h->count || h->items[child]->at >= d->at)
            break;
        place(h, i, h->items[child]);
        i = child;
    }
    place(h, i, d);
}

static void take_out(struct deadline_heap *h, struct deadline *d)
{
    struct deadline *last = h->items[--h->count];
    size_t index = d->index;
    d->index = SIZE_MAX;
    if (last == d)
        return;
    place(h, index, last);
    sift_up(h, last);
    sift_down(h, last);
}

void deadline_heap_set(struct deadline_heap *h, struct deadline *d, usec at)
{
    usec before = d->at;
    bool is_in = d->index != SIZE_MAX;
    d->at = at;
    if (at == USEC_NEVER) {
        if (is_in)
            take_out(h, d);
        return;
    }
    if (!is_in) {
        check(h->count < h->capacity);
        place(h, h->count++, d);
        sift_up(h, d);
    } else if (at < before) {
        sift_up(h, d);
    } else {
        sift_down(h, d);
    }
}
