/* Data channels through the association engine: participants with DTLS and SCTP of their own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/associations.h"

#include "core/data_rooms.h"
#include "core/sctp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { PEOPLE = 4, PORT = 5000, STREAM = 0 };

struct person {
    handle association;
    size_t worker;
    struct dtls *dtls;
    struct sctp *sctp; /* from the keys on; NULL: it has no data channels */
    bool has_data, has_closed, has_ended;
    size_t keys_count, sent_count; /* by the engine */
    size_t lost_count;             /* of its own packets */
    /* what came */
    size_t count, error_count;
    uint32_t next_number;
    bool is_out_of_order;
    char name[64];
};

static struct dtls_context *server, *client;
static struct associations *engine;
static struct person people[PEOPLE];
static usec now;

static const struct sctp_manner reliable = { .reliability = DCEP_RELIABLE, .ordered = true };

static uint64_t stat_of(enum associations_stat s)
{
    return associations_stat_read(associations_stats(engine), s);
}

static struct dtls_fingerprint print_of(const struct dtls_context *c)
{
    struct dtls_fingerprint f;
    struct bytes text = bytes_of_str(dtls_context_fingerprint(c));
    assert_int_equal(dtls_fingerprint_parse(bytes_of_str("sha-256"), text, &f), OK);
    return f;
}

static void ask(const struct person *p, enum association_request_kind kind, struct bytes datagram)
{
    struct association_request r = { .kind = kind, .association = p->association };
    r.len = (uint16_t)datagram.len;
    if (datagram.len > 0)
        memcpy(r.data, datagram.data, datagram.len);
    associations_receive(engine, p->worker, &r, now);
}

/* What the participant has to say: SCTP first, which is sealed. */
static bool speak(struct person *p)
{
    struct bytes d;
    bool any = false;
    while (p->sctp != NULL && sctp_next_packet(p->sctp, &d)) {
        any = true;
        if (dtls_send(p->dtls, d) != OK)
            p->lost_count++;
    }
    for (; p->dtls != NULL && dtls_next_datagram(p->dtls, &d); any = true)
        ask(p, ASSOCIATION_DATAGRAM, d);
    return any;
}

static void take_letter(struct person *p, struct bytes m)
{
    assert_true(m.len >= 2 && m.len >= 2u + m.data[1]);
    snprintf(p->name, sizeof p->name, "%.*s", (int)m.data[1], (const char *)m.data + 2);
    if (m.data[0] == DATA_ERROR) {
        p->error_count++;
        return;
    }
    p->count++;
    if (m.len - 2 - m.data[1] >= 4)
        p->is_out_of_order |= load_be32(m.data + 2 + m.data[1]) != p->next_number++;
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
    while (p->sctp != NULL && sctp_next_message(p->sctp, &m)) {
        if (!m.is_reset && m.ppid == DCEP_PPID_BINARY)
            take_letter(p, m.data);
    }
}

static bool listen(size_t worker)
{
    struct association_notice n;
    bool any = false;
    for (; associations_next(engine, worker, &n); any = true) {
        struct person *p = &people[handle_index(n.association)];
        if (n.kind == ASSOCIATION_SEND) {
            p->sent_count++;
            hear(p, bytes_of(n.data, n.len));
        }
        p->has_closed |= n.kind == ASSOCIATION_CLOSED;
        p->has_ended |= n.kind == ASSOCIATION_ENDED;
        if (n.kind != ASSOCIATION_KEYS)
            continue;
        if (p->keys_count++ == 0 && p->has_data)
            p->sctp = sctp_new(PORT);
    }
    return any;
}

static void settle(void)
{
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < PEOPLE; i++)
            any |= speak(&people[i]);
        while (associations_next_deadline(engine) <= now)
            associations_tick(engine, now);
        for (size_t i = 0; i < 2; i++)
            any |= listen(i);
    }
}

static void wait(usec duration)
{
    settle();
    for (usec end = now + duration; now < end; settle())
        now += SCTP_TICK;
}

static void say_hello(struct person *p)
{
    struct dtls_fingerprint expected = print_of(server);
    dtls_free(p->dtls);
    p->dtls = dtls_new(client, DTLS_CLIENT, &expected, 1, now);
    dtls_keep(p->dtls);
    dtls_start(p->dtls, now);
}

static struct person *join(size_t i, size_t worker, handle room, bool has_data, bool is_allowed)
{
    struct person *p = &people[i];
    *p = (struct person){ .association = (handle)(i | 1u << POOL_INDEX_BITS),
                          .worker = worker,
                          .has_data = has_data };
    struct association_request r = { .kind = ASSOCIATION_OPEN, .association = p->association };
    r.expected[r.expected_count++] = print_of(client);
    if (has_data)
        r.data_channels = (struct association_data){
            .sctp_port = PORT, .max_message_size = 16384, .is_allowed = is_allowed, .room = room
        };
    snprintf(r.data_channels.participant, sizeof r.data_channels.participant, "p_%zu", i);
    associations_receive(engine, worker, &r, now);
    say_hello(p);
    wait(MILLIS(200));
    assert_int_equal(p->keys_count, 1);
    if (!has_data)
        return p;
    assert_int_equal(sctp_state(p->sctp), SCTP_CONNECTED);
    uint8_t message[64];
    struct writer w = writer_of(message, sizeof message);
    const struct dcep_open o = { .ordered = true, .label = bytes_of_str("chat") };
    assert_int_equal(dcep_write_open(&o, &w), OK);
    struct bytes open = bytes_of(message, writer_len(&w));
    assert_int_equal(sctp_send(p->sctp, STREAM, DCEP_PPID_CONTROL, &reliable, open), OK);
    wait(MILLIS(50));
    return p;
}

static void say(struct person *p, const char *to, struct bytes payload)
{
    static uint8_t message[SCTP_MESSAGE_MAX];
    struct writer w = writer_of(message, sizeof message);
    writer_u8(&w, DATA_BYTES);
    writer_u8(&w, (uint8_t)strlen(to));
    writer_put(&w, bytes_of_str(to));
    writer_put(&w, payload);
    assert_false(w.failed);
    struct bytes m = bytes_of(message, writer_len(&w));
    assert_int_equal(sctp_send(p->sctp, STREAM, DCEP_PPID_BINARY, &reliable, m), OK);
}

static void say_text(struct person *p, const char *to, const char *text)
{
    say(p, to, bytes_of_str(text));
    wait(MILLIS(50));
}

static int start(void **state)
{
    now = SECONDS(100);
    memset(people, 0, sizeof people);
    const struct associations_config config = { .dtls = server,
                                                .worker_count = 2,
                                                .participants_max = PEOPLE };
    engine = associations_new(&config);
    return engine == NULL;
}

static int stop(void **state)
{
    for (size_t i = 0; i < PEOPLE; i++) {
        sctp_free(people[i].sctp);
        dtls_free(people[i].dtls);
    }
    associations_free(engine);
    return 0;
}

static void a_thousand_messages_reach_the_room_and_one_participant_in_order(void **state)
{
    for (size_t i = 0; i < 3; i++)
        join(i, 0, 7, true, true);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t number[4];
        store_be32(number, i % 1000);
        if (i == 1000)
            people[1].next_number = 0;
        say(&people[0], i < 1000 ? "" : "p_1", bytes_of(number, 4));
        if (i % 50 == 0 || i == 999)
            wait(MILLIS(100));
    }
    wait(SECONDS(1));
    assert_int_equal(people[1].count, 2000);
    assert_int_equal(people[2].count, 1000);
    assert_false(people[1].is_out_of_order || people[2].is_out_of_order);
    assert_string_equal(people[1].name, "p_0");
    assert_int_equal(people[0].count + people[0].error_count, 0);
    assert_int_equal(stat_of(ASSOCIATIONS_DATA_IN), 2000);
    assert_int_equal(stat_of(ASSOCIATIONS_DATA_OUT), 3000);
    assert_int_equal(stat_of(ASSOCIATIONS_DATA_MEMBERS), 3);
}

static void the_same_room_number_of_another_worker_is_another_room(void **state)
{
    join(0, 0, 7, true, true);
    join(1, 0, 7, true, true);
    join(2, 1, 7, true, true);
    join(3, 0, 8, true, true);
    say_text(&people[0], "", "us");
    assert_int_equal(people[1].count, 1);
    assert_int_equal(people[2].count + people[3].count, 0);
    say_text(&people[0], "p_2", "you?");
    assert_string_equal(people[0].name, DATA_ERROR_NOT_FOUND);
}

static void who_has_no_data_channels_is_only_a_handshake(void **state)
{
    struct person *p = join(0, 0, 7, false, false);
    usec end = now + DTLS_SETTLE_TIME + SECONDS(1);
    while (associations_next_deadline(engine) <= end)
        wait(SECONDS(1));
    assert_int_equal(associations_next_deadline(engine), USEC_NEVER); /* nothing is to be done */
    size_t before = p->sent_count;
    static const uint8_t packet[32] = { 1 };
    assert_int_equal(dtls_send(p->dtls, bytes_of(packet, sizeof packet)), OK);
    wait(MILLIS(100));
    assert_int_equal(p->sent_count, before);
    assert_false(p->has_ended);
}

static void who_has_no_grant_is_told_so_and_too_much_is_refused(void **state)
{
    static uint8_t big[SCTP_MESSAGE_MAX - 2];
    join(0, 0, 7, true, true);
    join(1, 0, 7, true, false);
    say_text(&people[1], "", "psst");
    assert_string_equal(people[1].name, DATA_ERROR_FORBIDDEN);
    assert_int_equal(people[0].count, 0);
    say(&people[0], "", bytes_of(big, sizeof big));
    wait(MILLIS(200));
    assert_string_equal(people[0].name, DATA_ERROR_TOO_LARGE);
    assert_int_equal(people[1].count, 0);
    say(&people[0], "", bytes_of(big, DATA_PAYLOAD_MAX));
    wait(MILLIS(200));
    assert_int_equal(people[1].count, 1);
}

static void who_leaves_is_no_longer_found(void **state)
{
    for (size_t i = 0; i < 3; i++)
        join(i, 0, 7, true, true);
    ask(&people[1], ASSOCIATION_CLOSE, bytes_of(NULL, 0));
    wait(MILLIS(100));
    assert_true(people[1].has_closed);
    dtls_close(people[2].dtls); /* its page is closed */
    wait(MILLIS(100));
    assert_true(people[2].has_ended);
    say_text(&people[0], "p_1", "still here?");
    assert_string_equal(people[0].name, DATA_ERROR_NOT_FOUND);
    say_text(&people[0], "p_2", "and you?");
    assert_int_equal(people[0].error_count, 2);
    assert_int_equal(stat_of(ASSOCIATIONS_DATA_MEMBERS), 1);
    ask(&people[0], ASSOCIATION_CLOSE, bytes_of(NULL, 0));
    wait(MILLIS(100));
    assert_int_equal(stat_of(ASSOCIATIONS_DATA_MEMBERS), 0);
    wait(DTLS_SETTLE_TIME);
    assert_int_equal(associations_next_deadline(engine), USEC_NEVER);
}

static void data_go_on_over_a_new_handshake(void **state)
{
    join(0, 0, 7, true, true);
    join(1, 0, 7, true, true);
    wait(RESTART_INTERVAL_MIN + SECONDS(1));
    say_hello(&people[1]);
    wait(MILLIS(200));
    assert_int_equal(people[1].keys_count, 2);
    say_text(&people[0], "", "again");
    assert_int_equal(people[1].count, 1);
    say_text(&people[1], "p_0", "yes");
    assert_int_equal(people[0].count, 1);
    wait(DTLS_SETTLE_TIME); /* without OpenSSL's state, too */
    say_text(&people[1], "p_0", "still");
    assert_int_equal(people[0].count, 2);
}

int main(void)
{
    server = dtls_context_new(SECONDS(1790000000));
    client = dtls_context_new(SECONDS(1790000000));
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_messages_reach_the_room_and_one_participant_in_order),
        TEST(the_same_room_number_of_another_worker_is_another_room),
        TEST(who_has_no_data_channels_is_only_a_handshake),
        TEST(who_has_no_grant_is_told_so_and_too_much_is_refused),
        TEST(who_leaves_is_no_longer_found),
        TEST(data_go_on_over_a_new_handshake),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dtls_context_free(server);
    dtls_context_free(client);
    return failed;
}
