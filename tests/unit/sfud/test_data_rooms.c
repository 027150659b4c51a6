/* Rooms of application data: participants with SCTP of their own, on a virtual clock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/data_rooms.h"

#include "core/sctp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { PEOPLE = 4, PORT = 5000, STREAM = 0 };

struct person {
    struct data_member *member;
    struct sctp *sctp;
    bool is_deaf; /* packets to it are lost */
    /* what came */
    size_t count, error_count, open_count, reset_count;
    uint32_t next_number; /* of numbered messages, if they are in order */
    bool is_out_of_order;
    uint8_t kind;
    char name[64], error[32]; /* of the last letter; of the last error */
    char payload[64];
    struct dcep_open opened;
    uint16_t opened_stream;
    char opened_label[DATA_LABEL_MAX + 1];
};

static struct data_rooms *rooms;
static struct person people[PEOPLE];
static usec now;

static const struct sctp_manner reliable = { .reliability = DCEP_RELIABLE, .ordered = true };
static const struct sctp_manner lossy = { .reliability = DCEP_RETRANSMITS };

static void take_letter(struct person *p, struct bytes m)
{
    assert_true(m.len >= 2 && m.len >= 2u + m.data[1]);
    p->kind = m.data[0];
    size_t payload_len = m.len - 2 - m.data[1];
    snprintf(p->name, sizeof p->name, "%.*s", (int)m.data[1], (const char *)m.data + 2);
    snprintf(p->payload, sizeof p->payload, "%.*s", (int)MIN(payload_len, sizeof p->payload - 1),
             (const char *)m.data + 2 + m.data[1]);
    if (p->kind == DATA_ERROR) {
        p->error_count++;
        snprintf(p->error, sizeof p->error, "%s", p->name);
        return;
    }
    p->count++;
    if (payload_len >= 4)
        p->is_out_of_order |= load_be32(m.data + 2 + m.data[1]) != p->next_number++;
}

static void take(struct person *p)
{
    struct sctp_message m;
    struct dcep_message control;
    while (p->sctp != NULL && sctp_next_message(p->sctp, &m)) {
        p->reset_count += m.is_reset;
        if (!m.is_reset && m.ppid == DCEP_PPID_BINARY)
            take_letter(p, m.data);
        if (m.is_reset || m.ppid != DCEP_PPID_CONTROL || dcep_parse(m.data, &control) != OK ||
            control.kind != DCEP_OPEN)
            continue;
        p->open_count++;
        p->opened = control.open;
        p->opened_stream = m.stream;
        snprintf(p->opened_label, sizeof p->opened_label, "%.*s", (int)control.open.label.len,
                 (const char *)control.open.label.data);
        uint8_t ack = 2;
        assert_int_equal(
            sctp_send(p->sctp, m.stream, DCEP_PPID_CONTROL, &reliable, bytes_of(&ack, 1)), OK);
    }
}

static void settle(void)
{
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < PEOPLE; i++) {
            struct person *p = &people[i];
            struct bytes d;
            while (p->sctp != NULL && sctp_next_packet(p->sctp, &d)) {
                any = true;
                data_member_receive(p->member, d, now);
            }
            while (p->member != NULL && data_member_next_packet(p->member, &d)) {
                any = true;
                if (p->sctp != NULL && !p->is_deaf)
                    sctp_receive(p->sctp, d);
            }
            take(p);
        }
    }
}

static void wait(usec duration)
{
    settle();
    for (usec end = now + duration; now < end;) {
        now += SCTP_TICK;
        data_rooms_tick(rooms, now);
        settle();
    }
}

static struct person *join(size_t i, uint64_t room, bool is_allowed)
{
    struct person *p = &people[i];
    struct data_member_params params = {
        .room = room, .is_allowed = is_allowed, .sctp_port = PORT, .max_message_size = 262144
    };
    snprintf(params.participant, sizeof params.participant, "p_%zu", i);
    p->member = data_member_new(rooms, &params, now);
    p->sctp = sctp_new(PORT);
    return p;
}

static void open_channel(struct person *p, uint16_t stream, const char *label,
                         const struct sctp_manner *manner)
{
    uint8_t message[128];
    struct writer w = writer_of(message, sizeof message);
    const struct dcep_open o = { .reliability = manner->reliability,
                                 .ordered = manner->ordered,
                                 .label = bytes_of_str(label) };
    assert_int_equal(dcep_write_open(&o, &w), OK);
    assert_int_equal(
        sctp_send(p->sctp, stream, DCEP_PPID_CONTROL, &reliable, bytes_of(message, writer_len(&w))),
        OK);
}

static void say_bytes(struct person *p, uint16_t stream, const struct sctp_manner *manner,
                      const char *to, struct bytes payload)
{
    static uint8_t message[SCTP_MESSAGE_MAX];
    struct writer w = writer_of(message, sizeof message);
    writer_u8(&w, DATA_BYTES);
    writer_u8(&w, (uint8_t)strlen(to));
    writer_put(&w, bytes_of_str(to));
    writer_put(&w, payload);
    assert_false(w.failed);
    assert_int_equal(
        sctp_send(p->sctp, stream, DCEP_PPID_BINARY, manner, bytes_of(message, writer_len(&w))),
        OK);
}

static void say(struct person *p, const char *to, const char *payload)
{
    say_bytes(p, STREAM, &reliable, to, bytes_of_str(payload));
    wait(MILLIS(50));
}

static int start(void **state)
{
    now = SECONDS(5);
    memset(people, 0, sizeof people);
    rooms = data_rooms_new(now);
    for (size_t i = 0; i < 3; i++)
        join(i, 1, true);
    join(3, 2, true); /* another room */
    wait(SECONDS(1));
    for (size_t i = 0; i < PEOPLE; i++) {
        if (sctp_state(people[i].sctp) != SCTP_CONNECTED)
            return 1;
        open_channel(&people[i], STREAM, "chat", &reliable);
    }
    wait(MILLIS(100));
    return 0;
}

static int stop(void **state)
{
    for (size_t i = 0; i < PEOPLE; i++)
        sctp_free(people[i].sctp);
    data_rooms_free(rooms);
    return 0;
}

static void a_message_to_the_room_reaches_all_but_its_sender(void **state)
{
    say(&people[0], "", "hello");
    assert_int_equal(people[0].count, 0);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(people[i].count, 1);
        assert_string_equal(people[i].name, "p_0"); /* who said it */
        assert_string_equal(people[i].payload, "hello");
        assert_int_equal(people[i].open_count, 0); /* in the channel it has */
    }
    assert_int_equal(people[3].count, 0); /* another room */
}

static void a_message_to_one_reaches_nobody_else(void **state)
{
    say(&people[0], "p_2", "you");
    assert_int_equal(people[1].count, 0);
    assert_int_equal(people[2].count, 1);
    say(&people[0], "p_3", "in another room");
    assert_int_equal(people[3].count, 0);
    assert_int_equal(people[0].error_count, 1);
    assert_string_equal(people[0].name, DATA_ERROR_NOT_FOUND);
    assert_string_equal(people[0].payload, "p_3");
}

static void a_channel_is_opened_for_who_has_none(void **state)
{
    open_channel(&people[0], 2, "cursor", &lossy);
    wait(MILLIS(50));
    say_bytes(&people[0], 2, &lossy, "", bytes_of_str("1,2"));
    wait(MILLIS(50));
    assert_int_equal(people[1].count, 1);
    assert_int_equal(people[1].open_count, 1);
    assert_string_equal(people[1].opened_label, "cursor");
    assert_int_equal(people[1].opened.reliability, DCEP_RETRANSMITS);
    assert_false(people[1].opened.ordered);
    say_bytes(&people[0], 2, &lossy, "", bytes_of_str("3,4"));
    wait(MILLIS(50));
    assert_int_equal(people[1].count, 2);
    assert_int_equal(people[1].open_count, 1);
}

static void a_thousand_messages_arrive_in_order(void **state)
{
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t number[4];
        store_be32(number, i);
        say_bytes(&people[0], STREAM, &reliable, "", bytes_of(number, 4));
        if (i % 100 == 0)
            wait(MILLIS(20));
    }
    wait(SECONDS(1));
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(people[i].count, 1000);
        assert_false(people[i].is_out_of_order);
    }
}

static void who_has_no_grant_is_refused(void **state)
{
    sctp_free(people[3].sctp);
    data_member_free(people[3].member);
    people[3] = (struct person){ .sctp = NULL };
    join(3, 1, false);
    wait(SECONDS(1));
    open_channel(&people[3], STREAM, "chat", &reliable);
    say(&people[3], "", "psst");
    assert_int_equal(people[0].count, 0);
    assert_string_equal(people[3].name, DATA_ERROR_FORBIDDEN);
    say(&people[0], "", "hello"); /* but it may listen */
    assert_int_equal(people[3].count, 1);
}

static void more_than_the_rate_is_refused_and_others_are_not_affected(void **state)
{
    for (size_t i = 0; i < DATA_MESSAGES_BURST + 500; i++) {
        say_bytes(&people[0], STREAM, &reliable, "", bytes_of_str("x"));
        if (i % 200 == 0)
            settle();
    }
    settle();
    assert_int_equal(people[0].error_count, 1); /* a flood is not answered by another one */
    assert_string_equal(people[0].name, DATA_ERROR_RATE_LIMITED);
    assert_true(atomic_load(&data_rooms_stats(rooms)->errors) >= 400);
    assert_in_range(people[1].count, DATA_MESSAGES_BURST, DATA_MESSAGES_BURST + 100);
    size_t before = people[2].count;
    say(&people[1], "p_2", "me too");
    assert_int_equal(people[2].count, before + 1);
}

static void who_is_slow_loses_the_channel_and_nobody_else_does(void **state)
{
    static uint8_t big[8000];
    people[1].is_deaf = true;
    for (size_t i = 0; i < 200; i++) {
        say_bytes(&people[0], STREAM, &reliable, "", bytes_of(big, sizeof big));
        wait(MILLIS(40)); /* within the rate */
    }
    assert_int_equal(people[0].error_count, 0);
    assert_int_equal(people[2].count, 200);
    assert_int_equal(atomic_load(&data_rooms_stats(rooms)->closed_slow), 1);
    people[1].is_deaf = false;
    size_t before = people[1].count;
    for (size_t i = 0; i < 2000 && people[1].reset_count == 0; i++) {
        usleep((useconds_t)SCTP_TICK); /* the library looks at the wall clock, too */
        wait(SCTP_TICK);
    }
    assert_true(people[1].count > before); /* what was sent before is still to come */
    assert_int_equal(people[1].reset_count, 1);
    assert_true(people[1].count < 200);
    before = people[1].count;
    say(&people[0], "", "not for you");
    assert_int_equal(people[1].count, before);
    open_channel(&people[1], 4, "chat", &reliable);
    wait(MILLIS(100));
    say(&people[0], "", "again");
    assert_string_equal(people[1].payload, "again");
}

/* The library looks at the wall clock, too. */
static void wait_for(struct person *p, size_t count, size_t reset_count)
{
    for (size_t i = 0; i < 1000 && (p->count < count || p->reset_count < reset_count); i++) {
        usleep((useconds_t)SCTP_TICK);
        wait(SCTP_TICK);
    }
    assert_int_equal(p->count, count);
    assert_int_equal(p->reset_count, reset_count);
}

/* Until much may be on its way at once. */
static void warm_up(struct person *from)
{
    static uint8_t big[16000];
    for (size_t i = 0; i < 30; i++) {
        say_bytes(from, STREAM, &reliable, "", bytes_of(big, sizeof big));
        settle();
    }
    wait(SECONDS(4)); /* and the rate allows a burst again */
}

static void a_burst_waits_for_who_does_not_hear_for_a_while_and_so_does_another_topic(void **state)
{
    warm_up(&people[0]);
    size_t before = people[1].count;
    people[1].is_deaf = true;
    for (size_t i = 0; i < DATA_MESSAGES_BURST; i++) {
        say_bytes(&people[0], STREAM, &reliable, "", bytes_of_str("1"));
        if (i % 100 == 99)
            settle();
    }
    open_channel(&people[2], 2, "another", &reliable);
    say_bytes(&people[2], 2, &reliable, "p_1", bytes_of_str("one"));
    wait(SCTP_TICK);
    people[1].is_deaf = false;
    wait_for(&people[1], before + DATA_MESSAGES_BURST + 1, 0);
    assert_string_equal(people[1].opened_label, "another");
    assert_int_equal(atomic_load(&data_rooms_stats(rooms)->dropped_slow), 0);
}

/* Says messages of one size until one finds no room at a slow receiver. Those that did. */
static size_t fill(struct person *p, uint16_t stream, size_t len)
{
    static uint8_t payload[16000];
    size_t before = atomic_load(&data_rooms_stats(rooms)->closed_slow), sent = 0;
    for (; atomic_load(&data_rooms_stats(rooms)->closed_slow) == before; sent++) {
        assert_in_range(sent, 0, 2 * SCTP_SEND_BUFFER / len);
        say_bytes(p, stream, &reliable, "p_1", bytes_of(payload, len));
        wait(MILLIS(100)); /* within the rate */
    }
    return sent - 1;
}

static void a_topic_is_opened_even_for_who_has_no_room_for_its_first_message(void **state)
{
    people[1].is_deaf = true;
    size_t sent = fill(&people[0], STREAM, 16000);
    open_channel(&people[0], 2, "second", &reliable);
    sent += fill(&people[0], 2, 100);
    open_channel(&people[0], 4, "third", &reliable);
    sent += fill(&people[0], 4, 1000);
    people[1].is_deaf = false;
    wait_for(&people[1], sent, 3);
    assert_string_equal(people[1].opened_label, "third");
}

static void what_has_no_envelope_is_refused(void **state)
{
    static const uint8_t cut[] = { DATA_BYTES, 10, 'p' };
    for (size_t len = 1; len <= sizeof cut; len++)
        assert_int_equal(
            sctp_send(people[0].sctp, STREAM, DCEP_PPID_BINARY, &reliable, bytes_of(cut, len)), OK);
    wait(MILLIS(50));
    assert_int_equal(people[0].error_count, 3);
    assert_string_equal(people[0].name, DATA_ERROR_BAD_REQUEST);
    assert_int_equal(people[1].count, 0);
}

/* The channel of the n-th topic of that name, of our parity. */
static uint16_t open_topic(struct person *p, const char *name, size_t n)
{
    char label[16];
    uint16_t stream = (uint16_t)(2 * (n + 1));
    snprintf(label, sizeof label, "%s-%zu", name, n);
    open_channel(p, stream, label, &reliable);
    wait(MILLIS(20));
    return stream;
}

static void open_topics(struct person *p, const char *name, size_t count)
{
    for (size_t i = 0; i < count; i++)
        say_bytes(p, open_topic(p, name, i), &reliable, "", bytes_of_str(name));
    wait(MILLIS(100));
}

static void leave(struct person *p)
{
    sctp_free(p->sctp);
    data_member_free(p->member);
    *p = (struct person){ .sctp = NULL };
}

static struct person *join_later(struct person *p)
{
    leave(p);
    join((size_t)(p - people), 1, true);
    wait(SECONDS(1));
    assert_int_equal(sctp_state(p->sctp), SCTP_CONNECTED);
    return p;
}

static void who_opens_too_many_channels_is_told(void **state)
{
    enum { OPENED = 2 * DATA_TOPICS_OWN_MAX - 1 }; /* and one of the start */
    for (size_t i = 0; i < OPENED; i++)
        open_topic(&people[0], "topic", i);
    wait(MILLIS(200));
    assert_int_equal(people[0].error_count, DATA_TOPICS_OWN_MAX);
    assert_true(people[0].reset_count < DATA_TOPICS_OWN_MAX); /* time to hear it */
    wait(SECONDS(3));
    assert_int_equal(people[0].reset_count, DATA_TOPICS_OWN_MAX); /* those were closed */
    assert_string_equal(people[0].name, DATA_ERROR_TOO_MANY_TOPICS);
    say(&people[0], "", "the first still works");
    assert_int_equal(people[1].count, 1);
}

static void one_with_all_its_topics_leaves_channels_to_who_joins_later(void **state)
{
    open_topics(&people[0], "topic", DATA_TOPICS_OWN_MAX - 1);
    struct person *late = join_later(&people[3]);
    for (size_t i = 0; i < DATA_TOPICS_OWN_MAX - 1; i++)
        say_bytes(&people[0], (uint16_t)(2 * (i + 1)), &reliable, "", bytes_of_str("again"));
    wait(MILLIS(200));
    assert_int_equal(late->count, DATA_TOPICS_OWN_MAX - 1);
    assert_int_equal(late->open_count, DATA_TOPICS_OWN_MAX - 1);
    size_t before = people[1].count;
    say_bytes(late, open_topic(late, "late", 0), &reliable, "", bytes_of_str("me too"));
    wait(MILLIS(100));
    assert_int_equal(late->reset_count, 0);
    assert_int_equal(late->error_count, 0);
    assert_int_equal(people[1].count, before + 1);
    assert_string_equal(people[1].payload, "me too");
}

static void a_room_has_so_many_topics_and_who_opens_one_more_is_told(void **state)
{
    open_topics(&people[0], "topic", DATA_TOPICS_OWN_MAX - 1);
    enum { LEFT = DATA_TOPICS_MAX - DATA_TOPICS_OWN_MAX };
    open_topics(&people[1], "left", LEFT); /* it has the chat, too */
    assert_int_equal(people[1].error_count, 0);
    struct person *late = join_later(&people[3]);
    open_topic(late, "late", 0);
    wait(SECONDS(3));
    assert_int_equal(late->reset_count, 1);
    assert_int_equal(late->error_count, 1);
    assert_string_equal(late->error, DATA_ERROR_ROOM_TOPICS_FULL);
    size_t before = people[2].count; /* but in those that are there it may talk */
    say_bytes(late, open_topic(late, "topic", 1), &reliable, "", bytes_of_str("hello"));
    wait(MILLIS(100));
    assert_int_equal(people[2].count, before + 1);
    leave(&people[0]);
    say_bytes(late, open_topic(late, "late", 2), &reliable, "", bytes_of_str("free again"));
    wait(MILLIS(100));
    assert_int_equal(late->error_count, 1);
    assert_string_equal(people[2].payload, "free again");
}

static void topics_that_nobody_holds_give_way_to_new_ones(void **state)
{
    static const char *const names[] = { "one", "two", "three", "four" };
    size_t each = DATA_TOPICS_OWN_MAX - 1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        open_topics(&people[0], names[i], each);
        assert_int_equal(people[1].count, (i + 1) * each);
        for (size_t k = 0; k < each; k++)
            sctp_close_stream(people[0].sctp, (uint16_t)(2 * (k + 1)));
        wait(SECONDS(1));
    }
    assert_int_equal(people[0].error_count, 0);
    assert_string_equal(people[1].error, DATA_ERROR_TOPIC_ENDED);
    assert_int_equal(people[1].error_count, people[1].reset_count);
    assert_int_equal(people[1].reset_count, ARRAY_LEN(names) * each - (DATA_TOPICS_MAX));
    assert_int_equal(atomic_load(&data_rooms_stats(rooms)->dropped_slow), 0);
}

static void who_sends_in_a_given_channel_keeps_its_topic(void **state)
{
    open_topics(&people[0], "topic", 1);
    say_bytes(&people[1], people[1].opened_stream, &reliable, "", bytes_of_str("mine"));
    wait(MILLIS(50));
    assert_string_equal(people[2].payload, "mine");
    leave(&people[0]);
    struct person *late = join_later(&people[3]);
    open_topics(&people[2], "other", DATA_TOPICS_OWN_MAX - 1);
    open_topics(late, "late", DATA_TOPICS_OWN_MAX - 1);
    assert_string_equal(late->error, DATA_ERROR_ROOM_TOPICS_FULL);
    say_bytes(&people[1], people[1].opened_stream, &reliable, "", bytes_of_str("still"));
    wait(MILLIS(50));
    assert_int_equal(people[1].error_count, 0);
    assert_string_equal(late->payload, "still");
}

static void who_only_listens_takes_no_topic_from_the_room(void **state)
{
    leave(&people[3]);
    join(3, 1, false);
    wait(SECONDS(1));
    for (size_t i = 0; i < DATA_TOPICS_OWN_MAX; i++)
        open_topic(&people[3], "listen", i);
    wait(MILLIS(100));
    assert_int_equal(people[3].error_count, 0);
    open_topics(&people[0], "a", DATA_TOPICS_OWN_MAX - 1);
    open_topics(&people[1], "b", DATA_TOPICS_MAX - DATA_TOPICS_OWN_MAX);
    assert_int_equal(people[0].error_count + people[1].error_count, 0);
    assert_int_equal(people[3].count, DATA_TOPICS_MAX - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_message_to_the_room_reaches_all_but_its_sender),
        TEST(a_message_to_one_reaches_nobody_else),
        TEST(a_channel_is_opened_for_who_has_none),
        TEST(a_thousand_messages_arrive_in_order),
        TEST(who_has_no_grant_is_refused),
        TEST(more_than_the_rate_is_refused_and_others_are_not_affected),
        TEST(who_is_slow_loses_the_channel_and_nobody_else_does),
        TEST(a_burst_waits_for_who_does_not_hear_for_a_while_and_so_does_another_topic),
        TEST(a_topic_is_opened_even_for_who_has_no_room_for_its_first_message),
        TEST(what_has_no_envelope_is_refused),
        TEST(who_opens_too_many_channels_is_told),
        TEST(one_with_all_its_topics_leaves_channels_to_who_joins_later),
        TEST(a_room_has_so_many_topics_and_who_opens_one_more_is_told),
        TEST(topics_that_nobody_holds_give_way_to_new_ones),
        TEST(who_sends_in_a_given_channel_keeps_its_topic),
        TEST(who_only_listens_takes_no_topic_from_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
