/* fuzz_associations.c - bytes as what workers ask of the association engine: associations that come
 * and go, foreign datagrams, and those of real clients that may be changed, repeated or lost.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz_input.h"

#include "core/associations.h"

#include <openssl/err.h>

enum { WORKERS = 2, PEERS = 4 };

/* What a worker and its participant know. */
struct peer {
    handle association; /* 0: none */
    struct dtls *client;
    bool is_known; /* its certificate is the expected one */
    bool is_closing;
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
    r.len = (uint16_t)MIN(datagram.len, (size_t)DATAGRAM_SIZE_MAX);
    if (r.len > 0)
        memcpy(r.data, datagram.data, r.len);
    associations_receive(engine, who % WORKERS, &r, now);
}

static void come_or_go(unsigned who)
{
    struct peer *p = &peers[who];
    if (p->association != 0) {
        if (!p->is_closing)
            ask(who, ASSOCIATION_CLOSE, bytes_of(NULL, 0));
        p->is_closing = true;
        return;
    }
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
            break;
        case ASSOCIATION_KEYS:
            check(seal_key_len(n.keys.profile) > 0 && !p->is_closing);
            break;
        case ASSOCIATION_FAILED:
            check(n.reason != OK);
            break;
        case ASSOCIATION_ENDED:
            break;
        case ASSOCIATION_CLOSED:
            check(p->is_closing);
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
        come_or_go(who);
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
            come_or_go(i);
    }
    take(0);
    take(1);
    const struct associations_stats *s = associations_stats(engine);
    check(associations_stat_read(s, ASSOCIATIONS_OPEN) == 0);
    check(associations_stat_read(s, ASSOCIATIONS_RUNNING) == 0);
    check(associations_stat_read(s, ASSOCIATIONS_WAITING) == 0);
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
    for (size_t i = 0; i < PEERS; i++)
        dtls_free(peers[i].client);
    associations_free(engine);
    return 0;
}
