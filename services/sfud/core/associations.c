/* SPDX-License-Identifier: Apache-2.0 */
#include "core/associations.h"

#include "common/list.h"
#include "core/dtls_record.h"

#include <stdlib.h>

/* A datagram that waits for its handshake's turn. */
struct input {
    struct input *next;
    size_t len;
    uint8_t data[];
};

enum handshake_state {
    HANDSHAKE_NONE,
    HANDSHAKE_WAITING, /* for one of HANDSHAKES_RUNNING_MAX turns */
    HANDSHAKE_RUNNING,
};

struct handshake {
    enum handshake_state state;
    struct dtls *dtls; /* RUNNING */
    bool is_started;   /* the client half has said hello */
    struct input *first, *last;
    size_t input_count;
    size_t byte_count; /* received in all */
    usec began_at;
    struct list_link link; /* in `waiting`, or in `runnable` when it has something to do */
};

/* Owned by the engine's thread; its place is that of its handle in the worker. */
struct association {
    /* given */
    handle self; /* 0: not in use */
    enum dtls_role role;
    struct dtls_fingerprint expected[DTLS_FINGERPRINTS_MAX];
    size_t expected_count;
    /* owned */
    struct dtls *dtls; /* done: connected, or failed and with an alert to send */
    struct handshake handshake;
    /* derived */
    uint8_t hello[DTLS_RANDOM_LEN]; /* of the newest handshake's client */
    bool is_restart_allowed;        /* by signaling: at once */
    usec connected_at;
    struct dtls_keys keys; /* until told */
    usec handshake_us;
    enum err reason;
    bool has_keys, has_failed, has_ended, has_closed; /* to be told */
    struct list_link ready;                           /* in its worker's list */
};

struct associations {
    /* given */
    struct associations_config config;
    /* owned */
    struct association *places; /* worker after worker */
    usec *deadlines;            /* by place */
    struct list *ready;         /* by worker: with something to tell */
    /* derived */
    size_t places_per_worker, place_count;
    struct list waiting, runnable; /* handshakes */
    size_t running_count, waiting_count;
    usec next_deadline;
    struct associations_stats stats;
};

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

static void add(struct associations *a, enum associations_stat s, int64_t n)
{
    uint64_t v = associations_stat_read(&a->stats, s);
    atomic_store_explicit(&a->stats.value[s], v + (uint64_t)n, memory_order_relaxed);
}

static void count_failure(struct associations *a, enum err why)
{
    switch (why) {
    case ERR_AUTH:
        add(a, ASSOCIATIONS_FAILED_AUTH, 1);
        break;
    case ERR_UNSUPPORTED:
        add(a, ASSOCIATIONS_FAILED_UNSUPPORTED, 1);
        break;
    case ERR_EXPIRED:
        add(a, ASSOCIATIONS_FAILED_EXPIRED, 1);
        break;
    case ERR_FULL:
        add(a, ASSOCIATIONS_FAILED_FULL, 1);
        break;
    case ERR_SYSTEM:
        add(a, ASSOCIATIONS_FAILED_SYSTEM, 1);
        break;
    default:
        add(a, ASSOCIATIONS_FAILED_MALFORMED, 1);
        break;
    }
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
    a->next_deadline = USEC_NEVER;
    return a;
}

static size_t place_of(const struct associations *a, const struct association *as)
{
    return (size_t)(as - a->places);
}

static void tell(struct associations *a, struct association *as)
{
    if (!list_link_is_linked(&as->ready))
        list_push_back(&a->ready[place_of(a, as) / a->places_per_worker], &as->ready);
}

static void wake(struct associations *a, const struct association *as, usec when)
{
    a->deadlines[place_of(a, as)] = when;
    a->next_deadline = MIN(a->next_deadline, when);
}

static void drop_inputs(struct handshake *h)
{
    for (struct input *i = h->first, *next; i != NULL; i = next) {
        next = i->next;
        free(i);
    }
    h->first = h->last = NULL;
    h->input_count = 0;
}

/* Takes the handshake apart, but for its dtls, which is given back. */
static struct dtls *leave_handshake(struct associations *a, struct association *as)
{
    struct handshake *h = &as->handshake;
    struct dtls *dtls = h->dtls;
    a->running_count -= h->state == HANDSHAKE_RUNNING;
    a->waiting_count -= h->state == HANDSHAKE_WAITING;
    add(a, ASSOCIATIONS_RUNNING, -(int64_t)(h->state == HANDSHAKE_RUNNING));
    add(a, ASSOCIATIONS_WAITING, -(int64_t)(h->state == HANDSHAKE_WAITING));
    list_remove(&h->link);
    drop_inputs(h);
    *h = (struct handshake){ .state = HANDSHAKE_NONE };
    list_link_init(&h->link);
    return dtls;
}

static void release(struct associations *a, struct association *as)
{
    dtls_free(leave_handshake(a, as));
    dtls_free(as->dtls);
    list_remove(&as->ready);
    a->deadlines[place_of(a, as)] = USEC_NEVER;
    bytes_wipe(as, sizeof *as);
    add(a, ASSOCIATIONS_OPEN, -1);
}

void associations_free(struct associations *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; a->places != NULL && i < a->place_count; i++) {
        if (a->places[i].self != 0)
            release(a, &a->places[i]);
    }
    free(a->places);
    free(a->deadlines);
    free(a->ready);
    free(a);
}

/* ---- handshakes ---- */

/* The established one, or none, goes on without this handshake. */
static void fail_handshake(struct associations *a, struct association *as, enum err why)
{
    struct dtls *dtls = leave_handshake(a, as);
    count_failure(a, why);
    if (as->dtls != NULL) {
        dtls_free(dtls);
        wake(a, as, dtls_deadline(as->dtls));
        return;
    }
    as->dtls = dtls; /* its alert is still to be sent */
    as->has_failed = true;
    as->reason = why;
    a->deadlines[place_of(a, as)] = USEC_NEVER;
    tell(a, as);
}

static void make_runnable(struct associations *a, struct association *as)
{
    struct handshake *h = &as->handshake;
    bool has_work = h->first != NULL || (as->role == DTLS_CLIENT && !h->is_started);
    if (h->state == HANDSHAKE_RUNNING && has_work && !list_link_is_linked(&h->link))
        list_push_back(&a->runnable, &h->link);
}

/* Whoever waits longest runs next. */
static void admit(struct associations *a, usec now)
{
    while (a->running_count < HANDSHAKES_RUNNING_MAX && !list_is_empty(&a->waiting)) {
        struct association *as =
            list_entry(list_pop_front(&a->waiting), struct association, handshake.link);
        struct handshake *h = &as->handshake;
        h->state = HANDSHAKE_RUNNING;
        a->waiting_count--;
        a->running_count++;
        add(a, ASSOCIATIONS_WAITING, -1);
        add(a, ASSOCIATIONS_RUNNING, 1);
        h->dtls = dtls_new(a->config.dtls, as->role, as->expected, as->expected_count, now);
        if (h->dtls == NULL) {
            fail_handshake(a, as, ERR_SYSTEM);
            continue;
        }
        wake(a, as, dtls_deadline(h->dtls));
        make_runnable(a, as);
    }
}

static void begin(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    h->state = HANDSHAKE_WAITING;
    h->began_at = now;
    list_push_back(&a->waiting, &h->link);
    a->waiting_count++;
    add(a, ASSOCIATIONS_WAITING, 1);
    if (as->dtls != NULL)
        add(a, ASSOCIATIONS_RESTARTED, 1);
    as->is_restart_allowed = false;
    wake(a, as, now + HANDSHAKE_WAIT_TIME);
}

/* The handshake is done: what it made takes the place of what was. */
static void promote(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    enum err err = dtls_keys(h->dtls, &as->keys);
    if (err != OK) {
        fail_handshake(a, as, err);
        return;
    }
    as->handshake_us = now - h->began_at;
    as->has_keys = true;
    as->connected_at = now;
    dtls_free(as->dtls);
    as->dtls = leave_handshake(a, as);
    add(a, ASSOCIATIONS_DONE, 1);
    wake(a, as, dtls_deadline(as->dtls));
}

static void follow_handshake(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    tell(a, as);
    switch (dtls_state(h->dtls)) {
    case DTLS_HANDSHAKING:
        wake(a, as, dtls_deadline(h->dtls));
        make_runnable(a, as);
        break;
    case DTLS_CONNECTED:
        promote(a, as, now);
        break;
    case DTLS_CLOSED:
        fail_handshake(a, as, ERR_MALFORMED);
        break;
    case DTLS_FAILED:
        fail_handshake(a, as, dtls_failure(h->dtls));
        break;
    }
}

/* One datagram's worth of work. */
static void step(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    struct input *i = h->first;
    if (as->role == DTLS_CLIENT && !h->is_started) {
        h->is_started = true;
        dtls_start(h->dtls, now);
    } else if (i != NULL) {
        h->first = i->next;
        if (h->first == NULL)
            h->last = NULL;
        h->input_count--;
        dtls_receive(h->dtls, bytes_of(i->data, i->len), now);
        free(i);
    }
    follow_handshake(a, as, now);
}

static void keep_input(struct associations *a, struct association *as, struct bytes datagram)
{
    struct handshake *h = &as->handshake;
    h->byte_count += datagram.len;
    if (h->byte_count > HANDSHAKE_BYTES_MAX) {
        fail_handshake(a, as, ERR_FULL);
        return;
    }
    struct input *i =
        h->input_count < HANDSHAKE_INPUTS_MAX ? malloc(sizeof *i + datagram.len) : NULL;
    if (i == NULL) {
        add(a, ASSOCIATIONS_DROP_FULL, 1);
        return;
    }
    *i = (struct input){ .len = datagram.len };
    memcpy(i->data, datagram.data, datagram.len);
    if (h->last != NULL)
        h->last->next = i;
    else
        h->first = i;
    h->last = i;
    h->input_count++;
    make_runnable(a, as);
}

/* ---- established ---- */

static void follow_established(struct associations *a, struct association *as)
{
    switch (dtls_state(as->dtls)) {
    case DTLS_HANDSHAKING:
    case DTLS_CONNECTED:
        break;
    case DTLS_CLOSED:
        as->has_ended = true;
        break;
    case DTLS_FAILED:
        as->has_failed = true;
        as->reason = dtls_failure(as->dtls);
        break;
    }
    if (as->handshake.state == HANDSHAKE_NONE)
        wake(a, as, dtls_deadline(as->dtls));
    tell(a, as);
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
        begin(a, as, now);
    }
    bool is_for_handshake = !is_connected || dtls_record_is_handshake(datagram);
    if (as->handshake.state != HANDSHAKE_NONE && is_for_handshake) {
        keep_input(a, as, datagram);
    } else if (is_connected) {
        dtls_receive(as->dtls, datagram, now);
        follow_established(a, as);
    } else {
        add(a, as->dtls == NULL ? ASSOCIATIONS_DROP_NO_HELLO : ASSOCIATIONS_DROP_STALE, 1);
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
    *as = (struct association){ .self = r->association };
    list_link_init(&as->ready);
    list_link_init(&as->handshake.link);
    set_expected(as, r);
    add(a, ASSOCIATIONS_OPEN, 1);
    if (as->role == DTLS_CLIENT)
        begin(a, as, now);
}

/* What runs has the fingerprints of before: it goes. The keys in use stay until new ones are there.
 */
static void restart_association(struct associations *a, struct association *as,
                                const struct association_request *r, usec now)
{
    dtls_free(leave_handshake(a, as));
    set_expected(as, r);
    as->is_restart_allowed = true;
    if (as->role == DTLS_CLIENT)
        begin(a, as, now);
    else
        wake(a, as, as->dtls != NULL ? dtls_deadline(as->dtls) : USEC_NEVER);
}

static void close_association(struct associations *a, struct association *as)
{
    dtls_free(leave_handshake(a, as));
    if (as->dtls != NULL)
        dtls_close(as->dtls);
    as->has_keys = as->has_failed = as->has_ended = false;
    as->has_closed = true;
    a->deadlines[place_of(a, as)] = USEC_NEVER;
    tell(a, as);
}

void associations_receive(struct associations *a, size_t worker,
                          const struct association_request *r, usec now)
{
    size_t index = handle_index(r->association);
    check(worker < a->config.worker_count && index < a->places_per_worker);
    struct association *as = &a->places[worker * a->places_per_worker + index];
    if (r->kind != ASSOCIATION_OPEN && as->self != r->association) {
        add(a, ASSOCIATIONS_DROP_STALE, 1);
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
    a->deadlines[place_of(a, as)] = USEC_NEVER;
    if (h->state == HANDSHAKE_WAITING) {
        fail_handshake(a, as, ERR_EXPIRED);
    } else if (h->state == HANDSHAKE_RUNNING) {
        dtls_tick(h->dtls, now);
        follow_handshake(a, as, now);
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
    admit(a, now);
    for (size_t i = 0; i < HANDSHAKE_STEPS_PER_TURN && !list_is_empty(&a->runnable); i++)
        step(a, list_entry(list_pop_front(&a->runnable), struct association, handshake.link), now);
}

usec associations_next_deadline(const struct associations *a)
{
    bool can_admit = a->running_count < HANDSHAKES_RUNNING_MAX && !list_is_empty(&a->waiting);
    return can_admit || !list_is_empty(&a->runnable) ? 0 : a->next_deadline;
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
