/* SPDX-License-Identifier: Apache-2.0 */
#include "io/coordinator_private.h"

#include <math.h>

enum { EXCHANGES = 16 };
#define EXCHANGE_TIMEOUT_US SECONDS(5)

/* NTP's four times (RFC 5905 §8). False: that was no answer. */
static bool exchange(const struct call *call, double *ret_offset, double *ret_round_trip)
{
    const json_t *received = json_object_get(call->answer, "received_us");
    const json_t *sent = json_object_get(call->answer, "sent_us");
    if (!json_is_integer(received) || !json_is_integer(sent))
        return false;
    double there = (double)(json_integer_value(received) - call->began);
    double back = (double)(json_integer_value(sent) - call->ended);
    *ret_offset = (there + back) / 2;
    *ret_round_trip = there - back;
    return true;
}

enum run_exit coordinator_measure_clock(struct coordinator *c, const struct machine *m,
                                        double *ret_offset_us, double *ret_uncertainty_us)
{
    double best = (double)INFINITY;
    for (int i = 0; i < EXCHANGES; i++) {
        struct call call = { .method = "GET" };
        double offset, round_trip;
        machine_url(m, "/v1/time", &call);
        calls_perform(c->caller, &call, 1, EXCHANGE_TIMEOUT_US);
        bool ok = call.status == 200 && exchange(&call, &offset, &round_trip);
        json_decref(call.answer);
        if (!ok)
            return coordinator_call_failed(c, m, &call);
        if (round_trip >= 0 && round_trip < best) {
            best = round_trip;
            *ret_offset_us = offset;
            *ret_uncertainty_us = round_trip / 2;
        }
    }
    if (isfinite(best))
        return RUN_PASSED;
    return coordinator_fail(c, RUN_UNREACHABLE, "agent %s: its clock jumps", m->name);
}

enum run_exit coordinator_measure_clocks(struct coordinator *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct machine *m = &c->machines[i];
        enum run_exit e = coordinator_measure_clock(c, m, &m->offset_us, &m->uncertainty_us);
        if (e != RUN_PASSED)
            return e;
        if (c->options->any_clock)
            continue;
        if (fabs(m->offset_us) > COORDINATOR_OFFSET_MAX_US + m->uncertainty_us)
            return coordinator_fail(
                c, RUN_USAGE,
                "agent %s: its clock is %.1f ms %s this one: synchronise them (chrony, ptp4l), or "
                "run all the same with --any-clock",
                m->name, fabs(m->offset_us) / 1000, m->offset_us > 0 ? "ahead of" : "behind");
        if (m->uncertainty_us > COORDINATOR_UNCERTAINTY_MAX_US)
            return coordinator_fail(
                c, RUN_USAGE,
                "agent %s: its clock can only be known to %.1f ms (the way there takes long), so "
                "one-way latency would not be true; --any-clock runs all the same",
                m->name, m->uncertainty_us / 1000);
    }
    return RUN_PASSED;
}
