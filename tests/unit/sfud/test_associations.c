/* The association engine with real handshakes, one turn at a time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/associations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { PEOPLE = 300 };

/* One participant: a client half, and what the engine told about it. */
struct person {
    handle association;
    struct dtls *dtls;
    size_t sent_count; /* by the engine */
    struct dtls_keys keys;
    size_t keys_count;
    bool has_failed, has_ended, has_closed;
    enum err reason;
};

static struct dtls_context *server, *client, *stranger;
static struct associations *engine;
static struct person people[PEOPLE];
static usec now;

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

static void ask(const struct person *p, enum association_request_kind kind, enum dtls_role role,
                const struct dtls_context *identity)
{
    struct association_request r = { .kind = kind, .association = p->association, .role = role };
    if (identity != NULL)
        r.expected[r.expected_count++] = print_of(identity);
    associations_receive(engine, 0, &r, now);
}

static struct person *open_person(size_t i)
{
    struct person *p = &people[i];
    p->association = (handle)(i | 1u << POOL_INDEX_BITS);
    ask(p, ASSOCIATION_OPEN, DTLS_SERVER, client);
    return p;
}

static void carry(const struct person *p, struct bytes datagram)
{
    struct association_request r = { .kind = ASSOCIATION_DATAGRAM,
                                     .association = p->association,
                                     .len = (uint16_t)datagram.len };
    memcpy(r.data, datagram.data, datagram.len);
    associations_receive(engine, 0, &r, now);
}

/* What the client half has to say. */
static void speak(struct person *p)
{
    for (struct bytes d; dtls_next_datagram(p->dtls, &d);)
        carry(p, d);
}

static void say_hello(struct person *p, struct dtls_context *identity)
{
    struct dtls_fingerprint expected = print_of(server);
    dtls_free(p->dtls);
    p->dtls = dtls_new(identity, DTLS_CLIENT, &expected, 1, now);
    dtls_start(p->dtls, now);
    speak(p);
}

/* Takes all notices; answers of the clients are carried back if they answer. */
static size_t listen(bool answers)
{
    struct association_notice n;
    size_t count = 0;
    for (; associations_next(engine, 0, &n); count++) {
        struct person *p = &people[handle_index(n.association)];
        switch (n.kind) {
        case ASSOCIATION_SEND:
            p->sent_count++;
            if (p->dtls != NULL)
                dtls_receive(p->dtls, bytes_of(n.data, n.len), now);
            if (answers && p->dtls != NULL)
                speak(p);
            break;
        case ASSOCIATION_KEYS:
            p->keys = n.keys;
            p->keys_count++;
            break;
        case ASSOCIATION_FAILED:
            p->has_failed = true;
            p->reason = n.reason;
            break;
        case ASSOCIATION_ENDED:
            p->has_ended = true;
            break;
        case ASSOCIATION_CLOSED:
            p->has_closed = true;
            break;
        }
    }
    return count;
}

static void run(void)
{
    size_t count = 1;
    while (count > 0) {
        count = 0;
        while (associations_next_deadline(engine) <= now)
            associations_tick(engine, now);
        count = listen(true);
    }
}

static void wait(usec duration)
{
    for (usec end = now + duration; now < end;) {
        now += MILLIS(50);
        run();
    }
}

static void check_keys(const struct person *p)
{
    struct dtls_keys theirs;
    assert_int_equal(dtls_keys(p->dtls, &theirs), OK);
    assert_int_equal(p->keys.profile, SEAL_AEAD_AES_128_GCM);
    assert_memory_equal(&p->keys.local, &theirs.remote, sizeof theirs.remote);
    assert_memory_equal(&p->keys.remote, &theirs.local, sizeof theirs.local);
}

static struct person *connect_person(size_t i)
{
    struct person *p = open_person(i);
    say_hello(p, client);
    run();
    assert_int_equal(p->keys_count, 1);
    return p;
}

static int start(void **state)
{
    now = SECONDS(100);
    memset(people, 0, sizeof people);
    const struct associations_config config = { .dtls = server,
                                                .worker_count = 1,
                                                .participants_max = PEOPLE };
    engine = associations_new(&config);
    return engine == NULL;
}

static int stop(void **state)
{
    associations_free(engine);
    for (size_t i = 0; i < PEOPLE; i++)
        dtls_free(people[i].dtls);
    return 0;
}

static void a_handshake_gives_both_the_same_keys(void **state)
{
    struct person *p = connect_person(0);
    check_keys(p);
    assert_int_equal(stat_of(ASSOCIATIONS_DONE), 1);
    assert_int_equal(stat_of(ASSOCIATIONS_RUNNING), 0);
    assert_true(associations_next_deadline(engine) > now); /* it sleeps */
}

static void the_engine_can_be_the_client(void **state)
{
    struct person *p = &people[0];
    p->association = 1u << POOL_INDEX_BITS;
    struct dtls_fingerprint expected = print_of(server);
    p->dtls = dtls_new(client, DTLS_SERVER, &expected, 1, now);
    ask(p, ASSOCIATION_OPEN, DTLS_CLIENT, client);
    run();
    assert_int_equal(p->keys_count, 1);
    check_keys(p);
}

static void what_is_not_a_hello_begins_nothing(void **state)
{
    struct person *p = open_person(0);
    uint8_t junk[64] = { 22, 254, 253 };
    carry(p, bytes_of(junk, sizeof junk));
    carry(p, bytes_of(junk, 1));
    carry(p, bytes_of(junk, 0));
    junk[0] = 23;
    carry(p, bytes_of(junk, sizeof junk));
    run();
    assert_int_equal(stat_of(ASSOCIATIONS_DROP_NO_HELLO), 4);
    assert_int_equal(stat_of(ASSOCIATIONS_RUNNING) + stat_of(ASSOCIATIONS_WAITING), 0);
    assert_int_equal(p->sent_count, 0);
}

static void a_wrong_certificate_fails_without_keys(void **state)
{
    struct person *p = open_person(0);
    say_hello(p, stranger);
    run();
    assert_true(p->has_failed);
    assert_int_equal(p->reason, ERR_AUTH);
    assert_int_equal(p->keys_count, 0);
    assert_int_equal(stat_of(ASSOCIATIONS_FAILED_AUTH), 1);
    assert_int_equal(dtls_state(p->dtls), DTLS_FAILED); /* it was sent the alert */
}

static void a_turn_is_a_bounded_amount_of_work(void **state)
{
    for (size_t i = 0; i < 3 * HANDSHAKE_STEPS_PER_TURN; i++)
        say_hello(open_person(i), client);
    associations_tick(engine, now);
    assert_int_equal(listen(false), HANDSHAKE_STEPS_PER_TURN); /* one flight each */
    assert_int_equal(associations_next_deadline(engine), 0);
    associations_tick(engine, now);
    assert_int_equal(listen(false), HANDSHAKE_STEPS_PER_TURN);
}

static void only_so_many_run_and_the_others_get_their_turn(void **state)
{
    for (size_t i = 0; i < PEOPLE; i++)
        say_hello(open_person(i), client);
    associations_tick(engine, now);
    assert_int_equal(stat_of(ASSOCIATIONS_RUNNING), HANDSHAKES_RUNNING_MAX);
    assert_int_equal(stat_of(ASSOCIATIONS_WAITING), PEOPLE - HANDSHAKES_RUNNING_MAX);
    run();
    for (size_t i = 0; i < PEOPLE; i++)
        assert_int_equal(people[i].keys_count, 1);
    assert_int_equal(stat_of(ASSOCIATIONS_RUNNING) + stat_of(ASSOCIATIONS_WAITING), 0);
}

static void who_does_not_go_on_is_given_up_and_makes_room(void **state)
{
    for (size_t i = 0; i < HANDSHAKES_RUNNING_MAX; i++) {
        say_hello(open_person(i), client);
        dtls_free(people[i].dtls); /* says no more */
        people[i].dtls = NULL;
    }
    run();
    wait(DTLS_HANDSHAKE_TIMEOUT - HANDSHAKE_WAIT_TIME / 2);
    struct person *late = open_person(PEOPLE - 1);
    say_hello(late, client);
    run();
    assert_int_equal(late->keys_count, 0);
    wait(HANDSHAKE_WAIT_TIME / 2);
    assert_int_equal(stat_of(ASSOCIATIONS_FAILED_EXPIRED), HANDSHAKES_RUNNING_MAX);
    assert_true(people[0].has_failed);
    assert_int_equal(late->keys_count, 1);
}

static void who_waits_too_long_for_a_turn_fails(void **state)
{
    for (size_t i = 0; i <= HANDSHAKES_RUNNING_MAX; i++) {
        say_hello(open_person(i), client);
        dtls_free(people[i].dtls);
        people[i].dtls = NULL;
    }
    wait(HANDSHAKE_WAIT_TIME + MILLIS(100));
    assert_true(people[HANDSHAKES_RUNNING_MAX].has_failed);
    assert_int_equal(people[HANDSHAKES_RUNNING_MAX].reason, ERR_EXPIRED);
    assert_false(people[0].has_failed);
}

static void a_flood_ends_its_own_handshake_only(void **state)
{
    struct person *p = open_person(0);
    say_hello(p, client);
    uint8_t junk[1200] = { 22, 254, 253 };
    for (size_t i = 0; i < HANDSHAKE_INPUTS_MAX + 5; i++)
        carry(p, bytes_of(junk, sizeof junk));
    assert_true(stat_of(ASSOCIATIONS_DROP_FULL) > 0); /* no more than so many wait */
    for (size_t i = 0; i < HANDSHAKE_BYTES_MAX / sizeof junk; i++)
        carry(p, bytes_of(junk, sizeof junk));
    run();
    assert_true(p->has_failed);
    assert_int_equal(p->reason, ERR_FULL);
    connect_person(1);
}

static void a_new_hello_restarts_and_the_old_keys_stay_until_then(void **state)
{
    struct person *p = connect_person(0);
    struct dtls_keys before = p->keys;
    wait(RESTART_INTERVAL_MIN + SECONDS(1));
    say_hello(p, client);
    associations_tick(engine, now);
    listen(false);
    assert_int_equal(p->keys_count, 1); /* half way */
    speak(p);
    run();
    assert_int_equal(p->keys_count, 2);
    check_keys(p);
    assert_memory_not_equal(&before.local, &p->keys.local, sizeof before.local);
    assert_int_equal(stat_of(ASSOCIATIONS_RESTARTED), 1);
}

static void a_restart_by_a_stranger_changes_nothing(void **state)
{
    struct person *p = connect_person(0);
    struct dtls *own = p->dtls;
    wait(RESTART_INTERVAL_MIN + SECONDS(1));
    p->dtls = NULL;
    say_hello(p, stranger);
    run();
    assert_int_equal(p->keys_count, 1);
    assert_false(p->has_failed);
    assert_int_equal(stat_of(ASSOCIATIONS_FAILED_AUTH), 1);
    dtls_free(p->dtls);
    p->dtls = own;
    dtls_close(own); /* it is still the one that counts */
    speak(p);
    run();
    assert_true(p->has_ended);
}

static void a_late_copy_of_the_first_hello_is_no_restart(void **state)
{
    struct person *p = open_person(0);
    struct dtls_fingerprint expected = print_of(server);
    p->dtls = dtls_new(client, DTLS_CLIENT, &expected, 1, now);
    dtls_start(p->dtls, now);
    struct bytes d;
    uint8_t hello[DTLS_MTU];
    assert_true(dtls_next_datagram(p->dtls, &d));
    memcpy(hello, d.data, d.len);
    struct bytes copy = bytes_of(hello, d.len);
    carry(p, copy);
    run();
    wait(RESTART_INTERVAL_MIN + SECONDS(1));
    carry(p, copy);
    run();
    assert_int_equal(stat_of(ASSOCIATIONS_RESTARTED), 0);
    assert_int_equal(p->keys_count, 1);
}

static void a_signaled_restart_takes_the_new_certificate_only(void **state)
{
    struct person *p = connect_person(0);
    ask(p, ASSOCIATION_RESTART, DTLS_SERVER, stranger);
    say_hello(p, client); /* the old one */
    run();
    assert_int_equal(p->keys_count, 1);
    wait(RESTART_INTERVAL_MIN);
    say_hello(p, stranger);
    run();
    assert_int_equal(p->keys_count, 2);
    check_keys(p);
}

static void a_close_says_goodbye_and_is_confirmed(void **state)
{
    struct person *p = connect_person(0);
    ask(p, ASSOCIATION_CLOSE, DTLS_SERVER, NULL);
    run();
    assert_int_equal(dtls_state(p->dtls), DTLS_CLOSED);
    assert_true(p->has_closed);
    assert_int_equal(stat_of(ASSOCIATIONS_OPEN), 0);
    ask(p, ASSOCIATION_CLOSE, DTLS_SERVER, NULL); /* unknown now: nothing */
    assert_int_equal(stat_of(ASSOCIATIONS_DROP_STALE), 1);
}

static void a_close_in_the_middle_of_a_handshake_is_confirmed(void **state)
{
    struct person *p = open_person(0);
    say_hello(p, client);
    associations_tick(engine, now);
    ask(p, ASSOCIATION_CLOSE, DTLS_SERVER, NULL);
    run();
    assert_true(p->has_closed);
    assert_int_equal(stat_of(ASSOCIATIONS_RUNNING), 0);
    assert_int_equal(p->keys_count, 0);
}

int main(void)
{
    server = dtls_context_new(SECONDS(1790000000));
    client = dtls_context_new(SECONDS(1790000000));
    stranger = dtls_context_new(SECONDS(1790000000));
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_handshake_gives_both_the_same_keys),
        TEST(the_engine_can_be_the_client),
        TEST(what_is_not_a_hello_begins_nothing),
        TEST(a_wrong_certificate_fails_without_keys),
        TEST(a_turn_is_a_bounded_amount_of_work),
        TEST(only_so_many_run_and_the_others_get_their_turn),
        TEST(who_does_not_go_on_is_given_up_and_makes_room),
        TEST(who_waits_too_long_for_a_turn_fails),
        TEST(a_flood_ends_its_own_handshake_only),
        TEST(a_new_hello_restarts_and_the_old_keys_stay_until_then),
        TEST(a_restart_by_a_stranger_changes_nothing),
        TEST(a_late_copy_of_the_first_hello_is_no_restart),
        TEST(a_signaled_restart_takes_the_new_certificate_only),
        TEST(a_close_says_goodbye_and_is_confirmed),
        TEST(a_close_in_the_middle_of_a_handshake_is_confirmed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dtls_context_free(server);
    dtls_context_free(client);
    dtls_context_free(stranger);
    return failed;
}
