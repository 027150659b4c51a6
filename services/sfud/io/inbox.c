/* SPDX-License-Identifier: Apache-2.0 */
#include "io/inbox.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum err inbox_init(struct inbox *i, uv_async_t *notify)
{
    *i = (struct inbox){ .wake_fd = -1, .notify = notify };
    i->command_memory = malloc(RING_BYTES(INBOX_COMMANDS, sizeof(struct command *)));
    i->event_memory = malloc(RING_BYTES(INBOX_EVENTS, sizeof(struct event)));
    i->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (i->command_memory == NULL || i->event_memory == NULL || i->wake_fd < 0) {
        inbox_done(i);
        return ERR_SYSTEM;
    }
    ring_init(&i->commands, i->command_memory, INBOX_COMMANDS, sizeof(struct command *));
    ring_init(&i->events, i->event_memory, INBOX_EVENTS, sizeof(struct event));
    return OK;
}

void inbox_done(struct inbox *i)
{
    if (i->wake_fd >= 0)
        close(i->wake_fd);
    free(i->command_memory);
    free(i->event_memory);
    i->wake_fd = -1;
    i->command_memory = i->event_memory = NULL;
}

void inbox_wake(struct inbox *i)
{
    uint64_t one = 1;
    /* EAGAIN: the counter is at its end, so the other side has more than enough to wake for. */
    if (write(i->wake_fd, &one, sizeof one) < 0)
        return;
}

bool inbox_post(struct inbox *i, struct command *c)
{
    if (!ring_push(&i->commands, &c))
        return false;
    inbox_wake(i);
    return true;
}

bool inbox_next_event(struct inbox *i, struct event *ret)
{
    return ring_pop(&i->events, ret);
}

struct command *inbox_next_command(struct inbox *i)
{
    struct command *c = NULL;
    return ring_pop(&i->commands, &c) ? c : NULL;
}

bool inbox_has_room(const struct inbox *i)
{
    return ring_len(&i->events) < INBOX_EVENTS;
}

bool inbox_put_event(struct inbox *i, const struct event *e)
{
    if (ring_push(&i->events, e))
        return true;
    uint64_t dropped = atomic_load_explicit(&i->events_dropped, memory_order_relaxed);
    atomic_store_explicit(&i->events_dropped, dropped + 1, memory_order_relaxed);
    return false;
}

void inbox_notify(struct inbox *i)
{
    if (i->notify != NULL)
        (void)uv_async_send(i->notify);
}
