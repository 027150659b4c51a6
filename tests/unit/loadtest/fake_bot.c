/* See fake_bot.h. SPDX-License-Identifier: Apache-2.0 */
#include "fake_bot.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVERY_US = 20000, DATAGRAM = 200 };

uint16_t fake_echo_port;
const char *fake_record_path;

/* Every call: one thread, and time goes on. */
static void enter(struct bot *b, usec now)
{
    if (!b->has_thread) {
        b->thread = pthread_self();
        b->has_thread = true;
    }
    check(pthread_equal(b->thread, pthread_self()));
    check(now >= b->now);
    b->now = now;
}

const char *join_stage_name(enum join_stage s)
{
    (void)s;
    return "stage";
}

struct bot *bot_new(const struct bot_config *config)
{
    struct bot *b = calloc(1, sizeof *b);
    check(b != NULL);
    b->world = config->world;
    b->measure = config->measure;
    b->index = config->index;
    b->seed = config->seed;
    b->group = (enum fake_group)scenario_place(config->world->scenario, b->index).group;
    b->next = USEC_NEVER;
    snprintf(b->name, sizeof b->name, "fake (bot %u)", b->index);
    return b;
}

void bot_free(struct bot *b)
{
    free(b);
}

unsigned bot_index(const struct bot *b)
{
    return b->index;
}

const char *bot_name(const struct bot *b)
{
    return b->name;
}

const char *bot_room(const struct bot *b)
{
    (void)b;
    return "room-1";
}

enum bot_state bot_state(const struct bot *b)
{
    return b->state;
}

const struct bot_failure *bot_failure(const struct bot *b)
{
    return &b->failure;
}

static char *join_text(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    check(text != NULL);
    snprintf(text, size, "%s%s", a, b);
    return text;
}

void bot_start(struct bot *b, usec now, struct outbound *out)
{
    enter(b, now);
    b->starts++;
    b->state = BOT_JOINING;
    b->measure->join_started++;
    struct action *a = outbound_action(out, ACTION_FETCH);
    a->url = join_text(b->world->url, "/token");
    a->text = join_text("{}", "");
    a->text_len = 2;
}

static void open_socket(struct bot *b, struct outbound *out)
{
    struct action *a = outbound_action(out, ACTION_OPEN);
    a->url = join_text(b->world->token, b->group == FAKE_WRONG_PATH ? "/wrong" : "/ws");
    a->subprotocol = "test.v1";
}

static void fail(struct bot *b, enum join_stage stage, const char *error, usec now)
{
    b->state = BOT_FAILED;
    b->next = USEC_NEVER;
    b->measure->join_failed++;
    b->failure = (struct bot_failure){ .stage = stage, .at = now };
    snprintf(b->failure.error, sizeof b->failure.error, "%s", error);
}

void bot_on_fetched(struct bot *b, int status, struct bytes body, const char *error, usec now,
                    struct outbound *out)
{
    enter(b, now);
    (void)body;
    if (status == 200)
        open_socket(b, out);
    else
        fail(b, STAGE_TOKEN, error == NULL ? "status" : error, now);
}

void bot_on_stage(struct bot *b, enum join_stage reached, usec now)
{
    enter(b, now);
    b->stages |= 1u << reached;
}

void bot_on_open(struct bot *b, usec now, struct outbound *out)
{
    enter(b, now);
    b->opens++;
    struct action *a = outbound_action(out, ACTION_TEXT);
    a->text = join_text("hello", "");
    a->text_len = 5;
}

void bot_on_text(struct bot *b, struct bytes text, usec now, struct outbound *out)
{
    enter(b, now);
    check(bytes_equal(text, bytes_of_str("hello")));
    if (b->state == BOT_RESUMING) {
        b->state = BOT_CONNECTED;
        return;
    }
    outbound_action(out, ACTION_OPEN_MEDIA)->leg = 0;
    b->next = now;
}

void bot_on_closed(struct bot *b, int code, const char *reason, usec now, struct outbound *out)
{
    enter(b, now);
    (void)code;
    b->closes++;
    if (b->state == BOT_CONNECTED) {
        b->state = BOT_RESUMING;
        open_socket(b, out);
    } else {
        fail(b, STAGE_WEBSOCKET, reason, now);
    }
}

void bot_on_datagram(struct bot *b, unsigned leg, const struct net_addr *from, uint8_t *datagram,
                     size_t len, usec now, struct outbound *out)
{
    usec sent;
    enter(b, now);
    (void)out;
    check(leg == 0 && len == DATAGRAM && from->port == fake_echo_port);
    memcpy(&sent, datagram, sizeof sent);
    histogram_record(&b->measure->audio.latency, now - sent);
    b->measure->audio.received_packets++;
    b->datagrams++;
    if (b->state == BOT_JOINING) {
        b->state = BOT_CONNECTED;
        b->measure->join_done++;
    }
}

void bot_tick(struct bot *b, usec now, struct outbound *out)
{
    static const uint8_t ip[4] = { 127, 0, 0, 1 };
    const struct net_addr to = net_addr_ipv4(ip, fake_echo_port);
    enter(b, now);
    check(b->next != USEC_NEVER && now >= b->next);
    b->next += EVERY_US;
    uint8_t *datagram = outbound_reserve(out, DATAGRAM);
    if (datagram == NULL)
        return;
    memset(datagram, 0, DATAGRAM);
    memcpy(datagram, &now, sizeof now);
    outbound_commit(out, 0, &to, DATAGRAM);
    b->measure->audio.sent_packets++;
}

usec bot_next_deadline(const struct bot *b)
{
    return b->next;
}

static void part(struct bot *b, struct outbound *out)
{
    outbound_action(out, ACTION_CLOSE);
    outbound_action(out, ACTION_CLOSE_MEDIA)->leg = 0;
    b->next = USEC_NEVER;
}

void bot_leave(struct bot *b, usec now, struct outbound *out)
{
    enter(b, now);
    part(b, out);
    b->state = BOT_LEFT;
    if (fake_record_path == NULL)
        return;
    struct action *a = outbound_action(out, ACTION_FILE);
    a->url = join_text(fake_record_path, b->index % 2 ? "/odd/left" : "/even/left");
    a->text = join_text(b->name, "\n");
    a->text_len = strlen(a->text);
}

void bot_begin_plateau(struct bot *b, usec now)
{
    enter(b, now);
    b->plateaus++;
}

void bot_end_plateau(struct bot *b, usec now)
{
    enter(b, now);
    b->plateaus += 100;
}

void bot_rejoin(struct bot *b, usec now, struct outbound *out)
{
    enter(b, now);
    part(b, out);
    bot_start(b, now, out);
}
