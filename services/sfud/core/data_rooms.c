/* SPDX-License-Identifier: Apache-2.0 */
#include "core/data_rooms.h"

#include "common/list.h"
#include "common/token_bucket.h"
#include "core/sctp.h"

#include <stdlib.h>

struct channel {
    bool is_open;
    bool is_acked;  /* until then unordered messages go in order (RFC 8832 §6) */
    bool is_closed; /* the receiver was too slow: not opened again by us */
    uint16_t stream;
    struct sctp_manner manner;
    uint8_t label[DATA_LABEL_MAX];
    size_t label_len;
};

struct data_member {
    struct data_rooms *rooms;
    struct data_member_params params;
    struct list_link link; /* in data_rooms.members */
    struct sctp *sctp;
    struct channel channels[DATA_CHANNELS_MAX];
    struct token_bucket messages, bytes;
    usec limited_until; /* the rate is exceeded, and that has been told */
    uint16_t next_stream;
};

struct data_rooms {
    struct list members;
    usec ticked_at;
    struct data_stats stats;
};

static void count(_Atomic uint64_t *c)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

struct data_rooms *data_rooms_new(usec now)
{
    struct data_rooms *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    list_init(&d->members);
    d->ticked_at = now;
    sctp_stack_begin();
    return d;
}

void data_rooms_free(struct data_rooms *d)
{
    if (d == NULL)
        return;
    while (!list_is_empty(&d->members))
        data_member_free(list_entry(d->members.head.next, struct data_member, link));
    (void)sctp_stack_end();
    free(d);
}

struct data_member *data_member_new(struct data_rooms *d, const struct data_member_params *params,
                                    usec now)
{
    struct data_member *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->rooms = d;
    m->params = *params;
    m->next_stream = params->is_even ? 0 : 1;
    m->sctp = sctp_new(params->sctp_port);
    if (m->sctp == NULL) {
        free(m);
        return NULL;
    }
    token_bucket_init(&m->messages, DATA_MESSAGES_PER_SEC, DATA_MESSAGES_BURST, now);
    token_bucket_init(&m->bytes, DATA_BYTES_PER_SEC, DATA_BYTES_BURST, now);
    if (list_is_empty(&d->members))
        d->ticked_at = now;
    list_push_back(&d->members, &m->link);
    atomic_fetch_add_explicit(&d->stats.members, 1, memory_order_relaxed);
    return m;
}

void data_member_free(struct data_member *m)
{
    if (m == NULL)
        return;
    atomic_fetch_sub_explicit(&m->rooms->stats.members, 1, memory_order_relaxed);
    list_remove(&m->link);
    sctp_free(m->sctp);
    free(m);
}

bool data_member_is_alive(const struct data_member *m)
{
    return sctp_state(m->sctp) != SCTP_ENDED;
}

/* ---- channels ---- */

static struct channel *find_stream(struct data_member *m, uint16_t stream)
{
    for (size_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        if (m->channels[i].is_open && m->channels[i].stream == stream)
            return &m->channels[i];
    }
    return NULL;
}

static struct channel *find_free(struct data_member *m)
{
    for (size_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        if (!m->channels[i].is_open && !m->channels[i].is_closed)
            return &m->channels[i];
    }
    return NULL;
}

static bool is_like(const struct channel *a, const struct channel *b)
{
    return (a->manner.reliability == DCEP_RELIABLE) == (b->manner.reliability == DCEP_RELIABLE) &&
           a->manner.ordered == b->manner.ordered &&
           bytes_equal(bytes_of(a->label, a->label_len), bytes_of(b->label, b->label_len));
}

/* The one to send in, or the one that was closed because it was full. */
static struct channel *find_like(struct data_member *m, const struct channel *like)
{
    for (size_t i = 0; i < DATA_CHANNELS_MAX; i++) {
        struct channel *c = &m->channels[i];
        if ((c->is_open || c->is_closed) && is_like(c, like))
            return c;
    }
    return NULL;
}

static enum err send_control(struct data_member *m, uint16_t stream, const struct channel *open)
{
    static const struct sctp_manner control = { .reliability = DCEP_RELIABLE, .ordered = true };
    uint8_t message[12 + DATA_LABEL_MAX];
    struct writer w = writer_of(message, sizeof message);
    enum err err;
    if (open == NULL) {
        err = dcep_write_ack(&w);
    } else {
        const struct dcep_open o = { .reliability = open->manner.reliability,
                                     .limit = open->manner.limit,
                                     .ordered = open->manner.ordered,
                                     .label = bytes_of(open->label, open->label_len) };
        err = dcep_write_open(&o, &w);
    }
    if (err != OK)
        return err;
    return sctp_send(m->sctp, stream, DCEP_PPID_CONTROL, &control,
                     bytes_of(message, writer_len(&w)));
}

/* A stream of our parity that no channel has; the streams have an end. */
static bool take_stream(struct data_member *m, uint16_t *ret)
{
    for (size_t i = 0; i < SCTP_STREAMS / 2; i++) {
        uint16_t stream = m->next_stream;
        m->next_stream = (uint16_t)((m->next_stream + 2) % SCTP_STREAMS);
        if (find_stream(m, stream) == NULL) {
            *ret = stream;
            return true;
        }
    }
    return false;
}

static struct channel *open_like(struct data_member *m, const struct channel *like)
{
    struct channel *c = find_free(m);
    uint16_t stream;
    if (c == NULL || !take_stream(m, &stream))
        return NULL;
    *c = *like;
    c->stream = stream;
    c->is_acked = false;
    if (send_control(m, stream, c) != OK) {
        c->is_open = false;
        return NULL;
    }
    return c;
}

static void close_channel(struct data_member *m, struct channel *c, bool is_slow)
{
    sctp_close_stream(m->sctp, c->stream);
    c->is_open = false;
    c->is_closed = is_slow;
}

static void on_open(struct data_member *m, uint16_t stream, const struct dcep_open *open)
{
    struct channel new = { .is_open = true,
                           .is_acked = true,
                           .stream = stream,
                           .manner = { .reliability = open->reliability,
                                       .limit = open->limit,
                                       .ordered = open->ordered },
                           .label_len = MIN(open->label.len, (size_t)DATA_LABEL_MAX) };
    memcpy(new.label, open->label.data, new.label_len);
    struct channel *old = find_like(m, &new);
    struct channel *c = old != NULL && old->is_closed ? old : find_free(m);
    if (c == NULL || find_stream(m, stream) != NULL || open->label.len > DATA_LABEL_MAX) {
        sctp_close_stream(m->sctp, stream);
        return;
    }
    *c = new;
    (void)send_control(m, stream, NULL);
}

static void on_control(struct data_member *m, const struct sctp_message *message)
{
    struct dcep_message control;
    if (dcep_parse(message->data, &control) != OK)
        return;
    struct channel *c = find_stream(m, message->stream);
    if (control.kind == DCEP_OPEN)
        on_open(m, message->stream, &control.open);
    else if (c != NULL)
        c->is_acked = true;
}

/* ---- messages ---- */

struct letter {
    enum data_kind kind;
    struct bytes name;
    struct bytes payload;
};

static bool read_letter(struct bytes message, struct letter *ret)
{
    if (message.len < 2 || message.data[0] > DATA_TEXT || message.len < 2u + message.data[1])
        return false;
    size_t name_len = message.data[1];
    *ret = (struct letter){ .kind = (enum data_kind)message.data[0],
                            .name = bytes_of(message.data + 2, name_len),
                            .payload =
                                bytes_of(message.data + 2 + name_len, message.len - 2 - name_len) };
    return true;
}

_Static_assert(DATA_PAYLOAD_MAX + DATA_ENVELOPE_MAX <= SCTP_MESSAGE_MAX, "in any envelope");

static bool is_too_long_for(const struct data_member *to, const struct letter *l)
{
    return 2 + l->name.len + l->payload.len > to->params.max_message_size;
}

static enum err send_letter(struct data_member *to, const struct channel *c, const struct letter *l)
{
    uint8_t message[SCTP_MESSAGE_MAX + DATA_ENVELOPE_MAX];
    struct writer w = writer_of(message, sizeof message);
    writer_u8(&w, (uint8_t)l->kind);
    writer_u8(&w, (uint8_t)l->name.len);
    writer_put(&w, l->name);
    writer_put(&w, l->payload);
    if (w.failed)
        return ERR_FULL;
    struct sctp_manner manner = c->manner;
    manner.ordered |= !c->is_acked;
    return sctp_send(to->sctp, c->stream, DCEP_PPID_BINARY, &manner,
                     bytes_of(message, writer_len(&w)));
}

static void tell_error(struct data_member *m, const struct channel *c, const char *id,
                       struct bytes whom)
{
    count(&m->rooms->stats.errors);
    const struct letter l = { .kind = DATA_ERROR, .name = bytes_of_str(id), .payload = whom };
    (void)send_letter(m, c, &l); /* who cannot take it will not miss it */
}

/* A flood is not answered by another one. */
static void tell_limited(struct data_member *m, const struct channel *c, usec now)
{
    if (now < m->limited_until) {
        count(&m->rooms->stats.errors);
        return;
    }
    m->limited_until = now + DATA_LIMITED_INTERVAL;
    tell_error(m, c, DATA_ERROR_RATE_LIMITED, bytes_of(NULL, 0));
}

/* In the receiver's channel of the same label and manner. */
static void deliver(struct data_member *to, const struct channel *like, const struct letter *l)
{
    struct data_stats *stats = &to->rooms->stats;
    struct channel *c = find_like(to, like);
    if (c == NULL)
        c = open_like(to, like);
    if (c == NULL || c->is_closed || is_too_long_for(to, l)) {
        count(&stats->dropped_slow);
        return;
    }
    if (send_letter(to, c, l) == OK) {
        count(&stats->messages_out);
    } else if (c->manner.reliability != DCEP_RELIABLE) {
        count(&stats->dropped_slow);
    } else {
        count(&stats->closed_slow);
        close_channel(to, c, true);
    }
}

static size_t route(struct data_member *from, const struct channel *c, const struct letter *l)
{
    const struct letter out = { .kind = l->kind,
                                .name = bytes_of_str(from->params.participant),
                                .payload = l->payload };
    size_t receiver_count = 0;
    list_for_each(link, &from->rooms->members)
    {
        struct data_member *m = list_entry(link, struct data_member, link);
        bool is_meant =
            m != from && m->params.room == from->params.room &&
            sctp_state(m->sctp) == SCTP_CONNECTED &&
            (l->name.len == 0 || bytes_equal(l->name, bytes_of_str(m->params.participant)));
        if (!is_meant)
            continue;
        deliver(m, c, &out);
        receiver_count++;
    }
    return receiver_count;
}

static void on_message(struct data_member *m, const struct sctp_message *message, usec now)
{
    struct letter l;
    struct channel *c = find_stream(m, message->stream);
    if (c == NULL)
        return;
    count(&m->rooms->stats.messages_in);
    if (!token_bucket_take(&m->messages, 1, now) ||
        !token_bucket_take(&m->bytes, (double)message->data.len, now))
        tell_limited(m, c, now);
    else if (!m->params.is_allowed)
        tell_error(m, c, DATA_ERROR_FORBIDDEN, bytes_of(NULL, 0));
    else if (message->ppid != DCEP_PPID_BINARY || !read_letter(message->data, &l))
        tell_error(m, c, DATA_ERROR_BAD_REQUEST, bytes_of(NULL, 0));
    else if (l.payload.len > DATA_PAYLOAD_MAX)
        tell_error(m, c, DATA_ERROR_TOO_LARGE, l.name);
    else if (route(m, c, &l) == 0 && l.name.len > 0)
        tell_error(m, c, DATA_ERROR_NOT_FOUND, l.name);
}

static void take_messages(struct data_member *m, usec now)
{
    struct sctp_message message;
    while (sctp_next_message(m->sctp, &message)) {
        struct channel *c = find_stream(m, message.stream);
        if (message.is_reset && c != NULL)
            c->is_open = false;
        else if (!message.is_reset && message.ppid == DCEP_PPID_CONTROL)
            on_control(m, &message);
        else if (!message.is_reset)
            on_message(m, &message, now);
    }
}

void data_member_receive(struct data_member *m, struct bytes packet, usec now)
{
    sctp_receive(m->sctp, packet);
    take_messages(m, now);
}

bool data_member_next_packet(struct data_member *m, struct bytes *ret)
{
    return sctp_next_packet(m->sctp, ret);
}

/* ---- time ---- */

void data_rooms_tick(struct data_rooms *d, usec now)
{
    if (now - d->ticked_at < SCTP_TICK)
        return;
    sctp_stack_tick(now - d->ticked_at);
    d->ticked_at = now;
    list_for_each(link, &d->members) take_messages(list_entry(link, struct data_member, link), now);
}

usec data_rooms_next_deadline(const struct data_rooms *d)
{
    return list_is_empty(&d->members) ? USEC_NEVER : d->ticked_at + SCTP_TICK;
}

const struct data_stats *data_rooms_stats(const struct data_rooms *d)
{
    return &d->stats;
}
