/* What threads published, added up. See engine_private.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/engine_private.h"

static void add(struct engine_snapshot *to, const struct engine_published *p)
{
    to->at = to->thread_count == 0 ? p->at : MIN(to->at, p->at);
    measure_add(&to->measure, &p->measure);
    for (unsigned i = 0; i < ENGINE_BOT_STATES; i++)
        to->states[i] += p->states[i];
    to->started += p->started;
    to->joined += p->joined;
    to->failed += p->failed;
    to->websockets += p->websockets;
    to->failures += p->failures;
    to->threads[to->thread_count++] = p->stats;
}

void engine_snapshot(struct engine *e, struct engine_snapshot *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < e->thread_count; i++) {
        struct engine_thread *t = &e->threads[i];
        pthread_mutex_lock(&t->lock);
        add(ret, &t->published);
        pthread_mutex_unlock(&t->lock);
    }
}

static void subtract_stats(struct engine_thread_stats *to, const struct engine_thread_stats *s)
{
    to->wall_us -= s->wall_us;
    to->busy_us -= s->busy_us;
    to->cpu_us -= s->cpu_us;
    histogram_subtract(&to->late_us, &s->late_us);
    to->ticks -= s->ticks;
    to->datagrams_in -= s->datagrams_in;
    to->bytes_in -= s->bytes_in;
    to->datagrams_out -= s->datagrams_out;
    to->bytes_out -= s->bytes_out;
    to->receive_calls -= s->receive_calls;
    to->send_calls -= s->send_calls;
    to->socket_drops -= s->socket_drops;
    to->outbound_dropped -= s->outbound_dropped;
    to->send_full -= s->send_full;
    to->send_failed -= s->send_failed;
    to->refused -= s->refused;
    to->file_errors -= s->file_errors;
}

void engine_snapshot_subtract(struct engine_snapshot *later, const struct engine_snapshot *earlier)
{
    check(later->thread_count == earlier->thread_count);
    measure_subtract(&later->measure, &earlier->measure);
    later->failures -= earlier->failures;
    for (unsigned i = 0; i < later->thread_count; i++)
        subtract_stats(&later->threads[i], &earlier->threads[i]);
}

size_t engine_failures(struct engine *e, struct engine_failure *ret, size_t capacity)
{
    size_t count = 0;
    for (unsigned i = 0; i < e->thread_count; i++) {
        struct engine_thread *t = &e->threads[i];
        pthread_mutex_lock(&t->lock);
        size_t n = MIN(t->failure_count, capacity - count);
        if (n > 0)
            memcpy(ret + count, t->failures, n * sizeof *ret);
        pthread_mutex_unlock(&t->lock);
        count += n;
    }
    return count;
}
