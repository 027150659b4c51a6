/* The rings between control and a media thread; run it under ThreadSanitizer too.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/inbox.h"

#include "core/command.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 20000 };

static struct inbox inbox;

static void wait_for_wake(void)
{
    struct pollfd p = { .fd = inbox.wake_fd, .events = POLLIN };
    uint64_t count;
    if (poll(&p, 1, 5000) > 0 && read(inbox.wake_fd, &count, sizeof count) < 0)
        return;
}

/* Takes commands and gives each back, as a worker does, until one has id 0. */
static void *worker(void *unused)
{
    (void)unused;
    for (;;) {
        struct command *c = inbox_has_room(&inbox) ? inbox_next_command(&inbox) : NULL;
        if (c == NULL) {
            wait_for_wake();
            continue;
        }
        struct event e = { .kind = EVENT_COMMAND_DONE, .command = c, .err = OK };
        uint64_t id = c->id;
        c->track_set.muted = !c->track_set.muted; /* what it points to belongs to us for now */
        assert_true(inbox_put_event(&inbox, &e));
        if (id == 0)
            return NULL;
    }
}

static void every_command_comes_back_in_order(void **state)
{
    (void)state;
    pthread_t thread;
    static struct event e;
    uint64_t posted = ROUNDS, taken = ROUNDS;
    assert_int_equal(inbox_init(&inbox, NULL), OK);
    assert_int_equal(pthread_create(&thread, NULL, worker, NULL), 0);
    struct command *next = NULL;
    while (taken > 0) {
        if (posted > 0 && next == NULL) {
            next = calloc(1, sizeof *next);
            assert_non_null(next);
            next->id = posted - 1;
        }
        if (next != NULL && inbox_post(&inbox, next)) {
            next = NULL;
            posted--;
        }
        while (inbox_next_event(&inbox, &e)) {
            assert_int_equal(e.command->id, taken - 1);
            assert_true(e.command->track_set.muted);
            free(e.command);
            taken--;
        }
        if (taken > posted)
            inbox_wake(&inbox); /* there may be room again */
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    inbox_done(&inbox);
}

static void a_full_inbox_says_so(void **state)
{
    (void)state;
    static struct command c;
    static struct event e;
    assert_int_equal(inbox_init(&inbox, NULL), OK);
    for (size_t i = 0; i < INBOX_COMMANDS; i++)
        assert_true(inbox_post(&inbox, &c));
    assert_false(inbox_post(&inbox, &c));
    for (size_t i = 0; i < INBOX_EVENTS; i++)
        assert_true(inbox_put_event(&inbox, &e));
    assert_false(inbox_has_room(&inbox));
    assert_false(inbox_put_event(&inbox, &e));
    assert_int_equal(inbox.events_dropped, 1);
    inbox_done(&inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_comes_back_in_order),
        cmocka_unit_test(a_full_inbox_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
