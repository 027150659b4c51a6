/* One bot on its thread. See engine_private.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/engine_private.h"

#include "common/os/clock.h"
#include "common/os/log.h"
#include "common/splitmix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Seeds of neighbours have nothing in common. */
static uint64_t seed_of(uint64_t seed, uint64_t index)
{
    return splitmix_mix(seed + (index + 1) * SPLITMIX_STEP);
}

bool engine_bot_init(struct engine_bot *b, struct engine_thread *t, unsigned order)
{
    const struct engine_config *c = &t->engine->config;
    unsigned index = c->world->bot_first + order;
    unsigned group = scenario_place(c->world->scenario, index).group;
    struct bot_config config = { .world = c->world,
                                 .index = index,
                                 .seed = seed_of(c->seed, index),
                                 .measure = &t->measures[group] };
    *b = (struct engine_bot){ .thread = t, .order = order };
    deadline_init(&b->deadline);
    b->bot = bot_new(&config);
    return b->bot != NULL && engine_network_init(b, config.seed);
}

/* Sockets and requests go; the bot stays to be looked at. */
void engine_bot_release(struct engine_bot *b)
{
    if (b->websocket != NULL)
        websocket_cut(b->websocket);
    b->websocket = NULL;
    fetch_cancel(b->fetch);
    b->fetch = NULL;
    for (unsigned leg = 0; leg < BOT_LEGS_MAX; leg++) {
        media_socket_close(b->legs[leg]);
        b->legs[leg] = NULL;
    }
}

void engine_bot_done(struct engine_bot *b)
{
    bot_free(b->bot);
    engine_network_done(b);
    b->bot = NULL;
}

/* The time of a call: now, but never before the call before. */
static usec advance(struct engine_bot *b, usec now)
{
    b->now = MAX(b->now, now);
    return b->now;
}

/* ---- what the bot wants done */

static void on_fetched(void *owner, int status, struct bytes body, const char *error, usec now)
{
    struct engine_bot *b = owner;
    b->fetch = NULL;
    bot_on_fetched(b->bot, status, body, error, advance(b, now), &b->thread->out);
    engine_bot_settle(b);
}

static void open_media(struct engine_bot *b, unsigned leg)
{
    check(leg < BOT_LEGS_MAX);
    media_socket_close(b->legs[leg]);
    b->legs[leg] = media_socket_open(b->thread->media, b, leg);
    if (b->legs[leg] == NULL)
        log_error("socket.failed", KV_U64("bot", bot_index(b->bot)),
                  KV_STR("error", strerror(errno)));
}

static void send_datagrams(struct engine_bot *b)
{
    const struct outbound *out = &b->thread->out;
    struct media_send sends[OUTBOUND_DATAGRAMS_MAX];
    for (size_t at = 0; at < out->datagram_count;) {
        unsigned leg = out->datagrams[at].leg;
        size_t count = 0;
        for (; at < out->datagram_count && out->datagrams[at].leg == leg; at++)
            sends[count++] = (struct media_send){ .data = out->arena + out->datagrams[at].offset,
                                                  .len = out->datagrams[at].len,
                                                  .to = out->datagrams[at].to };
        if (leg < BOT_LEGS_MAX && b->legs[leg] != NULL)
            media_socket_send(b->legs[leg], sends, count);
        else
            b->thread->stats.send_failed += count;
    }
}

/* Is the leg opened again by an action after this one? */
static bool is_reopened(const struct outbound *out, size_t index)
{
    for (size_t i = index + 1; i < out->action_count; i++)
        if (out->actions[i].kind == ACTION_OPEN_MEDIA &&
            out->actions[i].leg == out->actions[index].leg)
            return true;
    return false;
}

static void write_file(struct engine_bot *b, const struct action *a)
{
    struct engine_thread *t = b->thread;
    if (recorder_append(t->recorder, a->url, bytes_of(a->text, a->text_len)) == OK)
        return;
    if (t->stats.file_errors++ == 0)
        log_error("recording.failed", KV_STR("path", a->url), KV_STR("error", strerror(errno)));
}

static void start_fetch(struct engine_bot *b, const struct action *a)
{
    struct bytes body = bytes_of(a->text, a->text == NULL ? 0 : a->text_len);
    if (a->text != NULL && a->text_len == 0)
        body.len = strlen(a->text);
    fetch_cancel(b->fetch);
    b->fetch = fetch_start(b->thread->fetcher, a->url, body, a->token, on_fetched, b);
    check(b->fetch != NULL);
}

static void perform(struct engine_bot *b, const struct outbound *out, size_t index)
{
    const struct action *a = &out->actions[index];
    struct engine_thread *t = b->thread;
    switch (a->kind) {
    case ACTION_FETCH:
        start_fetch(b, a);
        return;
    case ACTION_OPEN:
        if (b->websocket != NULL)
            websocket_cut(b->websocket);
        b->websocket = websocket_open(t->websockets, a->url, a->subprotocol, b);
        check(b->websocket != NULL);
        return;
    case ACTION_TEXT:
        if (b->websocket != NULL)
            websocket_send(b->websocket, bytes_of(a->text, a->text_len));
        return;
    case ACTION_CLOSE:
        if (b->websocket != NULL)
            websocket_close(b->websocket);
        b->websocket = NULL;
        return;
    case ACTION_OPEN_MEDIA:
        return; /* was done first */
    case ACTION_CLOSE_MEDIA:
        if (a->leg < BOT_LEGS_MAX && !is_reopened(out, index)) {
            media_socket_close(b->legs[a->leg]);
            b->legs[a->leg] = NULL;
        }
        return;
    case ACTION_FILE:
        write_file(b, a);
        return;
    }
}

/* Sockets are opened before the datagrams that leave through them, and closed after them. */
static void perform_all(struct engine_bot *b)
{
    struct outbound *out = &b->thread->out;
    for (size_t i = 0; i < out->action_count; i++)
        if (out->actions[i].kind == ACTION_OPEN_MEDIA)
            open_media(b, out->actions[i].leg);
    if (out->datagram_count > 0 && b->up != NULL)
        engine_network_send(b, out, b->now);
    else if (out->datagram_count > 0)
        send_datagrams(b);
    for (size_t i = 0; i < out->action_count; i++)
        perform(b, out, i);
    outbound_clear(out);
}

static void note_failure(struct engine_bot *b, const struct bot_failure *f)
{
    struct engine_thread *t = b->thread;
    b->failure_at = f->at;
    pthread_mutex_lock(&t->lock);
    t->failures_seen++;
    if (t->failure_count == t->failure_capacity && t->failure_count < ENGINE_FAILURES_MAX) {
        size_t capacity = MIN(MAX(t->failure_capacity * 2, (size_t)64), ENGINE_FAILURES_MAX);
        struct engine_failure *larger = realloc(t->failures, capacity * sizeof *larger);
        if (larger != NULL) {
            t->failures = larger;
            t->failure_capacity = capacity;
        }
    }
    if (t->failure_count < t->failure_capacity) {
        struct engine_failure *x = &t->failures[t->failure_count++];
        *x = (struct engine_failure){ .bot = bot_index(b->bot), .failure = *f };
        snprintf(x->name, sizeof x->name, "%s", bot_name(b->bot));
        snprintf(x->room, sizeof x->room, "%s", bot_room(b->bot));
    }
    pthread_mutex_unlock(&t->lock);
}

void engine_bot_settle(struct engine_bot *b)
{
    const struct bot_failure *f = bot_failure(b->bot);
    enum bot_state state = bot_state(b->bot);
    perform_all(b);
    b->has_joined = b->has_joined || state == BOT_CONNECTED;
    b->has_failed = b->has_failed || state == BOT_FAILED;
    if (f->error[0] != 0 && f->at != b->failure_at)
        note_failure(b, f);
    deadline_heap_set(&b->thread->heap, &b->deadline,
                      MIN(bot_next_deadline(b->bot), engine_network_deadline(b)));
}

/* ---- what happens to the bot */

void engine_bot_on_deadline(struct engine_bot *b, usec now)
{
    struct engine_thread *t = b->thread;
    histogram_record(&t->stats.late_us, now - b->deadline.at);
    t->stats.ticks++;
    if (b->is_started) {
        engine_network_run(b, now);
        usec at = advance(b, now);
        if (bot_next_deadline(b->bot) <= at)
            bot_tick(b->bot, at, &t->out);
    } else {
        b->is_started = true;
        bot_start(b->bot, advance(b, now), &t->out);
    }
    engine_bot_settle(b);
}

void engine_bot_on_datagram(void *data, const struct media_arrival *a)
{
    struct engine_bot *b = a->owner;
    (void)data;
    usec at = advance(b, a->arrival);
    if (b->down != NULL)
        engine_network_receive(b, a, at);
    else
        bot_on_datagram(b->bot, a->leg, &a->from, a->data, a->len, at, &b->thread->out);
    engine_bot_settle(b);
}

static void on_stage(void *owner, enum websocket_stage reached, usec now)
{
    struct engine_bot *b = owner;
    static const enum join_stage stages[] = {
        [WEBSOCKET_TCP] = STAGE_TCP, [WEBSOCKET_TLS] = STAGE_TLS, [WEBSOCKET_OPEN] = STAGE_WEBSOCKET
    };
    bot_on_stage(b->bot, stages[reached], advance(b, now));
}

static void on_open(void *owner, usec now)
{
    struct engine_bot *b = owner;
    bot_on_open(b->bot, advance(b, now), &b->thread->out);
    engine_bot_settle(b);
}

static void on_text(void *owner, struct bytes text, usec now)
{
    struct engine_bot *b = owner;
    bot_on_text(b->bot, text, advance(b, now), &b->thread->out);
    engine_bot_settle(b);
}

static void on_closed(void *owner, int code, const char *reason, usec now)
{
    struct engine_bot *b = owner;
    b->websocket = NULL;
    bot_on_closed(b->bot, code, reason, advance(b, now), &b->thread->out);
    engine_bot_settle(b);
}

const struct websocket_events engine_bot_events = {
    .on_stage = on_stage,
    .on_open = on_open,
    .on_text = on_text,
    .on_closed = on_closed,
};

void engine_bot_leave(struct engine_bot *b)
{
    if (!b->is_started) {
        deadline_heap_set(&b->thread->heap, &b->deadline, USEC_NEVER);
        return;
    }
    usec now = advance(b, clock_now());
    bot_leave(b->bot, now, &b->thread->out);
    engine_bot_settle(b);
}

void engine_bot_hit(struct engine_bot *b, bool rejoin)
{
    usec now = advance(b, clock_now());
    if (rejoin) {
        bot_rejoin(b->bot, now, &b->thread->out);
        engine_bot_settle(b);
    } else if (b->websocket != NULL) {
        websocket_cut(b->websocket);
        on_closed(b, 0, "reset", now);
    }
}
