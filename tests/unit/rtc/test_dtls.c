/* Two ends and a virtual network between them. SPDX-License-Identifier: Apache-2.0 */
#include "rtc/dtls.h"
#include "rtc/dtls_context.h"

#include "alloc_probe.h"
#include "cmocka_all.h"
#include "hex.h"

#include <openssl/err.h>

#define WALL_NOW  ((wall_usec)1750000000 * USEC_PER_SEC)
#define DELAY     MILLIS(20)
#define QUEUE_MAX 64
#define START     SECONDS(5)

struct datagram {
    uint8_t data[DTLS_MTU];
    size_t len;
    usec arrives_at;
    struct dtls *to;
};

/* loses datagram i if lose(i) */
struct network {
    struct dtls *server, *client;
    usec now;
    struct datagram queue[QUEUE_MAX];
    size_t queued;
    size_t sent;
    size_t longest;
    bool (*lose)(const struct network *net, size_t number, bool to_server);
    size_t parameter;
    uint32_t random;
    /* exported as soon as they are there */
    struct dtls_keys server_keys, client_keys;
};

static struct dtls_context *server_context, *client_context;

static struct dtls_fingerprint fingerprint_of(const struct dtls_context *c)
{
    struct dtls_fingerprint f;
    assert_int_equal(dtls_fingerprint_parse(bytes_of_str("sha-256"),
                                            bytes_of_str(dtls_context_fingerprint(c)), &f),
                     OK);
    return f;
}

static struct network *network_with(struct dtls_context *server, struct dtls_context *client)
{
    static struct network net;
    struct dtls_fingerprint of_server = fingerprint_of(server), of_client = fingerprint_of(client);
    net = (struct network){ .server = dtls_new(server, DTLS_SERVER, &of_client, 1, START),
                            .client = dtls_new(client, DTLS_CLIENT, &of_server, 1, START),
                            .now = START };
    assert_non_null(net.server);
    assert_non_null(net.client);
    return &net;
}

static struct network *network_new(void)
{
    return network_with(server_context, client_context);
}

static void network_free(struct network *net)
{
    dtls_free(net->server);
    dtls_free(net->client);
    assert_int_equal(ERR_peek_error(), 0);
}

/* As a transport does: OpenSSL's state goes soon after. */
static void take_keys(const struct dtls *d, struct dtls_keys *keys)
{
    if (keys->profile == SEAL_NONE && dtls_state(d) == DTLS_CONNECTED)
        assert_int_equal(dtls_keys(d, keys), OK);
}

static void take_all_keys(struct network *net)
{
    take_keys(net->server, &net->server_keys);
    take_keys(net->client, &net->client_keys);
}

static void collect(struct network *net, struct dtls *from)
{
    struct bytes datagram;
    while (dtls_next_datagram(from, &datagram)) {
        bool to_server = from == net->client;
        net->longest = MAX(net->longest, datagram.len);
        if (net->lose != NULL && net->lose(net, net->sent++, to_server))
            continue;
        assert_true(net->queued < QUEUE_MAX);
        struct datagram *d = &net->queue[net->queued++];
        memcpy(d->data, datagram.data, datagram.len);
        d->len = datagram.len;
        d->arrives_at = net->now + DELAY;
        d->to = to_server ? net->server : net->client;
    }
}

static void deliver_first(struct network *net)
{
    struct datagram d = net->queue[0];
    net->queued--;
    memmove(net->queue, net->queue + 1, net->queued * sizeof d);
    dtls_receive(d.to, bytes_of(d.data, d.len), net->now);
    collect(net, d.to);
}

/* Runs until nothing is under way and nobody waits, or until the time is over. */
static void run(struct network *net, usec until)
{
    collect(net, net->server);
    collect(net, net->client);
    for (;;) {
        usec next = MIN(dtls_deadline(net->server), dtls_deadline(net->client));
        if (net->queued > 0)
            next = MIN(next, net->queue[0].arrives_at);
        take_all_keys(net);
        bool is_done = net->queued == 0 && dtls_state(net->server) == DTLS_CONNECTED &&
                       dtls_state(net->client) == DTLS_CONNECTED;
        if (is_done || next > until) /* USEC_NEVER included */
            return;
        net->now = MAX(net->now, next);
        if (net->queued > 0 && net->queue[0].arrives_at <= net->now) {
            deliver_first(net);
            continue;
        }
        dtls_tick(net->server, net->now);
        dtls_tick(net->client, net->now);
        collect(net, net->server);
        collect(net, net->client);
    }
}

static void connect_ends(struct network *net)
{
    dtls_start(net->client, net->now);
    run(net, START + SECONDS(60));
}

static void assert_connected(struct network *net)
{
    assert_int_equal(dtls_state(net->server), DTLS_CONNECTED);
    assert_int_equal(dtls_state(net->client), DTLS_CONNECTED);
    take_all_keys(net);
    const struct dtls_keys *server = &net->server_keys, *client = &net->client_keys;
    assert_int_not_equal(server->profile, SEAL_NONE);
    assert_int_equal(server->profile, client->profile);
    assert_memory_equal(&server->local, &client->remote, sizeof server->local);
    assert_memory_equal(&server->remote, &client->local, sizeof server->local);
    assert_memory_not_equal(&server->local, &server->remote, sizeof server->local);
}

/* ---- tests ---- */

static void both_ends_connect_and_export_mirrored_keys(void **state)
{
    struct network *net = network_new();
    struct dtls_keys keys;
    assert_int_equal(dtls_keys(net->server, &keys), ERR_BAD_STATE);
    assert_int_equal(dtls_deadline(net->server), START + DTLS_HANDSHAKE_TIMEOUT);
    connect_ends(net);
    assert_connected(net);
    assert_true(net->now <= START + 4 * DELAY); /* two round trips, no repetition */
    assert_int_equal(dtls_counters(net->server).retransmit_count, 0);
    assert_in_range(dtls_deadline(net->server), net->now + 1, net->now + DTLS_SETTLE_TIME);
    assert_int_equal(dtls_deadline(net->client), net->now + DTLS_SETTLE_TIME);
    assert_int_equal(dtls_failure(net->server), OK);
    assert_true(net->longest <= DTLS_MTU);
    assert_int_equal(dtls_keys(net->server, &keys), OK);
    assert_int_equal(keys.profile, SEAL_AEAD_AES_128_GCM); /* the preferred one */
    network_free(net);
}

static void exported_keys_carry_media_both_ways(void **state)
{
    static const struct {
        const char *name;
        enum seal_profile profile;
    } cases[] = { { "SRTP_AEAD_AES_128_GCM", SEAL_AEAD_AES_128_GCM },
                  { "SRTP_AEAD_AES_256_GCM", SEAL_AEAD_AES_256_GCM },
                  { "SRTP_AES128_CM_SHA1_80", SEAL_AES_CM_128_HMAC_SHA1_80 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dtls_context *limited = dtls_context_new(WALL_NOW);
        assert_int_equal(SSL_CTX_set_tlsext_use_srtp(limited->ssl, cases[i].name), 0);
        struct network *net = network_with(server_context, limited);
        connect_ends(net);
        assert_connected(net);
        struct dtls_keys server, client;
        assert_int_equal(dtls_keys(net->server, &server), OK);
        assert_int_equal(dtls_keys(net->client, &client), OK);
        assert_int_equal(server.profile, cases[i].profile);

        struct sealer *s = sealer_new(NULL, server.profile, &server.local, 1);
        struct opener *o = opener_new(NULL, client.profile, &client.remote, 1);
        uint8_t header[12] = { 0x80, 96, 0, 7 }, packet[64];
        struct writer w = writer_of(packet, sizeof packet);
        struct opened_rtp opened;
        assert_int_equal(sealer_rtp(s, 7, bytes_of(header, 12), bytes_of_str("media"), &w), OK);
        assert_int_equal(opener_rtp(o, bytes_of(packet, writer_len(&w)), packet, &opened), OK);
        assert_memory_equal(packet + 12, "media", 5);
        sealer_free(s);
        opener_free(o);
        network_free(net);
        dtls_context_free(limited);
    }
}

static bool lose_numbered(const struct network *net, size_t number, bool to_server)
{
    return number == net->parameter;
}

static void any_single_lost_datagram_is_repaired(void **state)
{
    for (size_t n = 0; n < 6; n++) {
        struct network *net = network_new();
        net->lose = lose_numbered;
        net->parameter = n;
        connect_ends(net);
        assert_connected(net);
        assert_true(net->now <= START + SECONDS(1));
        network_free(net);
    }
}

static bool lose_at_random(const struct network *net, size_t number, bool to_server)
{
    uint32_t x = (net->random + (uint32_t)number) * 0x9e3779b1u;
    x ^= x >> 15;
    x *= 0x85ebca6bu;
    return (x >> 8) % 100 < net->parameter;
}

static void handshake_survives_30_percent_loss(void **state)
{
    for (uint32_t seed = 0; seed < 100; seed++) {
        struct network *net = network_new();
        net->lose = lose_at_random;
        net->parameter = 30;
        net->random = seed * 1000;
        connect_ends(net);
        assert_connected(net);
        network_free(net);
    }
}

static bool lose_all(const struct network *net, size_t number, bool to_server)
{
    return true;
}

static void handshake_gives_up_after_30_s(void **state)
{
    struct network *net = network_new();
    net->lose = lose_all;
    connect_ends(net);
    assert_int_equal(dtls_state(net->client), DTLS_FAILED);
    assert_int_equal(dtls_failure(net->client), ERR_EXPIRED);
    assert_int_equal(dtls_failure(net->server), ERR_EXPIRED);
    assert_int_equal(net->now, START + DTLS_HANDSHAKE_TIMEOUT);
    /* 100, 200, … 1600 ms, then every 2 s until 30 s are over. */
    assert_int_equal(dtls_counters(net->client).retransmit_count, 5 + 13);
    assert_int_equal(dtls_counters(net->server).retransmit_count, 0);
    network_free(net);
}

static void wrong_certificate_is_refused_by_either_end(void **state)
{
    struct dtls_fingerprint right_server = fingerprint_of(server_context);
    struct dtls_fingerprint right_client = fingerprint_of(client_context);
    for (int wrong_client = 0; wrong_client < 2; wrong_client++) {
        struct dtls_fingerprint of_server = right_server, of_client = right_client;
        (wrong_client == 1 ? &of_client : &of_server)->hash[31] ^= 1;
        struct network *net = network_new();
        dtls_free(net->server);
        dtls_free(net->client);
        net->server = dtls_new(server_context, DTLS_SERVER, &of_client, 1, START);
        net->client = dtls_new(client_context, DTLS_CLIENT, &of_server, 1, START);
        connect_ends(net);
        struct dtls *judge = wrong_client == 1 ? net->server : net->client;
        struct dtls *judged = wrong_client == 1 ? net->client : net->server;
        struct dtls_keys keys;
        assert_int_equal(dtls_state(judge), DTLS_FAILED);
        assert_int_equal(dtls_failure(judge), ERR_AUTH);
        assert_int_equal(dtls_keys(judge, &keys), ERR_BAD_STATE);
        assert_int_equal(dtls_state(judged), DTLS_FAILED); /* an alert told it */
        assert_true(net->now < START + SECONDS(1));
        network_free(net);
    }
}

static void one_of_several_fingerprints_is_enough(void **state)
{
    static const struct {
        const char *name;
        const EVP_MD *(*digest)(void);
        uint16_t bits;
    } hashes[] = { { "SHA-384", EVP_sha384, 384 }, { "sha-512", EVP_sha512, 512 } };
    for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
        struct dtls_fingerprint accepted[2] = { { .bits = 256 }, { .bits = hashes[i].bits } };
        unsigned len;
        X509 *cert = SSL_CTX_get0_certificate(client_context->ssl);
        assert_int_equal(X509_digest(cert, hashes[i].digest(), accepted[1].hash, &len), 1);
        struct network *net = network_new();
        dtls_free(net->server);
        net->server = dtls_new(server_context, DTLS_SERVER, accepted, 2, START);
        connect_ends(net);
        assert_connected(net);
        network_free(net);
    }
}

static int add_long_extension(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
                              size_t *len, X509 *x, size_t chain, int *alert, void *argument)
{
    static const unsigned char share[1800]; /* a post-quantum key share is 1,216 bytes */
    *out = share;
    *len = sizeof share;
    return 1;
}

static void client_hello_in_several_datagrams_is_reassembled(void **state)
{
    for (size_t lost = 0; lost < 4; lost++) {
        struct dtls_context *big = dtls_context_new(WALL_NOW);
        assert_int_equal(SSL_CTX_add_custom_ext(big->ssl, 0xfafa, SSL_EXT_CLIENT_HELLO,
                                                add_long_extension, NULL, NULL, NULL, NULL),
                         1);
        struct network *net = network_with(server_context, big);
        net->lose = lose_numbered;
        net->parameter = lost == 3 ? SIZE_MAX : lost;
        connect_ends(net);
        assert_connected(net);
        assert_true(dtls_counters(net->client).datagrams_sent >= 3);
        assert_true(net->longest <= DTLS_MTU);
        network_free(net);
        dtls_context_free(big);
    }
}

static void client_without_a_common_srtp_profile_is_unsupported(void **state)
{
    struct dtls_context *limited = dtls_context_new(WALL_NOW);
    assert_int_equal(SSL_CTX_set_tlsext_use_srtp(limited->ssl, "SRTP_AES128_CM_SHA1_32"), 0);
    struct network *net = network_with(server_context, limited);
    connect_ends(net);
    assert_int_equal(dtls_state(net->server), DTLS_FAILED);
    assert_int_equal(dtls_failure(net->server), ERR_UNSUPPORTED);
    assert_int_not_equal(dtls_state(net->client), DTLS_CONNECTED);
    network_free(net);
    dtls_context_free(limited);
}

static void older_versions_are_refused(void **state)
{
    struct dtls_context *old = dtls_context_new(WALL_NOW);
    SSL_CTX_set_security_level(old->ssl, 0);
    assert_int_equal(SSL_CTX_set_cipher_list(old->ssl, "ECDHE-ECDSA-AES128-SHA"), 1);
    assert_int_equal(SSL_CTX_set_min_proto_version(old->ssl, DTLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(old->ssl, DTLS1_VERSION), 1);
    struct network *net = network_with(server_context, old);
    connect_ends(net);
    assert_int_equal(dtls_state(net->server), DTLS_FAILED);
    assert_int_equal(dtls_failure(net->server), ERR_MALFORMED);
    network_free(net);
    dtls_context_free(old);
}

static void garbage_is_dropped_and_does_not_disturb(void **state)
{
    struct network *net = network_new();
    static const uint8_t stun[20] = { 0, 1 }, rtp[20] = { 0x80 };
    static const uint8_t forged[40] = { 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 27 };
    dtls_receive(net->server, bytes_of(stun, sizeof stun), net->now);
    dtls_receive(net->server, bytes_of(rtp, sizeof rtp), net->now);
    dtls_receive(net->server, bytes_of(forged, 12), net->now); /* shorter than a record header */
    assert_int_equal(dtls_counters(net->server).dropped_count, 3);
    dtls_receive(net->server, bytes_of(forged, sizeof forged), net->now);
    assert_int_equal(dtls_state(net->server), DTLS_HANDSHAKING);
    connect_ends(net);
    assert_connected(net);
    dtls_receive(net->server, bytes_of(forged, sizeof forged), net->now);
    assert_int_equal(dtls_state(net->server), DTLS_CONNECTED);
    network_free(net);
}

static void close_notify_closes_both_ends(void **state)
{
    struct network *net = network_new();
    connect_ends(net);
    dtls_close(net->client);
    assert_int_equal(dtls_state(net->client), DTLS_CLOSED);
    run(net, net->now + SECONDS(1));
    assert_int_equal(dtls_state(net->server), DTLS_CLOSED);
    assert_int_equal(dtls_failure(net->server), OK);
    assert_int_equal(dtls_deadline(net->server), USEC_NEVER);
    struct dtls_keys keys;
    assert_int_equal(dtls_keys(net->server, &keys), ERR_BAD_STATE);
    network_free(net);

    net = network_new(); /* in the middle of a handshake there is nobody to tell */
    dtls_close(net->server);
    struct bytes datagram;
    assert_int_equal(dtls_state(net->server), DTLS_CLOSED);
    assert_false(dtls_next_datagram(net->server, &datagram));
    network_free(net);
}

static SSL *last_ssl; /* of the context that remember_ssl() watches */

static void remember_ssl(const SSL *ssl, int where, int value)
{
    last_ssl = (SSL *)(uintptr_t)ssl;
}

static void application_data_is_counted_and_dropped(void **state)
{
    struct dtls_context *watched = dtls_context_new(WALL_NOW);
    SSL_CTX_set_info_callback(watched->ssl, remember_ssl);
    struct network *net = network_with(server_context, watched);
    connect_ends(net);
    assert_connected(net);
    assert_int_equal(SSL_write(last_ssl, "first", 5), 5); /* each is a datagram in the queue */
    assert_int_equal(SSL_write(last_ssl, "second!", 7), 7);
    struct bytes datagram;
    while (dtls_next_datagram(net->client, &datagram)) {
        dtls_receive(net->server, datagram, net->now);
        dtls_receive(net->server, datagram, net->now); /* a replay: not counted */
    }
    assert_int_equal(dtls_counters(net->server).data_count, 2);
    assert_int_equal(dtls_state(net->server), DTLS_CONNECTED);
    network_free(net);
    dtls_context_free(watched);
}

/* Carries everything from one end to the other. */
static void carry_all(struct network *net, struct dtls *from, struct dtls *to)
{
    struct bytes datagram;
    while (dtls_next_datagram(from, &datagram)) {
        assert_true(datagram.len <= DTLS_MTU);
        dtls_receive(to, datagram, net->now);
    }
}

static void data_goes_both_ways_for_as_long_as_it_is_wanted(void **state)
{
    struct network *net = network_new();
    struct bytes got;
    dtls_keep(net->server);
    dtls_keep(net->client);
    assert_int_equal(dtls_send(net->server, bytes_of_str("early")), ERR_BAD_STATE);
    connect_ends(net);
    net->now += DTLS_HANDSHAKE_TIMEOUT;
    dtls_tick(net->server, net->now);
    dtls_tick(net->client, net->now);
    uint8_t longest[DTLS_DATA_LEN_MAX + 1] = { 7 };
    assert_int_equal(dtls_send(net->client, bytes_of_str("to you")), OK);
    assert_int_equal(dtls_send(net->client, bytes_of(longest, DTLS_DATA_LEN_MAX)), OK);
    assert_int_equal(dtls_send(net->client, bytes_of(longest, sizeof longest)), ERR_FULL);
    carry_all(net, net->client, net->server);
    assert_true(dtls_next_data(net->server, &got));
    assert_true(bytes_equal(got, bytes_of_str("to you")));
    assert_true(dtls_next_data(net->server, &got));
    assert_int_equal(got.len, DTLS_DATA_LEN_MAX);
    assert_false(dtls_next_data(net->server, &got));
    assert_int_equal(dtls_send(net->server, bytes_of_str("and back")), OK);
    carry_all(net, net->server, net->client);
    assert_true(dtls_next_data(net->client, &got));
    assert_true(bytes_equal(got, bytes_of_str("and back")));
    dtls_close(net->server);
    carry_all(net, net->server, net->client);
    assert_int_equal(dtls_state(net->client), DTLS_CLOSED);
    network_free(net);
}

static void data_that_nobody_takes_is_bounded(void **state)
{
    struct network *net = network_new();
    struct bytes got;
    size_t count = 0;
    dtls_keep(net->server);
    dtls_keep(net->client);
    connect_ends(net);
    for (size_t i = 0; i < DTLS_DATA_MAX; i++)
        assert_int_equal(dtls_send(net->client, bytes_of_str("x")), OK);
    assert_int_equal(dtls_send(net->client, bytes_of_str("x")), ERR_FULL);
    carry_all(net, net->client, net->server);
    assert_int_equal(dtls_send(net->client, bytes_of_str("one more")), OK);
    carry_all(net, net->client, net->server);
    for (; dtls_next_data(net->server, &got); count++)
        assert_int_equal(got.len, 1);
    assert_int_equal(count, DTLS_DATA_MAX);
    assert_int_equal(dtls_counters(net->server).dropped_count, 1);
    network_free(net);
}

static void final_flight_is_repeated_for_a_client_that_lost_it(void **state)
{
    /* Numbers: 0 ClientHello, 1 server's flight, 2 client's flight, 3 server's final flight. */
    for (size_t lost_count = 1; lost_count <= 8; lost_count++) { /* the last ones: settled */
        struct network *net = network_new();
        dtls_start(net->client, net->now);
        struct bytes datagram;
        size_t lost = 0;
        for (int turn = 0; turn < 1000 && dtls_state(net->client) != DTLS_CONNECTED; turn++) {
            net->now += MILLIS(100);
            dtls_tick(net->client, net->now);
            if (dtls_state(net->server) == DTLS_CONNECTED)
                dtls_tick(net->server, net->now); /* it settles */
            while (dtls_next_datagram(net->client, &datagram))
                dtls_receive(net->server, datagram, net->now);
            take_all_keys(net);
            bool final = dtls_state(net->server) == DTLS_CONNECTED;
            bool had = false;
            while (dtls_next_datagram(net->server, &datagram)) {
                had = true;
                if (!final || lost >= lost_count)
                    dtls_receive(net->client, datagram, net->now);
            }
            lost += final && had;
        }
        assert_connected(net);
        assert_int_equal(dtls_counters(net->server).retransmit_count, lost_count);
        network_free(net);
    }
}

static const char *const ciphers[] = { "ECDHE-ECDSA-AES128-GCM-SHA256",
                                       "ECDHE-ECDSA-AES256-GCM-SHA384",
                                       "ECDHE-ECDSA-CHACHA20-POLY1305" };

static struct dtls_context *context_with(const char *cipher)
{
    struct dtls_context *c = dtls_context_new(WALL_NOW);
    assert_int_equal(SSL_CTX_set_cipher_list(c->ssl, cipher), 1);
    return c;
}

/* Connected, and one end or both without OpenSSL's state. */
static struct network *settled_network(struct dtls_context *client, bool server_settles,
                                       bool client_settles)
{
    struct network *net = network_with(server_context, client);
    connect_ends(net);
    assert_connected(net);
    net->now += DTLS_SETTLE_TIME;
    if (server_settles)
        dtls_tick(net->server, net->now);
    if (client_settles)
        dtls_tick(net->client, net->now);
    struct dtls_keys keys;
    assert_int_equal(dtls_keys(net->server, &keys), server_settles ? ERR_BAD_STATE : OK);
    assert_int_equal(dtls_keys(net->client, &keys), client_settles ? ERR_BAD_STATE : OK);
    assert_int_equal(dtls_state(net->server), DTLS_CONNECTED);
    assert_int_equal(dtls_deadline(server_settles ? net->server : net->client), USEC_NEVER);
    return net;
}

static void assert_carries(struct network *net, struct dtls *from, struct dtls *to)
{
    struct bytes got;
    uint8_t longest[DTLS_DATA_LEN_MAX];
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = (uint8_t)i;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(dtls_send(from, bytes_of(longest, sizeof longest - i)), OK);
        assert_int_equal(dtls_send(from, bytes_of(longest, 1)), OK);
    }
    carry_all(net, from, to);
    for (size_t i = 0; i < 3; i++) {
        assert_true(dtls_next_data(to, &got));
        assert_true(bytes_equal(got, bytes_of(longest, sizeof longest - i)));
        assert_true(dtls_next_data(to, &got));
        assert_int_equal(got.len, 1);
    }
    assert_false(dtls_next_data(to, &got));
}

/* Before OpenSSL's state of either end goes, after that of one, and after both. */
static void data_goes_on_without_openssl(void **state)
{
    for (size_t i = 0; i < 2 * ARRAY_LEN(ciphers); i++) {
        struct dtls_context *client = context_with(ciphers[i / 2]);
        struct network *net = network_with(server_context, client);
        struct dtls *first = i % 2 == 0 ? net->server : net->client;
        dtls_keep(net->server);
        dtls_keep(net->client);
        connect_ends(net);
        for (size_t settled_count = 0; settled_count < 3; settled_count++) {
            assert_carries(net, net->server, net->client);
            assert_carries(net, net->client, net->server);
            struct dtls *other = first == net->server ? net->client : net->server;
            net->now += DTLS_SETTLE_TIME;
            dtls_tick(settled_count == 0 ? first : other, net->now);
        }
        network_free(net);
        dtls_context_free(client);
    }
}

static void
records_of_a_settled_association_are_taken_once_and_only_if_they_are_authentic(void **state)
{
    struct network *net = settled_network(client_context, true, true);
    struct bytes datagram, got;
    uint8_t copies[70][DTLS_MTU];
    size_t lens[ARRAY_LEN(copies)], count = 0;
    dtls_keep(net->server);
    dtls_keep(net->client);
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        assert_int_equal(dtls_send(net->client, bytes_of_str("record")), OK);
        assert_true(dtls_next_datagram(net->client, &datagram));
        lens[i] = datagram.len;
        memcpy(copies[i], datagram.data, datagram.len);
    }
    for (size_t at = 0; at < lens[69]; at++) {
        copies[69][at] ^= 1;
        dtls_receive(net->server, bytes_of(copies[69], lens[69]), net->now);
        copies[69][at] ^= 1;
        dtls_receive(net->server, bytes_of(copies[69], at), net->now);
    }
    assert_false(dtls_next_data(net->server, &got));
    for (size_t i = ARRAY_LEN(copies); i-- > 0;) { /* the last one first, and each twice */
        dtls_receive(net->server, bytes_of(copies[i], lens[i]), net->now);
        dtls_receive(net->server, bytes_of(copies[i], lens[i]), net->now);
    }
    for (; dtls_next_data(net->server, &got); count++)
        assert_true(bytes_equal(got, bytes_of_str("record")));
    assert_int_equal(count, 64); /* what is older may be a replay */
    network_free(net);
}

static void close_notify_is_sent_and_understood_without_openssl(void **state)
{
    for (size_t i = 0; i < 3 * ARRAY_LEN(ciphers); i++) {
        for (int server_closes = 0; server_closes < 2; server_closes++) {
            struct dtls_context *client = context_with(ciphers[i % ARRAY_LEN(ciphers)]);
            struct network *net = settled_network(client, i / 3 != 1, i / 3 != 0);
            struct dtls *one = server_closes ? net->server : net->client;
            struct dtls *other = server_closes ? net->client : net->server;
            struct bytes datagram, none;
            assert_false(dtls_next_datagram(one, &datagram));
            dtls_close(one);
            assert_true(dtls_next_datagram(one, &datagram));
            dtls_receive(other, datagram, net->now);
            assert_int_equal(dtls_state(one), DTLS_CLOSED);
            assert_int_equal(dtls_state(other), DTLS_CLOSED);
            assert_false(dtls_next_datagram(one, &none));
            network_free(net);
            dtls_context_free(client);
        }
    }
}

static void forged_alerts_do_not_end_a_settled_association(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        struct dtls_context *client = context_with(ciphers[i]);
        struct network *net = settled_network(client, true, true);
        struct bytes datagram;
        uint8_t copy[64];
        dtls_close(net->client);
        assert_true(dtls_next_datagram(net->client, &datagram));
        assert_true(datagram.len < sizeof copy);
        for (size_t at = 0; at < datagram.len; at++) {
            memcpy(copy, datagram.data, datagram.len);
            copy[at] ^= 1;
            dtls_receive(net->server, bytes_of(copy, datagram.len), net->now);
            memcpy(copy, datagram.data, datagram.len);
            dtls_receive(net->server, bytes_of(copy, at), net->now);
        }
        assert_int_equal(dtls_state(net->server), DTLS_CONNECTED);
        dtls_receive(net->server, datagram, net->now);
        assert_int_equal(dtls_state(net->server), DTLS_CLOSED);
        network_free(net);
        dtls_context_free(client);
    }
}

static void fingerprints_are_parsed_strictly(void **state)
{
    struct dtls_fingerprint f;
    char text[] = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:"
                  "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    struct bytes sha256 = bytes_of_str("SHA-256"), hash = bytes_of_str(text);
    assert_int_equal(dtls_fingerprint_parse(sha256, hash, &f), OK);
    assert_int_equal(f.bits, 256);
    assert_bytes_equal(bytes_of(f.hash, 32), HEX("00112233445566778899aabbccddeeff"
                                                 "00112233445566778899aabbccddeeff"));
    assert_int_equal(dtls_fingerprint_parse(bytes_of_str("sha-1"), hash, &f), ERR_UNSUPPORTED);
    assert_int_equal(dtls_fingerprint_parse(bytes_of_str("sha-512"), hash, &f), ERR_MALFORMED);
    assert_int_equal(dtls_fingerprint_parse(sha256, bytes_of(text, 94), &f), ERR_MALFORMED);
    text[2] = '-';
    assert_int_equal(dtls_fingerprint_parse(sha256, hash, &f), ERR_MALFORMED);
    text[2] = ':';
    text[94] = 'g';
    assert_int_equal(dtls_fingerprint_parse(sha256, hash, &f), ERR_MALFORMED);
}

static void certificate_is_fresh_and_outlasts_the_process(void **state)
{
    assert_string_not_equal(dtls_context_fingerprint(server_context),
                            dtls_context_fingerprint(client_context));
    assert_int_equal(strlen(dtls_context_fingerprint(server_context)), 95);
    X509 *cert = SSL_CTX_get0_certificate(server_context->ssl);
    time_t now = (time_t)(WALL_NOW / USEC_PER_SEC);
    assert_int_equal(X509_cmp_time(X509_get0_notBefore(cert), &now), -1);
    time_t late = now + (time_t)9 * 365 * 86400; /* a process that was never restarted */
    assert_int_equal(X509_cmp_time(X509_get0_notAfter(cert), &late), 1);
    assert_int_equal(X509_verify(cert, X509_get0_pubkey(cert)), 1);
}

static void failed_allocations_are_survived(void **state)
{
    struct dtls_fingerprint f = fingerprint_of(server_context);
    struct dtls *d = NULL;
    for (size_t n = 1; d == NULL || alloc_probe.count >= n; n++) {
        dtls_free(d);
        alloc_probe_reset(n, false);
        d = dtls_new(server_context, DTLS_SERVER, &f, 1, 0);
        assert_true(n < 1000);
    }
    dtls_free(d);
    struct dtls_context *c = NULL;
    for (size_t n = 1; c == NULL || alloc_probe.count >= n; n += 7) {
        dtls_context_free(c);
        alloc_probe_reset(n, true);
        c = dtls_context_new(WALL_NOW);
        assert_true(n < 100000);
    }
    dtls_context_free(c);
    alloc_probe_reset(0, false);
    ERR_clear_error();
}

static void handshake_without_memory_fails_cleanly(void **state)
{
    bool done = false;
    for (size_t n = 1; !done; n += 11) {
        struct network *net = network_new();
        alloc_probe_reset(n, true);
        dtls_start(net->client, net->now);
        for (int i = 0; i < 8; i++) {
            struct bytes datagram;
            while (dtls_next_datagram(net->client, &datagram))
                dtls_receive(net->server, datagram, net->now);
            while (dtls_next_datagram(net->server, &datagram))
                dtls_receive(net->client, datagram, net->now);
        }
        done = alloc_probe.count < n;
        alloc_probe_reset(0, false);
        if (done)
            assert_connected(net);
        assert_true(n < 100000);
        network_free(net);
    }
}

static int setup(void **state)
{
    server_context = dtls_context_new(WALL_NOW);
    client_context = dtls_context_new(WALL_NOW);
    return server_context != NULL && client_context != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    dtls_context_free(server_context);
    dtls_context_free(client_context);
    return 0;
}

int main(void)
{
    alloc_probe_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_connect_and_export_mirrored_keys),
        cmocka_unit_test(exported_keys_carry_media_both_ways),
        cmocka_unit_test(any_single_lost_datagram_is_repaired),
        cmocka_unit_test(handshake_survives_30_percent_loss),
        cmocka_unit_test(handshake_gives_up_after_30_s),
        cmocka_unit_test(wrong_certificate_is_refused_by_either_end),
        cmocka_unit_test(one_of_several_fingerprints_is_enough),
        cmocka_unit_test(client_hello_in_several_datagrams_is_reassembled),
        cmocka_unit_test(client_without_a_common_srtp_profile_is_unsupported),
        cmocka_unit_test(older_versions_are_refused),
        cmocka_unit_test(garbage_is_dropped_and_does_not_disturb),
        cmocka_unit_test(close_notify_closes_both_ends),
        cmocka_unit_test(application_data_is_counted_and_dropped),
        cmocka_unit_test(data_goes_both_ways_for_as_long_as_it_is_wanted),
        cmocka_unit_test(data_goes_on_without_openssl),
        cmocka_unit_test(
            records_of_a_settled_association_are_taken_once_and_only_if_they_are_authentic),
        cmocka_unit_test(data_that_nobody_takes_is_bounded),
        cmocka_unit_test(final_flight_is_repeated_for_a_client_that_lost_it),
        cmocka_unit_test(close_notify_is_sent_and_understood_without_openssl),
        cmocka_unit_test(forged_alerts_do_not_end_a_settled_association),
        cmocka_unit_test(fingerprints_are_parsed_strictly),
        cmocka_unit_test(certificate_is_fresh_and_outlasts_the_process),
        cmocka_unit_test(failed_allocations_are_survived),
        cmocka_unit_test(handshake_without_memory_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
