/* Two ends of SCTP in one process, on a virtual clock and a network that may lose. Where it
 * does, time is real: the library looks at the wall clock before it repeats.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/sctp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

enum { PORT = 5000, RECEIVED_MAX = 2048 };

struct end {
    struct sctp *sctp;
    uint32_t received[RECEIVED_MAX]; /* first four bytes of each message */
    size_t received_count;
    struct sctp_message last; /* without data */
    size_t last_len;
    size_t reset_count;
};

static struct end a, b;
static unsigned lose_each; /* every nth packet; 0: none */
static unsigned carried_count;
static size_t longest;

static const struct sctp_manner reliable = { .reliability = DCEP_RELIABLE, .ordered = true };
static const struct sctp_manner lossy = { .reliability = DCEP_RETRANSMITS };

static bool carry(struct end *from, struct end *to)
{
    struct bytes p;
    bool any = false;
    while (from->sctp != NULL && sctp_next_packet(from->sctp, &p)) {
        any = true;
        longest = MAX(longest, p.len);
        if (lose_each != 0 && ++carried_count % lose_each == 0)
            continue;
        if (to->sctp != NULL)
            sctp_receive(to->sctp, p);
    }
    return any;
}

static void take(struct end *e)
{
    struct sctp_message m;
    while (e->sctp != NULL && sctp_next_message(e->sctp, &m)) {
        if (m.is_reset) {
            e->reset_count++;
            continue;
        }
        assert_true(e->received_count < RECEIVED_MAX);
        e->received[e->received_count++] = m.data.len >= 4 ? load_be32(m.data.data) : 0;
        e->last = m;
        e->last_len = m.data.len;
    }
}

static void settle(void)
{
    bool any = true;
    while (any) {
        any = carry(&a, &b);
        any |= carry(&b, &a);
        take(&a);
        take(&b);
    }
}

static void wait(usec duration)
{
    settle();
    for (usec t = 0; t < duration; t += SCTP_TICK) {
        sctp_stack_tick(SCTP_TICK);
        settle();
    }
}

static int start(void **state)
{
    a = b = (struct end){ .sctp = NULL };
    lose_each = carried_count = 0;
    longest = 0;
    a.sctp = sctp_new(PORT);
    b.sctp = sctp_new(PORT);
    wait(SECONDS(1));
    return a.sctp == NULL || b.sctp == NULL || sctp_state(a.sctp) != SCTP_CONNECTED ||
           sctp_state(b.sctp) != SCTP_CONNECTED;
}

static int stop(void **state)
{
    sctp_free(a.sctp);
    sctp_free(b.sctp);
    return 0;
}

static enum err send_number(struct end *e, uint32_t number, size_t len,
                            const struct sctp_manner *manner)
{
    uint8_t message[SCTP_MESSAGE_MAX + 1] = { 0 };
    store_be32(message, number);
    return sctp_send(e->sctp, 1, DCEP_PPID_BINARY, manner, bytes_of(message, len));
}

static void a_message_arrives_whole_with_stream_and_kind(void **state)
{
    assert_int_equal(send_number(&a, 7, SCTP_MESSAGE_MAX, &reliable), OK);
    wait(MILLIS(100));
    assert_int_equal(b.received_count, 1);
    assert_int_equal(b.last_len, SCTP_MESSAGE_MAX);
    assert_int_equal(b.last.stream, 1);
    assert_int_equal(b.last.ppid, DCEP_PPID_BINARY);
    assert_in_range(longest, SCTP_PACKET_MAX / 2, SCTP_PACKET_MAX);
}

static void reliable_messages_arrive_in_order_over_loss(void **state)
{
    lose_each = 7;
    for (uint32_t i = 0; i < 300; i++) {
        assert_int_equal(send_number(&a, i, 100, &reliable), OK);
        if (i % 50 == 0)
            wait(MILLIS(20));
    }
    for (size_t i = 0; i < 2000 && b.received_count < 300; i++) {
        usleep((useconds_t)SCTP_TICK);
        wait(SCTP_TICK);
    }
    assert_int_equal(b.received_count, 300);
    for (uint32_t i = 0; i < 300; i++)
        assert_int_equal(b.received[i], i);
}

static void lossy_messages_are_lost_and_not_waited_for(void **state)
{
    lose_each = 5;
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(send_number(&b, i, 100, &lossy), OK);
        settle();
    }
    wait(SECONDS(10));
    assert_in_range(a.received_count, 100, 499);
    assert_int_equal(send_number(&b, 12345, 100, &lossy), OK); /* it still works */
    lose_each = 0;
    wait(SECONDS(2));
    assert_true(a.received_count > 100);
}

static void who_does_not_take_anything_fills_only_its_own_buffer(void **state)
{
    struct end gone = b;
    b.sctp = NULL; /* no answers from here */
    size_t count = 0;
    enum err err = OK;
    for (; count < 10000 && err == OK; count++)
        err = send_number(&a, 1, 1000, &reliable);
    assert_int_equal(err, ERR_FULL);
    assert_in_range(count * 1000, SCTP_SEND_BUFFER / 2, 2 * SCTP_SEND_BUFFER);
    b = gone;
}

static void a_closed_stream_is_closed_on_both_sides(void **state)
{
    assert_int_equal(send_number(&a, 1, 10, &reliable), OK);
    wait(MILLIS(100));
    sctp_close_stream(a.sctp, 1);
    wait(SECONDS(1));
    assert_int_equal(b.reset_count, 1);
    assert_int_equal(a.reset_count, 1);
    assert_int_equal(send_number(&a, 2, 10, &reliable), OK); /* to be opened anew */
    wait(MILLIS(500));
    assert_int_equal(b.received[b.received_count - 1], 2);
}

static void a_message_that_is_too_long_ends_the_association(void **state)
{
    assert_int_equal(send_number(&a, 7, SCTP_MESSAGE_MAX + 1, &reliable), OK);
    wait(MILLIS(200));
    assert_int_equal(b.received_count, 0);
    assert_int_equal(sctp_state(b.sctp), SCTP_ENDED);
}

/* RFC 9260 §6.8, bit by bit. */
static uint32_t crc32c(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78 & (0u - (crc & 1)));
    }
    return ~crc;
}

/* ABORT of the one that is about to say something. */
static void abort_association(struct end *from, struct end *to)
{
    struct bytes p;
    uint8_t packet[16] = { 0 };
    assert_int_equal(send_number(from, 1, 10, &reliable), OK);
    assert_true(sctp_next_packet(from->sctp, &p));
    memcpy(packet, p.data, 8); /* ports and tag */
    packet[12] = 6;
    packet[15] = 4;
    uint32_t crc = crc32c(packet, sizeof packet);
    for (size_t i = 0; i < sizeof crc; i++)
        packet[8 + i] = (uint8_t)(crc >> 8 * i);
    sctp_receive(to->sctp, bytes_of(packet, sizeof packet));
}

static void assert_nothing_is_left(void)
{
    for (size_t i = 0; i < 100; i++)
        sctp_stack_tick(SCTP_TICK);
    sctp_close_stream(b.sctp, 1);
    sctp_free(a.sctp);
    sctp_free(b.sctp);
    a.sctp = b.sctp = NULL;
    assert_true(sctp_stack_end());
    sctp_stack_begin();
}

static void an_association_that_was_aborted_leaves_nothing_in_the_library(void **state)
{
    assert_int_equal(send_number(&b, 1, 10, &reliable), OK); /* a timer runs */
    abort_association(&a, &b);
    assert_int_equal(sctp_state(b.sctp), SCTP_ENDED);
    assert_int_equal(send_number(&b, 1, 10, &reliable), ERR_BAD_STATE);
    assert_nothing_is_left();
}

/* The library ends it in a timer that still holds it, and lets go of it in another one. */
static void an_association_that_nobody_answers_leaves_nothing_in_the_library(void **state)
{
    struct bytes p;
    sctp_free(a.sctp);
    a.sctp = sctp_new(PORT);
    for (size_t i = 0; i < 10000 && sctp_state(a.sctp) != SCTP_ENDED; i++) {
        while (sctp_next_packet(a.sctp, &p))
            continue;
        sctp_stack_tick(SECONDS(1));
    }
    assert_int_equal(sctp_state(a.sctp), SCTP_ENDED);
    assert_nothing_is_left();
}

static void associations_that_come_and_go_leave_nothing_in_the_library(void **state)
{
    for (size_t i = 0; i < 100; i++) {
        sctp_free(a.sctp);
        sctp_free(b.sctp);
        a.sctp = sctp_new(PORT);
        b.sctp = sctp_new(PORT);
        wait(MILLIS(100));
        assert_int_equal(sctp_state(a.sctp), SCTP_CONNECTED);
        if (i % 5 == 4)
            assert_nothing_is_left();
    }
}

static void junk_is_ignored(void **state)
{
    uint8_t junk[200];
    for (size_t i = 0; i < 500; i++) {
        for (size_t j = 0; j < sizeof junk; j++)
            junk[j] = (uint8_t)(i * 31 + j * 17);
        sctp_receive(a.sctp, bytes_of(junk, i % sizeof junk));
    }
    assert_int_equal(send_number(&b, 3, 10, &reliable), OK);
    wait(MILLIS(100));
    assert_int_equal(a.received_count, 1);
}

int main(void)
{
    sctp_stack_begin();
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_message_arrives_whole_with_stream_and_kind),
        TEST(reliable_messages_arrive_in_order_over_loss),
        TEST(lossy_messages_are_lost_and_not_waited_for),
        TEST(who_does_not_take_anything_fills_only_its_own_buffer),
        TEST(a_closed_stream_is_closed_on_both_sides),
        TEST(a_message_that_is_too_long_ends_the_association),
        TEST(an_association_that_was_aborted_leaves_nothing_in_the_library),
        TEST(an_association_that_nobody_answers_leaves_nothing_in_the_library),
        TEST(associations_that_come_and_go_leave_nothing_in_the_library),
        TEST(junk_is_ignored),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return sctp_stack_end() ? failed : 1;
}
