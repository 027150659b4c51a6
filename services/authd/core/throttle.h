/* throttle.h - which requests are limited, by what, and how much of it.
 *
 * Pure. The arithmetic is GCRA (the "virtual scheduling" form of ITU-T I.371): one timestamp per
 * key, the theoretical arrival time. Redis runs the same few lines as a script (io/store.c),
 * because the instances share their limits.
 *
 * Guarantee: over any T a key is allowed at most burst + T / interval charges.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTHD_CORE_THROTTLE_H
#define AUTHD_CORE_THROTTLE_H

#include "common/base.h"

#define THROTTLE_KEY_CAPACITY 160
#define THROTTLE_LIMITS_MAX   2

enum throttle_action {
    THROTTLE_LOGIN,        /* a login begins: per address and per account */
    THROTTLE_LOGIN_FAILED, /* a wrong proof: charges more, forced */
    THROTTLE_REGISTER,     /* per address */
    THROTTLE_GUEST,        /* per address: a whole office may join at once */
    THROTTLE_REFRESH,      /* per address: an office of tabs that wake up together */
};

struct throttle_limit {
    char key[THROTTLE_KEY_CAPACITY]; /* "login:account:ada" */
    usec interval;                   /* one more charge is earned each interval */
    unsigned burst;                  /* charges at once */
    unsigned cost;                   /* of this request */
};

/* All limits are charged, or none. A forced charge is never refused: it makes the next one wait. */
struct throttle_charge {
    struct throttle_limit limits[THROTTLE_LIMITS_MAX];
    size_t count;
    bool is_forced;
};

/* What a request has to pay.
 *
 * address   of the client; an IPv6 address counts as its /64, which is what one subscriber has
 * username  checked by username_parse(), or NULL
 * scale     bursts and rates are multiplied by it; 0 = no limits, the charge is empty */
void throttle_charge_write(enum throttle_action action, const char *address, const char *username,
                           unsigned scale, struct throttle_charge *ret);

/* One step of GCRA. Returns how long the request has to wait, 0 = allowed; arrival is updated only
 * when it is allowed or forced.
 *
 * arrival  in, out: the key's theoretical arrival time, 0 for a fresh key */
usec throttle_step(const struct throttle_limit *limit, bool is_forced, wall_usec now,
                   wall_usec *arrival);

#endif
