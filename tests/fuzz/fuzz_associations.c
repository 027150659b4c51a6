/* fuzz_associations.c - bytes as what workers ask of the association engine: associations that come
 * and go, foreign datagrams, and those of real clients that may be changed, repeated or lost; what
 * they say in data channels, and as SCTP.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/associations.h"
#include "core/data_rooms.h"
#include "core/sctp.h"

#include <openssl/err.h>

enum { WORKERS = 2, PEERS = 4, PORT = 5000 };

/* What a worker and its participant know. */
struct peer {
    handle association; /* 0: none */
    struct dtls *client;
    bool is_known; /* its certificate is the expected one */
    bool is_closing;
    bool has_data;
    struct sctp *sctp; /* from the keys on */
};

static struct dtls_context *server, *known, *stranger;
static struct associations *engine;
static struct peer peers[PEERS];
static unsigned generation;
static usec now;

static struct dtls_fingerprint print_of(const struct dtls_context *c)
{
    struct dtls_fingerprint f;
    struct bytes text = bytes_of_str(dtls_context_fingerprint(c));
    check(dtls_fingerprint_parse(bytes_of_str("sha-256"), text, &f) == OK);
    return f;
}

static void ask(unsigned who, enum association_request_kind kind, struct bytes datagram)
{
    static struct association_request r;
    r = (struct association_request){ .kind = kind, .association = peers[who].association };
    if (kind != ASSOCIATION_DATAGRAM)
        r.expected[r.expected_count++] = print_of(known);
    if (peers[who].has_data)
        r.data_channels = (struct association_data){
            .sctp_port = PORT, .max_message_size = 1000, .is_allowed = who < 3, .room = 1
        };
    r.data_channels.participant[0] = (char)('a' + who);
    r.len = (uint16_t)MIN(datagram.len, (size_t)DATAGRAM_SIZE_MAX);
    if (r.len > 0)
        memcpy(r.data, datagram.data, r.len);
    associations_receive(engine, who % WORKERS, &r, now);
}

static void come_or_go(unsigned who, bool has_data)
{
    struct peer *p = &peers[who];
    if (p->association != 0) {
        if (!p->is_closing)
            ask(who, ASSOCIATION_CLOSE, bytes_of(NULL, 0));
        p->is_closing = true;
        return;
    }
    p->has_data = has_data;
    p->association = (handle)(who | (++generation & 0xfff) << POOL_INDEX_BITS);
    ask(who, ASSOCIATION_OPEN, bytes_of(NULL, 0));
}

static void say_hello(unsigned who, bool is_known)
{
    struct peer *p = &peers[who];
    struct dtls_fingerprint expected = print_of(server);
    dtls_free(p->client);
    p->client = dtls_new(is_known ? known : stranger, DTLS_CLIENT, &expected, 1, now);
    p->is_known = is_known;
    dtls_keep(p->client);
    dtls_start(p->client, now);
}

/* The next datagram of the client, changed as the two bytes say: position and XOR mask. */
static void carry(unsigned who, uint8_t position, uint8_t mask)
{
    struct bytes d;
    uint8_t copy[DTLS_MTU];
    if (peers[who].client == NULL || !dtls_next_datagram(peers[who].client, &d))
        return;
    memcpy(copy, d.data, d.len);
    copy[position * d.len / 256] ^= mask;
    ask(who, ASSOCIATION_DATAGRAM, bytes_of(copy, d.len));
}

static void forget_data(struct peer *p)
{
    sctp_free(p->sctp);
    p->sctp = NULL;
}

/* What the client heard, and what its SCTP says to it. */
static void run_client(struct peer *p)
{
    struct bytes d;
    struct sctp_message m;
    while (p->client != NULL && dtls_next_data(p->client, &d)) {
        check(p->has_data && d.len <= SCTP_PACKET_MAX);
        if (p->sctp != NULL)
            sctp_receive(p->sctp, d);
    }
    while (p->sctp != NULL && sctp_next_message(p->sctp, &m))
        check(m.is_reset || m.data.len <= 1000 || m.ppid == DCEP_PPID_CONTROL);
    while (p->sctp != NULL && p->client != NULL && sctp_next_packet(p->sctp, &d)) {
        if (dtls_send(p->client, d) != OK)
            continue;
    }
}

/* The first byte of a message is its stream and whether it is for DCEP. */
static void say(unsigned who, bool is_message, struct bytes chunk)
{
    static const struct sctp_manner reliable = { .reliability = DCEP_RELIABLE, .ordered = true };
    struct peer *p = &peers[who];
    enum err err = OK;
    if (is_message && p->sctp != NULL && chunk.len > 1)
        err = sctp_send(p->sctp, chunk.data[0] & 0x7f,
                        chunk.data[0] & 0x80 ? DCEP_PPID_CONTROL : DCEP_PPID_BINARY, &reliable,
                        bytes_of(chunk.data + 1, chunk.len - 1));
    else if (!is_message && p->client != NULL)
        err = dtls_send(p->client, chunk);
    if (err == OK)
        run_client(p);
}

static void take(unsigned worker)
{
    static struct association_notice n;
    while (associations_next(engine, worker, &n)) {
        unsigned who = handle_index(n.association);
        check(who < PEERS && who % WORKERS == worker);
        struct peer *p = &peers[who];
        check(p->association == n.association); /* nothing comes of what has been closed */
        switch (n.kind) {
        case ASSOCIATION_SEND:
            check(n.len > 0 && n.len <= DTLS_MTU);
            if (p->client != NULL)
                dtls_receive(p->client, bytes_of(n.data, n.len), now);
            run_client(p);
            break;
        case ASSOCIATION_KEYS:
            if (p->has_data && p->sctp == NULL)
                p->sctp = sctp_new(PORT);
            run_client(p);
            check(seal_key_len(n.keys.profile) > 0 && !p->is_closing);
            break;
        case ASSOCIATION_FAILED:
            check(n.reason != OK);
            break;
        case ASSOCIATION_ENDED:
            break;
        case ASSOCIATION_CLOSED:
            check(p->is_closing);
            forget_data(p);
            p->association = 0;
            p->is_closing = false;
            break;
        }
    }
}

static void step(struct reader *r)
{
    uint8_t op = reader_u8(r);
    unsigned who = op / 8 % PEERS;
    uint8_t position, mask;
    switch (op % 8) {
    case 0:
        come_or_go(who, (op & 0x80) != 0);
        break;
    case 1:
        say_hello(who, (op & 0x80) == 0);
        break;
    case 2:
        position = reader_u8(r);
        mask = reader_u8(r);
        carry(who, position, mask);
        break;
    case 3:
        carry(who, 0, 0);
        break;
    case 4:
        if ((op & 0x80) != 0)
            say(who, (op & 0x40) != 0, fuzz_take_chunk(r));
        else
            ask(who, ASSOCIATION_DATAGRAM, fuzz_take_chunk(r));
        break;
    case 5:
        now += MILLIS(100) * (op / 8) * (op / 8);
        for (size_t i = 0; i < PEERS; i++) {
            if (peers[i].client != NULL)
                dtls_tick(peers[i].client, now);
        }
        break;
    case 6:
        if (peers[who].association != 0)
            ask(who, ASSOCIATION_RESTART, bytes_of(NULL, 0));
        break;
    default:
        associations_tick(engine, now);
        take(0);
        take(1);
        break;
    }
}

static void check_all_gone(void)
{
    for (unsigned i = 0; i < PEERS; i++) {
        if (peers[i].association != 0 && !peers[i].is_closing)
            come_or_go(i, false);
    }
    associations_tick(engine, now);
    take(0);
    take(1);
    const struct associations_stats *s = associations_stats(engine);
    check(associations_stat_read(s, ASSOCIATIONS_OPEN) == 0);
    check(associations_stat_read(s, ASSOCIATIONS_RUNNING) == 0);
    check(associations_stat_read(s, ASSOCIATIONS_WAITING) == 0);
    check(associations_stat_read(s, ASSOCIATIONS_DATA_MEMBERS) == 0);
    check(ERR_peek_error() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (server == NULL) {
        server = dtls_context_new(0);
        known = dtls_context_new(0);
        stranger = dtls_context_new(0);
    }
    const struct associations_config config = { .dtls = server,
                                                .worker_count = WORKERS,
                                                .participants_max = PEERS };
    engine = associations_new(&config);
    check(engine != NULL);
    now = SECONDS(10);
    memset(peers, 0, sizeof peers);
    struct reader r = reader_of(bytes_of(data, len));
    for (size_t i = 0; i < 400 && !r.failed && reader_left(&r) > 0; i++)
        step(&r);
    check_all_gone();
    for (size_t i = 0; i < PEERS; i++) {
        forget_data(&peers[i]);
        dtls_free(peers[i].client);
    }
    associations_free(engine);
    sctp_stack_begin(); /* if it could not end, it is still the same one */
    check(sctp_stack_end());
    return 0;
}
