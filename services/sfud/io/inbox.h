/* inbox.h - messages between the control thread and one media thread.
 *
 * Two SPSC rings of pointers and values: commands go to the worker (its eventfd ends the wait),
 * events come back (a uv_async ends control's). Full is said at once; nobody waits for the other.
 * A command belongs to the worker from inbox_post() until it comes back in EVENT_COMMAND_DONE.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_INBOX_H
#define SFUD_IO_INBOX_H

#include "common/ring.h"
#include "core/event.h"

#include <uv.h>

enum {
    INBOX_COMMANDS = 1024, /* requests in flight; signald waits 2 s for each */
    INBOX_EVENTS = 4096,   /* as many as a worker keeps */
};

struct inbox {
    struct ring commands; /* of struct command *: control -> worker */
    struct ring events;   /* of struct event: worker -> control */
    void *command_memory, *event_memory;
    int wake_fd;        /* given to udp_open() */
    uv_async_t *notify; /* borrowed; may be NULL in tests */
    _Atomic uint64_t events_dropped;
};

/* notify: called when events wait; initialised on the control loop, outlives the inbox. */
MUST_USE enum err inbox_init(struct inbox *i, uv_async_t *notify);
void inbox_done(struct inbox *i);

/* Control thread. False: full; the command is still the caller's. */
MUST_USE bool inbox_post(struct inbox *i, struct command *c);
/* Control thread: ends the worker's wait without a command. */
void inbox_wake(struct inbox *i);
/* Control thread. */
bool inbox_next_event(struct inbox *i, struct event *ret);

/* Media thread. NULL when there is none. */
struct command *inbox_next_command(struct inbox *i);
/* Media thread. False: full, the event is dropped and counted. Tell control with inbox_notify(). */
bool inbox_put_event(struct inbox *i, const struct event *e);
/* Media thread: room for at least one event. */
bool inbox_has_room(const struct inbox *i);
void inbox_notify(struct inbox *i);

#endif
