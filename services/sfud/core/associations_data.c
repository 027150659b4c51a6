/* associations_data.c - SCTP over the DTLS of participants that have data channels.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/associations_state.h"

void association_data_connected(struct associations *a, struct association *as, usec now)
{
    const struct association_data *d = &as->data_channels;
    if (d->sctp_port == 0 || as->member != NULL)
        return;
    if (a->data == NULL)
        a->data = data_rooms_new(now);
    uint64_t worker = association_place_of(a, as) / a->places_per_worker;
    struct data_member_params params = { .room = worker << 32 | d->room,
                                         .is_allowed = d->is_allowed,
                                         .sctp_port = d->sctp_port,
                                         .max_message_size = d->max_message_size,
                                         .is_even = as->role == DTLS_CLIENT };
    memcpy(params.participant, d->participant, sizeof params.participant);
    if (a->data != NULL)
        as->member = data_member_new(a->data, &params, now);
    if (as->member == NULL)
        return; /* without memory a call without data is better than none */
    list_push_back(&a->with_data, &as->in_data);
    a->has_packets = true;
    association_data_take(a, as, now);
}

void association_data_take(struct associations *a, struct association *as, usec now)
{
    struct bytes packet;
    while (as->dtls != NULL && dtls_next_data(as->dtls, &packet)) {
        if (as->member == NULL)
            continue;
        data_member_receive(as->member, packet, now);
        a->has_packets = true;
    }
}

void association_data_end(struct associations *a, struct association *as)
{
    if (as->member == NULL)
        return;
    list_remove(&as->in_data);
    data_member_free(as->member);
    as->member = NULL;
    a->has_packets = true; /* the counters are to be told, if nothing else */
}

/* What there is no room for waits for the next tick; what DTLS does not take is lost on the way,
 * and SCTP repeats it. */
static void send_packets(struct associations *a, struct association *as)
{
    struct bytes packet;
    bool any = false;
    while (dtls_has_room(as->dtls) && data_member_next_packet(as->member, &packet)) {
        if (dtls_send(as->dtls, packet) == OK)
            any = true;
        else
            associations_add(a, ASSOCIATIONS_DATA_LOST, 1);
    }
    if (any)
        association_tell(a, as);
}

static void set_stats(struct associations *a)
{
    const struct data_stats *from = data_rooms_stats(a->data);
    const struct {
        enum associations_stat stat;
        const _Atomic uint64_t *value;
    } pairs[] = {
        { ASSOCIATIONS_DATA_MEMBERS, &from->members },
        { ASSOCIATIONS_DATA_IN, &from->messages_in },
        { ASSOCIATIONS_DATA_OUT, &from->messages_out },
        { ASSOCIATIONS_DATA_ERRORS, &from->errors },
        { ASSOCIATIONS_DATA_DROPPED, &from->dropped_slow },
        { ASSOCIATIONS_DATA_CLOSED, &from->closed_slow },
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        uint64_t value = atomic_load_explicit(pairs[i].value, memory_order_relaxed);
        atomic_store_explicit(&a->stats.value[pairs[i].stat], value, memory_order_relaxed);
    }
}

void associations_data_tick(struct associations *a, usec now)
{
    if (a->data == NULL || associations_data_next_deadline(a) > now)
        return;
    data_rooms_tick(a->data, now);
    a->has_packets = false;
    list_for_each(link, &a->with_data)
    {
        struct association *as = list_entry(link, struct association, in_data);
        send_packets(a, as);
        if (!data_member_is_alive(as->member))
            association_data_end(a, as);
    }
    set_stats(a);
}

usec associations_data_next_deadline(const struct associations *a)
{
    if (a->data == NULL)
        return USEC_NEVER;
    return a->has_packets ? 0 : data_rooms_next_deadline(a->data);
}
