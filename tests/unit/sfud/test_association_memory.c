/* What an association costs in memory and CPU, with data channels and without: the heap of the
 * engine and of the libraries below it, of participants whose own half has been freed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/associations.h"

#include "core/data_rooms.h"
#include "core/sctp.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

enum {
    PEOPLE = 201,
    ROOM_SIZE = 10,
    PORT = 5000,
    GOAL_BYTES = 32 * 1024,
    STREAM = 0,
};

struct person {
    struct dtls *dtls;
    struct sctp *sctp;
    size_t heard_count;
};

static struct dtls_context *server, *client;
static struct associations *engine;
static struct person people[PEOPLE];
static usec now = SECONDS(100);
static double engine_seconds; /* of CPU */

static const struct sctp_manner reliable = { .reliability = DCEP_RELIABLE, .ordered = true };

static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct dtls_fingerprint print_of(const struct dtls_context *c)
{
    struct dtls_fingerprint f;
    struct bytes text = bytes_of_str(dtls_context_fingerprint(c));
    assert_int_equal(dtls_fingerprint_parse(bytes_of_str("sha-256"), text, &f), OK);
    return f;
}

static handle handle_of(size_t i)
{
    return (handle)(i | 1u << POOL_INDEX_BITS);
}

static void ask(size_t i, struct bytes datagram)
{
    static struct association_request r;
    r = (struct association_request){ .kind = ASSOCIATION_DATAGRAM, .association = handle_of(i) };
    r.len = (uint16_t)datagram.len;
    memcpy(r.data, datagram.data, datagram.len);
    double before = cpu_seconds();
    associations_receive(engine, 0, &r, now);
    engine_seconds += cpu_seconds() - before;
}

static bool speak(size_t i)
{
    struct person *p = &people[i];
    struct bytes d;
    bool any = false;
    while (p->sctp != NULL && sctp_next_packet(p->sctp, &d)) {
        if (dtls_send(p->dtls, d) == OK)
            any = true;
    }
    for (; dtls_next_datagram(p->dtls, &d); any = true)
        ask(i, d);
    return any;
}

static void hear(struct person *p, struct bytes datagram)
{
    struct bytes d;
    struct sctp_message m;
    dtls_receive(p->dtls, datagram, now);
    while (dtls_next_data(p->dtls, &d)) {
        if (p->sctp != NULL)
            sctp_receive(p->sctp, d);
    }
    while (p->sctp != NULL && sctp_next_message(p->sctp, &m))
        p->heard_count += !m.is_reset && m.ppid == DCEP_PPID_BINARY;
}

static bool listen(bool has_data)
{
    static struct association_notice n;
    bool any = false;
    for (; associations_next(engine, 0, &n); any = true) {
        struct person *p = &people[handle_index(n.association)];
        if (n.kind == ASSOCIATION_SEND)
            hear(p, bytes_of(n.data, n.len));
        if (n.kind == ASSOCIATION_KEYS && has_data)
            p->sctp = sctp_new(PORT);
    }
    return any;
}

static void settle(bool has_data)
{
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < PEOPLE; i++)
            any |= people[i].dtls != NULL && speak(i);
        double before = cpu_seconds();
        while (associations_next_deadline(engine) <= now)
            associations_tick(engine, now);
        engine_seconds += cpu_seconds() - before;
        any |= listen(has_data);
    }
}

static void wait(bool has_data, usec duration)
{
    settle(has_data);
    for (usec end = now + duration; now < end; settle(has_data))
        now += SCTP_TICK;
}

static void join(unsigned i, bool has_data)
{
    static struct association_request r;
    struct dtls_fingerprint expected = print_of(server);
    r = (struct association_request){ .kind = ASSOCIATION_OPEN, .association = handle_of(i) };
    r.expected[r.expected_count++] = print_of(client);
    if (has_data)
        r.data_channels = (struct association_data){
            .sctp_port = PORT, .max_message_size = 16384, .is_allowed = true, .room = i / ROOM_SIZE
        };
    snprintf(r.data_channels.participant, sizeof r.data_channels.participant, "p_%u", i);
    associations_receive(engine, 0, &r, now);
    people[i].dtls = dtls_new(client, DTLS_CLIENT, &expected, 1, now);
    dtls_keep(people[i].dtls);
    dtls_start(people[i].dtls, now);
}

/* Their own half: what is left is the engine's. */
static void forget_all(void)
{
    for (size_t i = 0; i < PEOPLE; i++) {
        sctp_free(people[i].sctp);
        dtls_free(people[i].dtls);
        people[i] = (struct person){ .dtls = NULL };
    }
}

/* The first one pays for what all share. The heap without it, and without what is reserved. */
static size_t begin(bool has_data)
{
    const struct associations_config config = { .dtls = server,
                                                .worker_count = 1,
                                                .participants_max = PEOPLE };
    engine = associations_new(&config);
    join(PEOPLE - 1, has_data);
    wait(has_data, DTLS_SETTLE_TIME + SECONDS(1));
    forget_all();
    return heap_bytes();
}

static void join_all(bool has_data)
{
    for (unsigned i = 0; i < PEOPLE - 1; i++) {
        join(i, has_data);
        wait(has_data, SCTP_TICK);
    }
    wait(has_data, DTLS_SETTLE_TIME + SECONDS(1));
}

static void open_channels(void)
{
    uint8_t message[64];
    struct writer w = writer_of(message, sizeof message);
    const struct dcep_open o = { .ordered = true, .label = bytes_of_str("chat") };
    assert_int_equal(dcep_write_open(&o, &w), OK);
    for (size_t i = 0; i < PEOPLE - 1; i++)
        assert_int_equal(sctp_send(people[i].sctp, STREAM, DCEP_PPID_CONTROL, &reliable,
                                   bytes_of(message, writer_len(&w))),
                         OK);
    wait(true, MILLIS(100));
}

/* Ten messages a second of one in each room, to the nine others. */
static void talk(usec duration)
{
    static const uint8_t message[34] = { DATA_BYTES };
    for (usec end = now + duration; now < end; wait(true, MILLIS(100))) {
        for (size_t i = 0; i < PEOPLE - 1; i += ROOM_SIZE)
            assert_int_equal(sctp_send(people[i].sctp, STREAM, DCEP_PPID_BINARY, &reliable,
                                       bytes_of(message, sizeof message)),
                             OK);
    }
}

static size_t measure(bool has_data)
{
    size_t before = begin(has_data);
    join_all(has_data);
    if (has_data) {
        open_channels();
        engine_seconds = 0;
        wait(true, SECONDS(10));
        print_message("idle, 200 associations: %.2f ms of CPU in a second\n", engine_seconds * 100);
        engine_seconds = 0;
        talk(SECONDS(10));
        print_message("ten messages a second in each of 20 rooms of ten: %.2f ms\n",
                      engine_seconds * 100);
        for (size_t i = 0; i < PEOPLE - 1; i++)
            assert_int_equal(people[i].heard_count, i % ROOM_SIZE == 0 ? 0 : 100);
        wait(true, SECONDS(2));
    }
    forget_all();
    size_t after = heap_bytes();
    associations_free(engine);
    return (after - before) / (PEOPLE - 1);
}

static void an_idle_participant_costs_less_than_32_kib(void **state)
{
    size_t without = measure(false), with = measure(true);
    print_message("bytes of an association: %zu without data channels, %zu with\n", without, with);
    assert_in_range(without, 1, GOAL_BYTES);
    assert_in_range(with, 1, GOAL_BYTES);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 77; /* their heap tells nothing */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return 77;
#endif
#endif
    server = dtls_context_new(SECONDS(1790000000));
    client = dtls_context_new(SECONDS(1790000000));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_participant_costs_less_than_32_kib),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dtls_context_free(server);
    dtls_context_free(client);
    return failed;
}
