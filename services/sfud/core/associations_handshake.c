/* SPDX-License-Identifier: Apache-2.0 */
#include "core/associations_state.h"

#include <stdlib.h>

struct input {
    struct input *next;
    size_t len;
    uint8_t data[];
};

static void count_failure(struct associations *a, enum err why)
{
    switch (why) {
    case ERR_AUTH:
        associations_add(a, ASSOCIATIONS_FAILED_AUTH, 1);
        break;
    case ERR_UNSUPPORTED:
        associations_add(a, ASSOCIATIONS_FAILED_UNSUPPORTED, 1);
        break;
    case ERR_EXPIRED:
        associations_add(a, ASSOCIATIONS_FAILED_EXPIRED, 1);
        break;
    case ERR_FULL:
        associations_add(a, ASSOCIATIONS_FAILED_FULL, 1);
        break;
    case ERR_SYSTEM:
        associations_add(a, ASSOCIATIONS_FAILED_SYSTEM, 1);
        break;
    default:
        associations_add(a, ASSOCIATIONS_FAILED_MALFORMED, 1);
        break;
    }
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

struct dtls *handshake_leave(struct associations *a, struct association *as)
{
    struct handshake *h = &as->handshake;
    struct dtls *dtls = h->dtls;
    a->running_count -= h->state == HANDSHAKE_RUNNING;
    a->waiting_count -= h->state == HANDSHAKE_WAITING;
    associations_add(a, ASSOCIATIONS_RUNNING, -(int64_t)(h->state == HANDSHAKE_RUNNING));
    associations_add(a, ASSOCIATIONS_WAITING, -(int64_t)(h->state == HANDSHAKE_WAITING));
    list_remove(&h->link);
    drop_inputs(h);
    *h = (struct handshake){ .state = HANDSHAKE_NONE };
    list_link_init(&h->link);
    return dtls;
}

void handshake_fail(struct associations *a, struct association *as, enum err why)
{
    struct dtls *dtls = handshake_leave(a, as);
    count_failure(a, why);
    if (as->dtls != NULL) {
        dtls_free(dtls);
        association_wake(a, as, dtls_deadline(as->dtls));
        return;
    }
    as->dtls = dtls; /* its alert is still to be sent */
    as->has_failed = true;
    as->reason = why;
    a->deadlines[association_place_of(a, as)] = USEC_NEVER;
    association_tell(a, as);
}

static void make_runnable(struct associations *a, struct association *as)
{
    struct handshake *h = &as->handshake;
    bool has_work = h->first != NULL || (as->role == DTLS_CLIENT && !h->is_started);
    if (h->state == HANDSHAKE_RUNNING && has_work && !list_link_is_linked(&h->link))
        list_push_back(&a->runnable, &h->link);
}

/* Whoever waits longest is next. */
void handshakes_admit(struct associations *a, usec now)
{
    while (a->running_count < HANDSHAKES_RUNNING_MAX && !list_is_empty(&a->waiting)) {
        struct association *as =
            list_entry(list_pop_front(&a->waiting), struct association, handshake.link);
        struct handshake *h = &as->handshake;
        h->state = HANDSHAKE_RUNNING;
        a->waiting_count--;
        a->running_count++;
        associations_add(a, ASSOCIATIONS_WAITING, -1);
        associations_add(a, ASSOCIATIONS_RUNNING, 1);
        h->dtls = dtls_new(a->config.dtls, as->role, as->expected, as->expected_count, now);
        if (h->dtls == NULL) {
            handshake_fail(a, as, ERR_SYSTEM);
            continue;
        }
        if (as->data_channels.sctp_port != 0)
            dtls_keep(h->dtls);
        association_wake(a, as, dtls_deadline(h->dtls));
        make_runnable(a, as);
    }
}

void handshake_begin(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    h->state = HANDSHAKE_WAITING;
    h->began_at = now;
    list_push_back(&a->waiting, &h->link);
    a->waiting_count++;
    associations_add(a, ASSOCIATIONS_WAITING, 1);
    if (as->dtls != NULL)
        associations_add(a, ASSOCIATIONS_RESTARTED, 1);
    as->is_restart_allowed = false;
    association_wake(a, as, now + HANDSHAKE_WAIT_TIME);
}

/* The handshake is done: what it made takes the place of what was. */
static void promote(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    enum err err = dtls_keys(h->dtls, &as->keys);
    if (err != OK) {
        handshake_fail(a, as, err);
        return;
    }
    as->handshake_us = now - h->began_at;
    as->has_keys = true;
    as->connected_at = now;
    dtls_free(as->dtls);
    as->dtls = handshake_leave(a, as);
    associations_add(a, ASSOCIATIONS_DONE, 1);
    association_wake(a, as, dtls_deadline(as->dtls));
    association_data_connected(a, as, now);
}

void handshake_follow(struct associations *a, struct association *as, usec now)
{
    struct handshake *h = &as->handshake;
    association_tell(a, as);
    switch (dtls_state(h->dtls)) {
    case DTLS_HANDSHAKING:
        association_wake(a, as, dtls_deadline(h->dtls));
        make_runnable(a, as);
        break;
    case DTLS_CONNECTED:
        promote(a, as, now);
        break;
    case DTLS_CLOSED:
        handshake_fail(a, as, ERR_MALFORMED);
        break;
    case DTLS_FAILED:
        handshake_fail(a, as, dtls_failure(h->dtls));
        break;
    }
}

void handshake_step(struct associations *a, struct association *as, usec now)
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
    handshake_follow(a, as, now);
}

void handshake_keep(struct associations *a, struct association *as, struct bytes datagram)
{
    struct handshake *h = &as->handshake;
    h->byte_count += datagram.len;
    if (h->byte_count > HANDSHAKE_BYTES_MAX) {
        handshake_fail(a, as, ERR_FULL);
        return;
    }
    struct input *i =
        h->input_count < HANDSHAKE_INPUTS_MAX ? malloc(sizeof *i + datagram.len) : NULL;
    if (i == NULL) {
        associations_add(a, ASSOCIATIONS_DROP_FULL, 1);
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
