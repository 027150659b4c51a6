/* SPDX-License-Identifier: Apache-2.0 */
#include "core/associations.h"

#include "core/associations_state.h"

#include <stdlib.h>

static const struct stat_info infos[ASSOCIATIONS_STAT_COUNT] = {
#define X(id, metric, text, gauge, about)                                                          \
    [ASSOCIATIONS_##id] = { .name = metric, .label = text, .help = about, .is_gauge = gauge },
    ASSOCIATIONS_STATS_TABLE(X)
#undef X
};

const struct stat_info *associations_stat_info(enum associations_stat s)
{
    check((unsigned)s < ASSOCIATIONS_STAT_COUNT);
    return &infos[s];
}

void associations_add(struct associations *a, enum associations_stat s, int64_t n)
{
    uint64_t v = associations_stat_read(&a->stats, s);
    atomic_store_explicit(&a->stats.value[s], v + (uint64_t)n, memory_order_relaxed);
}

/* ---- life ---- */

static size_t places_of(const struct associations_config *c)
{
    return 2 * (c->participants_max != 0 ? c->participants_max : (size_t)WORKER_PARTICIPANTS_MAX);
}

size_t associations_memory(const struct associations_config *config)
{
    return config->worker_count *
           (places_of(config) * (sizeof(struct association) + sizeof(usec)) + sizeof(struct list));
}

struct associations *associations_new(const struct associations_config *config)
{
    struct associations *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->config = *config;
    a->places_per_worker = places_of(config);
    a->place_count = config->worker_count * a->places_per_worker;
    a->places = calloc(a->place_count, sizeof *a->places);
    a->deadlines = malloc(a->place_count * sizeof *a->deadlines);
    a->ready = calloc(config->worker_count, sizeof *a->ready);
    if (a->places == NULL || a->deadlines == NULL || a->ready == NULL) {
        associations_free(a);
        return NULL;
    }
    for (size_t i = 0; i < a->place_count; i++)
        a->deadlines[i] = USEC_NEVER;
    for (size_t i = 0; i < config->worker_count; i++)
        list_init(&a->ready[i]);
    list_init(&a->waiting);
    list_init(&a->runnable);
    list_init(&a->with_data);
    a->next_deadline = USEC_NEVER;
    return a;
}

void association_tell(struct associations *a, struct association *as)
{
    if (!list_link_is_linked(&as->ready))
        list_push_back(&a->ready[association_place_of(a, as) / a->places_per_worker], &as->ready);
}

void association_wake(struct associations *a, const struct association *as, usec when)
{
    a->deadlines[association_place_of(a, as)] = when;
    a->next_deadline = MIN(a->next_deadline, when);
}

static void release(struct associations *a, struct association *as)
{
    association_data_end(a, as);
    dtls_free(handshake_leave(a, as));
    dtls_free(as->dtls);
    list_remove(&as->ready);
    a->deadlines[association_place_of(a, as)] = USEC_NEVER;
    bytes_wipe(as, sizeof *as);
    associations_add(a, ASSOCIATIONS_OPEN, -1);
}

void associations_free(struct associations *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; a->places != NULL && i < a->place_count; i++) {
        if (a->places[i].self != 0)
            release(a, &a->places[i]);
    }
    data_rooms_free(a->data);
    free(a->places);
    free(a->deadlines);
    free(a->ready);
    free(a);
}

/* ---- established ---- */

static void follow_established(struct associations *a, struct association *as)
{
    switch (dtls_state(as->dtls)) {
    case DTLS_HANDSHAKING:
    case DTLS_CONNECTED:
        break;
    case DTLS_CLOSED:
        association_data_end(a, as);
        as->has_ended = true;
        break;
    case DTLS_FAILED:
        association_data_end(a, as);
        as->has_failed = true;
        as->reason = dtls_failure(as->dtls);
        break;
    }
    if (as->handshake.state == HANDSHAKE_NONE)
        association_wake(a, as, dtls_deadline(as->dtls));
    association_tell(a, as);
}

/* Is this a participant that begins again? Not for each hello: one that is late is that of the
 * present association, and a flood of them must not keep us busy. */
static bool is_restart(const struct association *as, const uint8_t *random, usec now)
{
    return as->role == DTLS_SERVER && memcmp(random, as->hello, DTLS_RANDOM_LEN) != 0 &&
           (as->is_restart_allowed || now - as->connected_at >= RESTART_INTERVAL_MIN);
}

static void receive_datagram(struct associations *a, struct association *as, struct bytes datagram,
                             usec now)
{
    const uint8_t *random = dtls_record_hello_random(datagram);
    bool is_connected = as->dtls != NULL && dtls_state(as->dtls) == DTLS_CONNECTED;
    if (as->handshake.state == HANDSHAKE_NONE && as->role == DTLS_SERVER && random != NULL &&
        (as->dtls == NULL || (is_connected && is_restart(as, random, now)))) {
        memcpy(as->hello, random, sizeof as->hello);
        handshake_begin(a, as, now);
    }
    bool is_for_handshake = !is_connected || dtls_record_is_handshake(datagram);
    if (as->handshake.state != HANDSHAKE_NONE && is_for_handshake) {
        handshake_keep(a, as, datagram);
    } else if (is_connected) {
        dtls_receive(as->dtls, datagram, now);
        association_data_take(a, as, now);
        follow_established(a, as);
    } else {
        associations_add(a, as->dtls == NULL ? ASSOCIATIONS_DROP_NO_HELLO : ASSOCIATIONS_DROP_STALE,
                         1);
    }
}

/* ---- requests ---- */

static void set_expected(struct association *as, const struct association_request *r)
{
    check(r->expected_count >= 1 && r->expected_count <= DTLS_FINGERPRINTS_MAX);
    as->role = r->role;
    as->expected_count = r->expected_count;
    memcpy(as->expected, r->expected, r->expected_count * sizeof r->expected[0]);
}

static void open_association(struct associations *a, struct association *as,
                             const struct association_request *r, usec now)
{
    check(as->self == 0); /* the worker waits for our CLOSED */
    *as = (struct association){ .self = r->association, .data_channels = r->data_channels };
    list_link_init(&as->ready);
    list_link_init(&as->in_data);
    list_link_init(&as->handshake.link);
    set_expected(as, r);
    associations_add(a, ASSOCIATIONS_OPEN, 1);
    if (as->role == DTLS_CLIENT)
        handshake_begin(a, as, now);
}

/* What runs has the fingerprints of before: it goes. The keys in use stay until new ones are there.
 */
static void restart_association(struct associations *a, struct association *as,
                                const struct association_request *r, usec now)
{
    dtls_free(handshake_leave(a, as));
    set_expected(as, r);
    as->is_restart_allowed = true;
    if (as->role == DTLS_CLIENT)
        handshake_begin(a, as, now);
    else
        association_wake(a, as, as->dtls != NULL ? dtls_deadline(as->dtls) : USEC_NEVER);
}

static void close_association(struct associations *a, struct association *as)
{
    association_data_end(a, as);
    dtls_free(handshake_leave(a, as));
    if (as->dtls != NULL)
        dtls_close(as->dtls);
    as->has_keys = as->has_failed = as->has_ended = false;
    as->has_closed = true;
    a->deadlines[association_place_of(a, as)] = USEC_NEVER;
    association_tell(a, as);
}

void associations_receive(struct associations *a, size_t worker,
                          const struct association_request *r, usec now)
{
    size_t index = handle_index(r->association);
    check(worker < a->config.worker_count && index < a->places_per_worker);
    struct association *as = &a->places[worker * a->places_per_worker + index];
    if (r->association == 0 || (r->kind != ASSOCIATION_OPEN && as->self != r->association)) {
        associations_add(a, ASSOCIATIONS_DROP_STALE, 1);
        return;
    }
    switch (r->kind) {
    case ASSOCIATION_OPEN:
        open_association(a, as, r, now);
        break;
    case ASSOCIATION_RESTART:
        restart_association(a, as, r, now);
        break;
    case ASSOCIATION_DATAGRAM:
        receive_datagram(a, as, bytes_of(r->data, r->len), now);
        break;
    case ASSOCIATION_CLOSE:
        close_association(a, as);
        break;
    }
}

/* ---- time ---- */

static void expire(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    a->deadlines[association_place_of(a, as)] = USEC_NEVER;
    if (h->state == HANDSHAKE_WAITING) {
        handshake_fail(a, as, ERR_EXPIRED);
    } else if (h->state == HANDSHAKE_RUNNING) {
        dtls_tick(h->dtls, now);
        handshake_follow(a, as, now);
    } else if (as->dtls != NULL) {
        dtls_tick(as->dtls, now);
        follow_established(a, as);
    }
}

void associations_tick(struct associations *a, usec now)
{
    if (now >= a->next_deadline) {
        a->next_deadline = USEC_NEVER;
        for (size_t i = 0; i < a->place_count; i++) {
            if (a->deadlines[i] <= now)
                expire(a, &a->places[i], now);
            a->next_deadline = MIN(a->next_deadline, a->deadlines[i]);
        }
    }
    handshakes_admit(a, now);
    for (size_t i = 0; i < HANDSHAKE_STEPS_PER_TURN && !list_is_empty(&a->runnable); i++)
        handshake_step(
            a, list_entry(list_pop_front(&a->runnable), struct association, handshake.link), now);
    associations_data_tick(a, now);
}

usec associations_next_deadline(const struct associations *a)
{
    bool can_admit = a->running_count < HANDSHAKES_RUNNING_MAX && !list_is_empty(&a->waiting);
    if (can_admit || !list_is_empty(&a->runnable))
        return 0;
    return MIN(a->next_deadline, associations_data_next_deadline(a));
}

/* ---- notices ---- */

static bool next_datagram(struct association *as, struct bytes *ret)
{
    return (as->dtls != NULL && dtls_next_datagram(as->dtls, ret)) ||
           (as->handshake.dtls != NULL && dtls_next_datagram(as->handshake.dtls, ret));
}

/* What is to be told of this association: datagrams first, so that the participant has our last
 * flight before media that need it. */
static bool next_of(struct associations *a, struct association *as, struct association_notice *ret)
{
    struct bytes d;
    *ret = (struct association_notice){ .association = as->self };
    if (next_datagram(as, &d)) {
        ret->kind = ASSOCIATION_SEND;
        ret->len = (uint16_t)d.len;
        memcpy(ret->data, d.data, d.len);
    } else if (as->has_keys) {
        ret->kind = ASSOCIATION_KEYS;
        ret->keys = as->keys;
        ret->handshake_us = as->handshake_us;
        bytes_wipe(&as->keys, sizeof as->keys);
        as->has_keys = false;
    } else if (as->has_failed || as->has_ended) {
        ret->kind = as->has_failed ? ASSOCIATION_FAILED : ASSOCIATION_ENDED;
        ret->reason = as->reason;
        as->has_failed = as->has_ended = false;
    } else if (as->has_closed) {
        ret->kind = ASSOCIATION_CLOSED;
        release(a, as);
    } else {
        return false;
    }
    return true;
}

bool associations_next(struct associations *a, size_t worker, struct association_notice *ret)
{
    check(worker < a->config.worker_count);
    struct list *ready = &a->ready[worker];
    while (!list_is_empty(ready)) {
        struct association *as = list_entry(ready->head.next, struct association, ready);
        if (next_of(a, as, ret))
            return true;
        list_remove(&as->ready);
    }
    return false;
}

const struct associations_stats *associations_stats(const struct associations *a)
{
    return &a->stats;
}
