/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sctp.h"

#include "core/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <usrsctp.h>

enum {
    COMMON_HEADER_LEN = 12, /* which the library does not count */
    RTO_INITIAL_MS = 500,
    RTO_MIN_MS = 200,
    RTO_MAX_MS = 2000,
    /* The library would give up after ten of them, 15 s of a bad network. Who is gone is known to
     * ICE: this is longer than that takes. */
    REPEATS_MAX = 1000,
};

/* A packet or message in a queue. */
struct parcel {
    struct parcel *next;
    struct sctp_message message; /* data is behind it */
    size_t len;
    uint8_t data[];
};

struct parcels {
    struct parcel *first, *last;
    struct parcel *taken; /* handed out last: its view lives */
};

struct sctp {
    handle self;
    struct socket *socket;
    enum sctp_state state;
    struct parcels out, in;
    uint8_t *partial; /* of one message, while parts are to come; SCTP_MESSAGE_MAX */
    size_t partial_len;
    size_t waiting_max;   /* messages not acknowledged yet: no more than that */
    uint64_t wants_reset; /* streams, a bit each: our half is still to be closed */
    uint64_t is_closing;  /* we began it: the participant's half will follow */
};
_Static_assert(SCTP_STREAMS <= 64, "a bit each");

/* The library names what it calls back for by a pointer that it may still use after its end: ours
 * are handles, which then name nobody. */
static struct pool associations;
static bool is_running; /* the library */
/* Addresses of the library, one for each place in the pool, stay: when one goes, its thread visits
 * all endpoints, and an endpoint that goes meanwhile may stay for good (0.9.5,
 * sctp_iterator_inp_being_freed()). */
static bool is_registered[SCTP_ASSOCIATIONS_MAX];
static struct sctp *at_place[SCTP_ASSOCIATIONS_MAX];

static struct sctp *find(const void *address)
{
    struct sctp **at = pool_at(&associations, (handle)(uintptr_t)address);
    return at == NULL ? NULL : *at;
}

/* ---- queues ---- */

static struct parcel *parcels_push(struct parcels *p, struct bytes data)
{
    struct parcel *new = malloc(sizeof *new + data.len);
    if (new == NULL)
        return NULL;
    *new = (struct parcel){ .len = data.len };
    if (data.len > 0)
        memcpy(new->data, data.data, data.len);
    if (p->last != NULL)
        p->last->next = new;
    else
        p->first = new;
    p->last = new;
    return new;
}

static struct parcel *parcels_pop(struct parcels *p)
{
    free(p->taken);
    p->taken = p->first;
    if (p->taken == NULL)
        return NULL;
    p->first = p->taken->next;
    if (p->first == NULL)
        p->last = NULL;
    return p->taken;
}

/* ---- what the library calls ---- */

static void *address_of(const struct sctp *s)
{
    return (void *)((uintptr_t)handle_index(s->self) + 1);
}

static int on_output(void *address, void *packet, size_t len, uint8_t tos, uint8_t set_df)
{
    struct sctp *s = at_place[(uintptr_t)address - 1];
    if (s != NULL)
        (void)parcels_push(&s->out, bytes_of(packet, len)); /* without memory: lost on the way */
    return 0;
}

static bool set_option(struct socket *so, int level, int name, const void *value, size_t len)
{
    return usrsctp_setsockopt(so, level, name, value, (socklen_t)len) == 0;
}

/* One request may be under way at a time; what does not get through is tried again with the next
 * tick. */
static void send_resets(struct sctp *s)
{
    /* A head and a list behind it, as the library wants it. */
    _Alignas(struct sctp_reset_streams)
        uint8_t memory[sizeof(struct sctp_reset_streams) + SCTP_STREAMS * sizeof(uint16_t)];
    struct sctp_reset_streams head = { .srs_flags = SCTP_STREAM_RESET_OUTGOING };
    uint8_t *list = memory + offsetof(struct sctp_reset_streams, srs_stream_list);
    for (uint16_t i = 0; i < SCTP_STREAMS; i++) {
        if (s->wants_reset >> i & 1)
            memcpy(list + sizeof i * head.srs_number_streams++, &i, sizeof i);
    }
    if (head.srs_number_streams == 0 || s->state == SCTP_ENDED)
        return;
    memcpy(memory, &head, offsetof(struct sctp_reset_streams, srs_stream_list));
    size_t len = sizeof head + head.srs_number_streams * sizeof(uint16_t);
    if (set_option(s->socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, memory, len))
        s->wants_reset = 0;
}

static void on_reset_stream(struct sctp *s, uint16_t stream)
{
    struct parcel *p = parcels_push(&s->in, bytes_of(NULL, 0));
    if (p != NULL)
        p->message = (struct sctp_message){ .stream = stream, .is_reset = true };
    if (stream >= SCTP_STREAMS)
        return;
    uint64_t bit = 1ull << stream;
    if ((s->is_closing & bit) == 0)
        s->wants_reset |= bit; /* with the next tick: not inside of the library's call */
    s->is_closing &= ~bit;
}

static void on_reset(struct sctp *s, const struct sctp_stream_reset_event *e, size_t len)
{
    if ((e->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) == 0)
        return;
    size_t count = (len - sizeof *e) / sizeof e->strreset_stream_list[0];
    for (size_t i = 0; i < count; i++)
        on_reset_stream(s, e->strreset_stream_list[i]);
}

static void on_notification(struct sctp *s, const union sctp_notification *n, size_t len)
{
    if (n->sn_header.sn_length != len)
        return;
    if (n->sn_header.sn_type == SCTP_STREAM_RESET_EVENT) {
        on_reset(s, &n->sn_strreset_event, len);
    } else if (n->sn_header.sn_type == SCTP_ASSOC_CHANGE) {
        bool is_up = n->sn_assoc_change.sac_state == SCTP_COMM_UP ||
                     n->sn_assoc_change.sac_state == SCTP_RESTART;
        s->state = is_up ? SCTP_CONNECTED : SCTP_ENDED;
    }
}

static void on_message(struct sctp *s, struct bytes message, const struct sctp_rcvinfo *info)
{
    struct parcel *p = parcels_push(&s->in, message);
    if (p != NULL)
        p->message =
            (struct sctp_message){ .stream = info->rcv_sid, .ppid = ntohl(info->rcv_ppid) };
}

/* The library delivers one message after the other, most of them in one part. */
static void on_part(struct sctp *s, struct bytes part, const struct sctp_rcvinfo *info,
                    bool is_last)
{
    if (s->partial_len + part.len > SCTP_MESSAGE_MAX) {
        s->state = SCTP_ENDED;
        return;
    }
    if (s->partial == NULL && is_last) {
        on_message(s, part, info);
        return;
    }
    if (s->partial == NULL)
        s->partial = malloc(SCTP_MESSAGE_MAX);
    if (s->partial == NULL) {
        s->state = SCTP_ENDED;
        return;
    }
    memcpy(s->partial + s->partial_len, part.data, part.len);
    s->partial_len += part.len;
    if (!is_last)
        return;
    on_message(s, bytes_of(s->partial, s->partial_len), info);
    free(s->partial);
    s->partial = NULL;
    s->partial_len = 0;
}

static int on_receive(struct socket *socket, union sctp_sockstore from, void *data, size_t len,
                      struct sctp_rcvinfo info, int flags, void *address)
{
    struct sctp *s = find(address);
    if (s != NULL && data != NULL && (flags & MSG_NOTIFICATION) != 0)
        on_notification(s, data, len);
    else if (s != NULL && data != NULL && s->state != SCTP_ENDED)
        on_part(s, bytes_of(data, len), &info, (flags & MSG_EOR) != 0);
    free(data);
    return 1;
}

/* ---- the stack ---- */

void sctp_stack_begin(void)
{
    check(pool_init(&associations, SCTP_ASSOCIATIONS_MAX, sizeof(struct sctp *)) == OK);
    if (!is_running)
        usrsctp_init_nothreads(0, on_output, NULL);
    is_running = true;
    (void)usrsctp_sysctl_set_sctp_blackhole(2);  /* silence for packets of no association */
    (void)usrsctp_sysctl_set_sctp_ecn_enable(0); /* DTLS hides the bits */
    (void)usrsctp_sysctl_set_sctp_asconf_enable(0);
    (void)usrsctp_sysctl_set_sctp_auth_enable(0);
    (void)usrsctp_sysctl_set_sctp_nr_outgoing_streams_default(SCTP_STREAMS);
    /* Of 512 small messages on their way, or behind a lost one, it would take no more. */
    (void)usrsctp_sysctl_set_sctp_max_chunks_on_queue(2 * SCTP_SEND_MESSAGES);
}

/* One that has ended must not wait with it: the timer in which the library lets go of it takes a
 * reference to an open socket, and never gives it back (0.9.5, SCTP_TIMER_TYPE_ASOCKILL). */
static void close_socket(struct sctp *s)
{
    if (s->socket != NULL)
        usrsctp_close(s->socket);
    s->socket = NULL;
}

bool sctp_stack_end(void)
{
    /* It refuses while timers hold what was closed. */
    for (unsigned i = 0; i < 100 && is_running; i++) {
        is_running = usrsctp_finish() != 0;
        if (is_running)
            usrsctp_handle_timers(100);
    }
    pool_done(&associations);
    if (!is_running)
        memset(is_registered, 0, sizeof is_registered);
    return !is_running;
}

void sctp_stack_tick(usec elapsed)
{
    uint32_t at = 0;
    for (struct sctp **s; (s = pool_walk(&associations, &at)) != NULL;) {
        if ((*s)->state == SCTP_ENDED)
            close_socket(*s);
    }
    usrsctp_handle_timers((uint32_t)(elapsed / 1000));
    at = 0;
    for (struct sctp **s; (s = pool_walk(&associations, &at)) != NULL;)
        send_resets(*s);
}

/* ---- one association ---- */

static bool subscribe(struct socket *so, uint16_t event)
{
    const struct sctp_event e = { .se_assoc_id = SCTP_ALL_ASSOC, .se_type = event, .se_on = 1 };
    return set_option(so, IPPROTO_SCTP, SCTP_EVENT, &e, sizeof e);
}

static bool set_send_buffer(struct socket *so, int size)
{
    return set_option(so, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static bool configure(struct socket *so)
{
    const struct linger linger = { .l_onoff = 1 };
    const int one = 1, in = SCTP_RECEIVE_BUFFER;
    const struct sctp_assoc_value reset = { .assoc_id = SCTP_ALL_ASSOC,
                                            .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ };
    const struct sctp_initmsg init = { .sinit_num_ostreams = SCTP_STREAMS,
                                       .sinit_max_instreams = SCTP_STREAMS,
                                       .sinit_max_attempts = REPEATS_MAX,
                                       .sinit_max_init_timeo = RTO_MAX_MS };
    /* By default a run of losses silences a channel for up to a minute. */
    const struct sctp_rtoinfo rto = { .srto_assoc_id = SCTP_FUTURE_ASSOC,
                                      .srto_initial = RTO_INITIAL_MS,
                                      .srto_min = RTO_MIN_MS,
                                      .srto_max = RTO_MAX_MS };
    const struct sctp_assocparams repeats = { .sasoc_assoc_id = SCTP_FUTURE_ASSOC,
                                              .sasoc_asocmaxrxt = REPEATS_MAX };
    return usrsctp_set_non_blocking(so, 1) == 0 &&
           set_option(so, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof rto) &&
           set_option(so, IPPROTO_SCTP, SCTP_ASSOCINFO, &repeats, sizeof repeats) &&
           set_option(so, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) &&
           set_send_buffer(so, SCTP_SEND_BUFFER) &&
           set_option(so, SOL_SOCKET, SO_RCVBUF, &in, sizeof in) &&
           set_option(so, IPPROTO_SCTP, SCTP_NODELAY, &one, sizeof one) &&
           set_option(so, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset) &&
           set_option(so, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init) &&
           subscribe(so, SCTP_ASSOC_CHANGE) && subscribe(so, SCTP_STREAM_RESET_EVENT);
}

/* The path's size is known: DTLS_MTU. Nothing is probed, and there is no other path to look for. */
static bool fix_path(struct socket *so, const struct sockaddr_conn *address)
{
    struct sctp_paddrparams p = { .spp_flags = SPP_PMTUD_DISABLE,
                                  .spp_pathmtu = SCTP_PACKET_MAX - COMMON_HEADER_LEN,
                                  .spp_pathmaxrxt = REPEATS_MAX };
    memcpy(&p.spp_address, address, sizeof *address);
    return set_option(so, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &p, sizeof p);
}

/* Both sides connect at the same time (RFC 8841 §9.3 leaves it to us; RFC 9260 §5.2 resolves it).
 */
static bool open_socket(struct sctp *s, uint16_t port)
{
    struct sockaddr_conn a = { .sconn_family = AF_CONN,
                               .sconn_port = htons(port),
                               .sconn_addr = address_of(s) };
    s->socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, on_receive, NULL, 0,
                               (void *)(uintptr_t)s->self);
    if (s->socket == NULL || !configure(s->socket))
        return false;
    if (usrsctp_bind(s->socket, (struct sockaddr *)&a, sizeof a) != 0)
        return false;
    if (usrsctp_connect(s->socket, (struct sockaddr *)&a, sizeof a) != 0 && errno != EINPROGRESS)
        return false;
    return fix_path(s->socket, &a);
}

struct sctp *sctp_new(uint16_t port)
{
    handle h;
    struct sctp **place = pool_take(&associations, &h);
    if (place == NULL)
        return NULL;
    struct sctp *s = *place = calloc(1, sizeof *s);
    if (s == NULL) {
        pool_give(&associations, h);
        return NULL;
    }
    s->self = h;
    at_place[handle_index(h)] = s;
    if (!is_registered[handle_index(h)])
        usrsctp_register_address(address_of(s));
    is_registered[handle_index(h)] = true;
    if (open_socket(s, port))
        return s;
    sctp_free(s);
    return NULL;
}

void sctp_free(struct sctp *s)
{
    if (s == NULL)
        return;
    close_socket(s);
    at_place[handle_index(s->self)] = NULL;
    pool_give(&associations, s->self);
    while (parcels_pop(&s->out) != NULL || parcels_pop(&s->in) != NULL)
        continue;
    free(s->partial);
    free(s);
}

enum sctp_state sctp_state(const struct sctp *s)
{
    return s->state;
}

void sctp_receive(struct sctp *s, struct bytes packet)
{
    usrsctp_conninput(address_of(s), packet.data, packet.len, 0);
}

bool sctp_next_packet(struct sctp *s, struct bytes *ret)
{
    const struct parcel *p = parcels_pop(&s->out);
    if (p != NULL)
        *ret = bytes_of(p->data, p->len);
    return p != NULL;
}

bool sctp_next_message(struct sctp *s, struct sctp_message *ret)
{
    const struct parcel *p = parcels_pop(&s->in);
    if (p == NULL)
        return false;
    *ret = p->message;
    ret->data = bytes_of(p->data, p->len);
    return true;
}

/* Asks the library only when there may be too many. */
static bool has_room(struct sctp *s)
{
    if (s->waiting_max < SCTP_SEND_MESSAGES)
        return true;
    struct sctp_status status = { 0 };
    socklen_t len = sizeof status;
    if (usrsctp_getsockopt(s->socket, IPPROTO_SCTP, SCTP_STATUS, &status, &len) != 0)
        return false;
    s->waiting_max = (size_t)status.sstat_unackdata + status.sstat_penddata;
    return s->waiting_max < SCTP_SEND_MESSAGES;
}

static enum err send_message(struct sctp *s, struct sctp_sendv_spa *how, struct bytes data)
{
    ssize_t sent =
        usrsctp_sendv(s->socket, data.data, data.len, NULL, 0, how, sizeof *how, SCTP_SENDV_SPA, 0);
    if (sent == (ssize_t)data.len) {
        s->waiting_max++;
        return OK;
    }
    return sent < 0 && (errno == EWOULDBLOCK || errno == EAGAIN) ? ERR_FULL : ERR_SYSTEM;
}

enum err sctp_send(struct sctp *s, uint16_t stream, uint32_t ppid, const struct sctp_manner *manner,
                   struct bytes data)
{
    bool is_control = ppid == DCEP_PPID_CONTROL;
    if (s->state != SCTP_CONNECTED)
        return ERR_BAD_STATE;
    if (!is_control && !has_room(s))
        return ERR_FULL;
    struct sctp_sendv_spa how = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = { .snd_sid = stream, .snd_ppid = htonl(ppid), .snd_flags = SCTP_EOR }
    };
    if (!manner->ordered)
        how.sendv_sndinfo.snd_flags |= SCTP_UNORDERED;
    if (manner->reliability != DCEP_RELIABLE) {
        how.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        how.sendv_prinfo.pr_policy =
            manner->reliability == DCEP_RETRANSMITS ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_TTL;
        how.sendv_prinfo.pr_value = manner->limit;
    }
    enum err err = send_message(s, &how, data);
    if (err == ERR_FULL && is_control &&
        set_send_buffer(s->socket, SCTP_SEND_BUFFER + SCTP_CONTROL_BUFFER)) {
        err = send_message(s, &how, data);
        (void)set_send_buffer(s->socket, SCTP_SEND_BUFFER);
    }
    return err;
}

void sctp_close_stream(struct sctp *s, uint16_t stream)
{
    if (stream >= SCTP_STREAMS)
        return;
    s->wants_reset |= 1ull << stream;
    s->is_closing |= 1ull << stream;
    send_resets(s);
}

bool sctp_is_closing(const struct sctp *s, uint16_t stream)
{
    return stream < SCTP_STREAMS && ((s->wants_reset | s->is_closing) >> stream & 1) != 0;
}
