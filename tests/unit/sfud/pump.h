/* pump.h - a worker and the association engine without threads: what one has for the other is
 * handed over inline until both are quiet.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SFUD_PUMP_H
#define TESTS_SFUD_PUMP_H

#include "core/associations.h"
#include "core/worker.h"

/* True if anything was handed over. */
static inline bool pump_associations(struct worker *w, struct associations *a, usec now)
{
    static struct association_request request;
    static struct association_notice notice;
    bool any = false, again = true;
    while (again) {
        again = false;
        for (; worker_next_request(w, &request); again = true)
            associations_receive(a, 0, &request, now);
        for (; associations_next_deadline(a) <= now; again = true)
            associations_tick(a, now);
        for (; associations_next(a, 0, &notice); again = true)
            worker_notice(w, &notice, now);
        any |= again;
    }
    return any;
}

#endif
