/* limits.c - see limits.h. SPDX-License-Identifier: Apache-2.0 */
#include "limits.h"

#include "../limits.h"
#include "common/address.h"

#include <stdio.h>
#include <stdlib.h>

struct address_limit {
    struct map_node by_address;
    char address[ADDRESS_CAPACITY];
    unsigned sockets;
    struct token_bucket joins;
    usec refused_until; /* no refusal is recorded before */
    uint64_t suppressed;
};

void limits_init(struct limits *l, unsigned sockets_max, double joins_per_sec, double joins_burst,
                 const uint8_t hash_key[16])
{
    *l = (struct limits){ .sockets_max = sockets_max,
                          .joins_per_sec = joins_per_sec,
                          .joins_burst = joins_burst };
    map_init(&l->addresses, hash_key);
}

static void forget(struct limits *l, struct address_limit *a)
{
    map_remove(&l->addresses, a->address);
    free(a);
}

void limits_done(struct limits *l)
{
    for (struct map_node *n = map_first(&l->addresses), *next; n != NULL; n = next) {
        next = map_next(&l->addresses, n);
        forget(l, container_of(n, struct address_limit, by_address));
    }
    map_done(&l->addresses);
}

static struct address_limit *obtain(struct limits *l, const char *text, usec now)
{
    char address[ADDRESS_CAPACITY];
    address_subscriber(text, address);
    struct map_node *n = map_find(&l->addresses, address);
    if (n != NULL)
        return container_of(n, struct address_limit, by_address);
    struct address_limit *a = calloc(1, sizeof(*a));
    check(a != NULL);
    snprintf(a->address, sizeof(a->address), "%s", address);
    token_bucket_init(&a->joins, l->joins_per_sec, l->joins_burst, now);
    check(map_insert(&l->addresses, &a->by_address, a->address) == OK);
    return a;
}

bool limits_on_open(struct limits *l, const char *address, usec now)
{
    struct address_limit *a = obtain(l, address, now);
    if (a->sockets >= l->sockets_max)
        return false;
    a->sockets++;
    return true;
}

void limits_on_close(struct limits *l, const char *address, usec now)
{
    struct address_limit *a = obtain(l, address, now);
    if (a->sockets > 0)
        a->sockets--;
}

usec limits_on_join(struct limits *l, const char *address, usec now)
{
    struct address_limit *a = obtain(l, address, now);
    return token_bucket_take(&a->joins, 1, now) ? 0 : token_bucket_wait(&a->joins, 1, now);
}

bool limits_on_refused(struct limits *l, const char *address, usec now, uint64_t *ret_suppressed)
{
    struct address_limit *a = obtain(l, address, now);
    if (now < a->refused_until) {
        a->suppressed++;
        return false;
    }
    *ret_suppressed = a->suppressed;
    a->suppressed = 0;
    a->refused_until = now + REFUSED_AUDIT_PERIOD;
    return true;
}

void limits_sweep(struct limits *l, usec now)
{
    for (struct map_node *n = map_first(&l->addresses), *next; n != NULL; n = next) {
        next = map_next(&l->addresses, n);
        struct address_limit *a = container_of(n, struct address_limit, by_address);
        if (a->sockets == 0 && token_bucket_is_full(&a->joins, now) && now >= a->refused_until)
            forget(l, a);
    }
}
