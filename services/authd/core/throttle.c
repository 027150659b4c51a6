/* throttle.c - GCRA, and the table of limits.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/throttle.h"

#include "common/address.h"

#include <stdio.h>
#include <string.h>

/* An account's burst is what a person mistypes in a minute; its rate makes a dictionary hopeless.
 * A stranger can slow an account's owner down, but at most to one attempt per interval. */
static const struct rule {
    const char *by_address; /* NULL: not limited by address */
    usec address_interval;
    unsigned address_burst;
    const char *by_account;
    usec account_interval;
    unsigned account_burst;
    unsigned cost;
    bool is_forced;
} rules[] = {
    [THROTTLE_LOGIN] = { "login:address", SECONDS(1), 60, "login:account", SECONDS(6), 10, 1,
                         false },
    [THROTTLE_LOGIN_FAILED] = { "login:address", SECONDS(1), 60, "login:account", SECONDS(6), 10, 2,
                                true },
    [THROTTLE_REGISTER] = { "register:address", SECONDS(5), 60, NULL, 0, 0, 1, false },
    [THROTTLE_GUEST] = { "guest:address", MILLIS(200), 500, NULL, 0, 0, 1, false },
    [THROTTLE_REFRESH] = { "refresh:address", MILLIS(50), 1000, NULL, 0, 0, 1, false },
};

static void limit_add(struct throttle_charge *c, const char *what, const char *whose, usec interval,
                      unsigned burst, unsigned cost)
{
    check(c->count < THROTTLE_LIMITS_MAX);
    struct throttle_limit *l = &c->limits[c->count++];
    snprintf(l->key, sizeof(l->key), "%s:%s", what, whose);
    l->interval = MAX(interval, 1);
    l->burst = burst;
    l->cost = cost;
}

void throttle_charge_write(enum throttle_action action, const char *address, const char *username,
                           unsigned scale, struct throttle_charge *ret)
{
    check((size_t)action < ARRAY_LEN(rules));
    const struct rule *r = &rules[action];
    *ret = (struct throttle_charge){ .is_forced = r->is_forced };
    if (scale == 0)
        return;
    char subscriber[ADDRESS_CAPACITY];
    address_subscriber(address, subscriber);
    if (r->by_address != NULL)
        limit_add(ret, r->by_address, subscriber, r->address_interval / scale,
                  r->address_burst * scale, r->cost);
    if (r->by_account != NULL && username != NULL)
        limit_add(ret, r->by_account, username, r->account_interval / scale,
                  r->account_burst * scale, r->cost);
}

usec throttle_step(const struct throttle_limit *limit, bool is_forced, wall_usec now,
                   wall_usec *arrival)
{
    usec room = limit->interval * limit->burst;
    wall_usec next = MAX(*arrival, now) + limit->interval * limit->cost;
    usec wait = next - room - now;
    if (wait > 0 && !is_forced)
        return wait;
    /* A forced charge may overdraw by one burst, not without end. */
    *arrival = MIN(next, now + 2 * room);
    return 0;
}
