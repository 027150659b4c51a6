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
    bool is_given;  /* opened by us, or closed: not one of the participant's own */
    bool is_held;   /* the participant opened it or sends in it: it keeps the room's topic */
    uint16_t stream;
    struct sctp_manner manner;
    struct data_topic topic;
};

/* From its first member to its last. */
struct room {
    uint64_t number;
    struct list_link link; /* in data_rooms.rooms */
    struct list members;
    struct data_topics topics;
};

struct data_member {
    struct data_rooms *rooms;
    struct data_member_params params;
    struct room *room;
    struct list_link link;    /* in data_rooms.members */
    struct list_link in_room; /* in room.members */
    struct sctp *sctp;
    /* The participant's own, and one for each topic of the room that it has none for. */
    struct channel channels[DATA_TOPICS_OWN_MAX + DATA_TOPICS_MAX];
    size_t held_count;
    struct token_bucket messages, bytes;
    /* Streams without a channel whose end has been told, by number: closed then; 0: not. */
    usec closes_at[SCTP_STREAMS];
    size_t closing_count;
    usec limited_until; /* the rate is exceeded, and that has been told */
    uint16_t next_stream;
};

struct data_rooms {
    struct list members, rooms;
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
    list_init(&d->rooms);
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

static struct room *obtain_room(struct data_rooms *d, uint64_t number)
{
    list_for_each(link, &d->rooms)
    {
        struct room *r = list_entry(link, struct room, link);
        if (r->number == number)
            return r;
    }
    struct room *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->number = number;
    list_init(&r->members);
    list_push_back(&d->rooms, &r->link);
    return r;
}

static void forget_if_empty(struct room *r)
{
    if (r == NULL || !list_is_empty(&r->members))
        return;
    list_remove(&r->link);
    free(r);
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
    m->room = obtain_room(d, params->room);
    m->sctp = m->room == NULL ? NULL : sctp_new(params->sctp_port);
    if (m->sctp == NULL) {
        forget_if_empty(m->room);
        free(m);
        return NULL;
    }
    token_bucket_init(&m->messages, DATA_MESSAGES_PER_SEC, DATA_MESSAGES_BURST, now);
    token_bucket_init(&m->bytes, DATA_BYTES_PER_SEC, DATA_BYTES_BURST, now);
    if (list_is_empty(&d->members))
        d->ticked_at = now;
    list_push_back(&d->members, &m->link);
    list_push_back(&m->room->members, &m->in_room);
    atomic_fetch_add_explicit(&d->stats.members, 1, memory_order_relaxed);
    return m;
}

static void release(struct data_member *m, struct channel *c)
{
    if (!c->is_held)
        return;
    data_topics_release(&m->room->topics, &c->topic);
    m->held_count--;
    c->is_held = false;
}

void data_member_free(struct data_member *m)
{
    if (m == NULL)
        return;
    atomic_fetch_sub_explicit(&m->rooms->stats.members, 1, memory_order_relaxed);
    for (size_t i = 0; i < ARRAY_LEN(m->channels); i++)
        release(m, &m->channels[i]);
    list_remove(&m->link);
    list_remove(&m->in_room);
    forget_if_empty(m->room);
    sctp_free(m->sctp);
    free(m);
}

bool data_member_is_alive(const struct data_member *m)
{
    return sctp_state(m->sctp) != SCTP_ENDED;
}

/* ---- letters ---- */

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

/* ---- channels ---- */

static struct channel *find_stream(struct data_member *m, uint16_t stream)
{
    for (size_t i = 0; i < ARRAY_LEN(m->channels); i++) {
        if (m->channels[i].is_open && m->channels[i].stream == stream)
            return &m->channels[i];
    }
    return NULL;
}

static struct channel *find_free(struct data_member *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->channels); i++) {
        if (!m->channels[i].is_open && !m->channels[i].is_closed)
            return &m->channels[i];
    }
    return NULL;
}

/* The one to send in, or else the one that was closed because it was full. */
static struct channel *find_topic(struct data_member *m, const struct data_topic *topic)
{
    struct channel *closed = NULL;
    for (size_t i = 0; i < ARRAY_LEN(m->channels); i++) {
        struct channel *c = &m->channels[i];
        if ((!c->is_open && !c->is_closed) || !data_topic_equals(&c->topic, topic))
            continue;
        if (c->is_open)
            return c;
        closed = c;
    }
    return closed;
}

/* Those that are given, closed ones included, or the participant's own. */
static size_t count_channels(const struct data_member *m, bool given)
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(m->channels); i++) {
        const struct channel *c = &m->channels[i];
        n += (c->is_open || c->is_closed) && c->is_given == given;
    }
    return n;
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
                                     .label = bytes_of(open->topic.label, open->topic.label_len) };
        err = dcep_write_open(&o, &w);
    }
    if (err != OK)
        return err;
    return sctp_send(m->sctp, stream, DCEP_PPID_CONTROL, &control,
                     bytes_of(message, writer_len(&w)));
}

/* A stream of our parity that no channel has or leaves. */
static bool take_stream(struct data_member *m, uint16_t *ret)
{
    for (size_t i = 0; i < SCTP_STREAMS / 2; i++) {
        uint16_t stream = m->next_stream;
        m->next_stream = (uint16_t)((m->next_stream + 2) % SCTP_STREAMS);
        if (find_stream(m, stream) == NULL && m->closes_at[stream] == 0 &&
            !sctp_is_closing(m->sctp, stream)) {
            *ret = stream;
            return true;
        }
    }
    return false;
}

static void close_channel(struct data_member *m, struct channel *c)
{
    sctp_close_stream(m->sctp, c->stream);
    release(m, c);
    c->is_open = false;
}

/* To be closed in a while: who is told why has to hear it. */
static void close_later(struct data_member *m, uint16_t stream, usec duration)
{
    if (m->closes_at[stream] == 0)
        m->closing_count++;
    m->closes_at[stream] = m->rooms->ticked_at + duration;
}

static void forget_closing(struct data_member *m, uint16_t stream)
{
    if (m->closes_at[stream] != 0)
        m->closing_count--;
    m->closes_at[stream] = 0;
}

static void close_told(struct data_member *m, usec now)
{
    for (uint16_t i = 0; m->closing_count > 0 && i < SCTP_STREAMS; i++) {
        if (m->closes_at[i] == 0 || now < m->closes_at[i])
            continue;
        forget_closing(m, i);
        sctp_close_stream(m->sctp, i);
    }
}

/* Of a topic that the room has no more. */
static bool forget_given(struct data_member *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->channels); i++) {
        struct channel *c = &m->channels[i];
        if ((!c->is_open && !c->is_closed) || !c->is_given ||
            data_topics_has(&m->room->topics, &c->topic))
            continue;
        if (c->is_open) {
            tell_error(m, c, DATA_ERROR_TOPIC_ENDED, bytes_of(NULL, 0));
            close_later(m, c->stream, DATA_ENDED_TIME);
            c->is_open = false;
        }
        c->is_closed = false;
        return true;
    }
    return false;
}

/* The room's topics all find a place, and others are forgotten for them. */
static bool has_place(struct data_member *m)
{
    return count_channels(m, true) < DATA_TOPICS_MAX || forget_given(m);
}

static struct channel *give(struct data_member *m, const struct channel *like)
{
    uint16_t stream;
    if (!has_place(m) || !take_stream(m, &stream))
        return NULL;
    struct channel *c = find_free(m);
    check(c != NULL);
    *c = (struct channel){ .is_open = true,
                           .is_given = true,
                           .stream = stream,
                           .manner = like->manner,
                           .topic = like->topic };
    if (send_control(m, stream, c) != OK) {
        c->is_open = false;
        return NULL;
    }
    return c;
}

static void close_slow(struct data_member *m, struct channel *c)
{
    close_channel(m, c);
    if (find_topic(m, &c->topic) == NULL && has_place(m))
        c->is_closed = c->is_given = true;
}

/* Why the participant may not open it or send in it, or NULL. */
static const char *hold(struct data_member *m, struct channel *c)
{
    if (m->held_count >= DATA_TOPICS_OWN_MAX)
        return DATA_ERROR_TOO_MANY_TOPICS;
    if (data_topics_hold(&m->room->topics, &c->topic) != OK)
        return DATA_ERROR_ROOM_TOPICS_FULL;
    m->held_count++;
    c->is_held = true;
    return NULL;
}

/* Who only listens keeps no topic. */
static const char *admit(struct data_member *m, struct channel *c, size_t label_len)
{
    if (label_len > DATA_LABEL_MAX)
        return DATA_ERROR_BAD_REQUEST;
    if (count_channels(m, false) >= DATA_TOPICS_OWN_MAX)
        return DATA_ERROR_TOO_MANY_TOPICS;
    return m->params.is_allowed ? hold(m, c) : NULL;
}

static void on_open(struct data_member *m, uint16_t stream, const struct dcep_open *open, usec now)
{
    bool is_reliable = open->reliability == DCEP_RELIABLE;
    struct channel new = { .is_open = true,
                           .is_acked = true,
                           .stream = stream,
                           .manner = { .reliability = open->reliability,
                                       .limit = open->limit,
                                       .ordered = open->ordered },
                           .topic = data_topic_of(open->label, is_reliable, open->ordered) };
    if (stream >= SCTP_STREAMS || find_stream(m, stream) != NULL || m->closes_at[stream] != 0) {
        sctp_close_stream(m->sctp, stream);
        return;
    }
    bool is_limited = !token_bucket_take(&m->messages, 1, now);
    const char *refusal = is_limited ? NULL : admit(m, &new, open->label.len);
    (void)send_control(m, stream, NULL); /* who is refused hears why in a channel that is open */
    if (is_limited)
        tell_limited(m, &new, now);
    else if (refusal != NULL)
        tell_error(m, &new, refusal, bytes_of(NULL, 0));
    if (is_limited || refusal != NULL) {
        close_later(m, stream, DATA_REFUSED_TIME);
        return;
    }
    struct channel *old = find_topic(m, &new.topic);
    struct channel *c = old != NULL && old->is_closed ? old : find_free(m);
    check(c != NULL);
    *c = new;
}

static void on_control(struct data_member *m, const struct sctp_message *message, usec now)
{
    struct dcep_message control;
    if (dcep_parse(message->data, &control) != OK)
        return;
    struct channel *c = find_stream(m, message->stream);
    if (control.kind == DCEP_OPEN)
        on_open(m, message->stream, &control.open, now);
    else if (c != NULL)
        c->is_acked = true;
}

/* ---- messages ---- */

/* In the receiver's channel of the same label and manner. */
static void deliver(struct data_member *to, const struct channel *like, const struct letter *l)
{
    struct data_stats *stats = &to->rooms->stats;
    struct channel *c = find_topic(to, &like->topic);
    if (c == NULL)
        c = give(to, like);
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
        close_slow(to, c);
    }
}

static size_t route(struct data_member *from, const struct channel *c, const struct letter *l)
{
    const struct letter out = { .kind = l->kind,
                                .name = bytes_of_str(from->params.participant),
                                .payload = l->payload };
    size_t receiver_count = 0;
    list_for_each(link, &from->room->members)
    {
        struct data_member *m = list_entry(link, struct data_member, in_room);
        bool is_meant =
            m != from && sctp_state(m->sctp) == SCTP_CONNECTED &&
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
    const char *refusal;
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
    else if (!c->is_held && (refusal = hold(m, c)) != NULL)
        tell_error(m, c, refusal, l.name);
    else if (route(m, c, &l) == 0 && l.name.len > 0)
        tell_error(m, c, DATA_ERROR_NOT_FOUND, l.name);
}

static void take_messages(struct data_member *m, usec now)
{
    struct sctp_message message;
    while (sctp_next_message(m->sctp, &message)) {
        struct channel *c = find_stream(m, message.stream);
        if (message.is_reset && message.stream < SCTP_STREAMS)
            forget_closing(m, message.stream);
        if (message.is_reset && c != NULL) {
            release(m, c);
            c->is_open = false;
        } else if (!message.is_reset && message.ppid == DCEP_PPID_CONTROL)
            on_control(m, &message, now);
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
    list_for_each(link, &d->members)
    {
        struct data_member *m = list_entry(link, struct data_member, link);
        take_messages(m, now);
        close_told(m, now);
    }
}

usec data_rooms_next_deadline(const struct data_rooms *d)
{
    return list_is_empty(&d->members) ? USEC_NEVER : d->ticked_at + SCTP_TICK;
}

const struct data_stats *data_rooms_stats(const struct data_rooms *d)
{
    return &d->stats;
}
