/* bot.c - a bot's life: start, join, stay, lose, come back, leave.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/bot_media.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *join_stage_name(enum join_stage s)
{
    static const char *const names[STAGE_COUNT] = { "token",     "tcp",          "tls",
                                                    "websocket", "join",         "ice",
                                                    "dtls",      "first_packet", "first_keyframe" };
    check((unsigned)s < STAGE_COUNT);
    return names[s];
}

struct bot *bot_new(const struct bot_config *config)
{
    struct bot *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    const struct scenario *s = config->world->scenario;
    b->config = *config;
    b->place = scenario_place(s, config->index);
    b->group = &s->groups[b->place.group];
    b->random_state = config->seed;
    b->joined_at = b->connected_at = USEC_NEVER;
    b->join_deadline = b->retry_at = b->view_at = b->second_at = b->voice_at = USEC_NEVER;
    b->scroll_at = b->leave_at = b->return_at = b->resume_until = USEC_NEVER;
    b->mistoned = -1;
    if (s->participant[0] != '\0')
        snprintf(b->name, sizeof b->name, "%s", s->participant);
    else
        snprintf(b->name, sizeof b->name, "%.40s-%u (bot %u)", b->group->name, b->place.member + 1,
                 config->index);
    if (s->room[0] != '\0')
        snprintf(b->room, sizeof b->room, "%s", s->room);
    else if (s->room_prefix[0] != '\0')
        snprintf(b->room, sizeof b->room, "%s-%u", s->room_prefix, b->place.room + 1);
    else
        snprintf(b->room, sizeof b->room, "load-%s-%u", config->world->run_id, b->place.room + 1);
    b->driver_state = config->world->driver->new (b);
    if (b->driver_state == NULL || !bot_expect_init(b) || !bot_media_init(b)) {
        bot_free(b);
        return NULL;
    }
    return b;
}

void bot_free(struct bot *b)
{
    if (b == NULL)
        return;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++)
        leg_free(b->legs[i]);
    if (b->driver_state != NULL)
        b->config.world->driver->free(b->driver_state);
    bot_expect_done(b);
    bot_media_done(b);
    bot_publishers_clear(b);
    free(b->publishers);
    free(b->interruptions);
    free(b->token);
    free(b);
}

unsigned bot_index(const struct bot *b)
{
    return b->config.index;
}

unsigned bot_group_index(const struct bot *b)
{
    return b->place.group;
}

const struct measure *bot_measure(const struct bot *b)
{
    return b->config.measure;
}

const char *bot_name(const struct bot *b)
{
    return b->name;
}

const char *bot_room(const struct bot *b)
{
    return b->room;
}

enum bot_state bot_state(const struct bot *b)
{
    return b->state;
}

const struct bot_failure *bot_failure(const struct bot *b)
{
    return &b->failure;
}

bool bot_has_socket(const struct bot *b)
{
    return b->ready;
}

usec bot_since_start(const struct bot *b, usec now)
{
    return now + b->config.world->wall_minus_now - b->config.world->started;
}

usec bot_some_time(struct bot *b, usec mean)
{
    double u = (double)((bot_random(b) >> 11) + 1) / (double)((UINT64_C(1) << 53) + 1);
    return MAX((usec)(-log(u) * (double)mean), SECONDS(1));
}

static void begin_join(struct bot *b, usec now, struct outbound *out)
{
    b->state = BOT_JOINING;
    b->stage = STAGE_TOKEN;
    b->started_at = b->stage_at = now;
    b->joined_at = USEC_NEVER;
    b->stages_open = true;
    b->retry_at = b->return_at = USEC_NEVER;
    b->join_deadline = now + b->config.world->scenario->join_timeout_us;
    b->config.measure->join_started++;
    bot_open_socket(b, now, out);
}

void bot_start(struct bot *b, usec now, struct outbound *out)
{
    if (b->state != BOT_IDLE)
        return;
    if (b->group->stay_us > 0)
        b->leave_at = now + bot_some_time(b, b->group->stay_us);
    begin_join(b, now, out);
}

static void go(struct bot *b, enum bot_state state, usec now, struct outbound *out)
{
    if (b->ready)
        b->config.world->driver->leave(b, now, out);
    bot_drop_legs(b, now, out);
    bot_close_socket(b, out);
    bot_publishers_clear(b);
    b->lost_count = 0;
    b->state = state;
    b->again = false;
    b->resuming = false;
    b->retry_at = b->view_at = b->second_at = b->voice_at = b->scroll_at = USEC_NEVER;
    b->leave_at = b->return_at = b->join_deadline = b->resume_until = USEC_NEVER;
}

void bot_leave(struct bot *b, usec now, struct outbound *out)
{
    bot_media_end(b, now, out);
    if (b->state != BOT_LEFT && b->state != BOT_FAILED)
        go(b, BOT_LEFT, now, out);
}

void bot_rejoin(struct bot *b, usec now, struct outbound *out)
{
    if (b->state != BOT_CONNECTED && b->state != BOT_RESUMING)
        return;
    go(b, BOT_IDLE, now, out);
    b->again = true;
    bot_begin_outage(b, now);
    begin_join(b, now, out);
}

void bot_note(void *data, const struct interruption *i)
{
    struct bot *b = data;
    if (!b->plateau)
        return;
    if (b->interruptions == NULL)
        b->interruptions = calloc(BOT_INTERRUPTIONS_MAX, sizeof *b->interruptions);
    if (b->interruptions == NULL)
        return;
    for (size_t n = b->interruption_count; n-- > 0;) { /* the end of one noted before */
        struct interruption *old = &b->interruptions[n];
        if (old->from == i->from && old->publisher == i->publisher && old->kind == i->kind) {
            old->to = i->to;
            return;
        }
    }
    if (b->interruption_count < BOT_INTERRUPTIONS_MAX)
        b->interruptions[b->interruption_count++] = *i;
}

/* --- time --- */

static void tick_joining(struct bot *b, usec now, struct outbound *out)
{
    if (now >= b->retry_at) {
        b->retry_at = USEC_NEVER;
        if (b->resuming)
            bot_open_socket(b, now, out);
        else
            begin_join(b, now, out);
    }
    if (now >= b->join_deadline && b->state == BOT_JOINING) {
        char message[BOT_ERROR_MAX];
        snprintf(message, sizeof message, "not connected within %lld ms, waited for: %s",
                 (long long)(b->config.world->scenario->join_timeout_us / 1000),
                 join_stage_name(b->stage));
        b->join_deadline = USEC_NEVER;
        bot_fail(b, "timeout", message, now, out);
    }
    if (b->state == BOT_RESUMING && now >= b->resume_until)
        bot_must_rejoin(b, "resume-expired", now, out);
}

static void tick_behaviour(struct bot *b, usec now, struct outbound *out)
{
    if (now >= b->voice_at) {
        bool turns = b->group->talk == TALK_TURNS;
        b->voice_at = turns ? now + BOT_VOICE_STEP_US : USEC_NEVER;
        b->talking = scenario_talks(b->config.world->scenario, b->place, bot_since_start(b, now));
        for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
            if (b->legs[i] != NULL)
                leg_set_voice(b->legs[i], b->talking);
        }
    }
    if (now >= b->scroll_at) {
        b->scroll_at = now + b->group->scroll_us;
        b->page++;
        b->view_at = now;
    }
    if (now >= b->view_at && b->state == BOT_CONNECTED && b->ready) {
        b->view_at = USEC_NEVER;
        bot_choose_view(b, now, out);
    }
    if (now >= b->second_at) {
        b->second_at = now + BOT_SECOND_US;
        bot_expect_look(b, now);
    }
}

static void tick_comings(struct bot *b, usec now, struct outbound *out)
{
    if (now >= b->leave_at && b->state == BOT_CONNECTED) {
        go(b, BOT_IDLE, now, out);
        b->return_at = b->group->away_us > 0 ? now + bot_some_time(b, b->group->away_us) : now;
    }
    if (now >= b->return_at)
        begin_join(b, now, out);
}

void bot_tick(struct bot *b, usec now, struct outbound *out)
{
    if (b->state == BOT_LEFT || b->state == BOT_FAILED)
        return;
    tick_joining(b, now, out);
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        if (b->legs[i] != NULL && leg_next_deadline(b->legs[i]) <= now)
            leg_tick(b->legs[i], now, out, bot_note, b);
    }
    bot_follow_legs(b, now, out);
    if (b->ready && b->config.world->driver->tick != NULL)
        b->config.world->driver->tick(b, now, out);
    bot_media_tick(b, now, out);
    tick_behaviour(b, now, out);
    tick_comings(b, now, out);
}

usec bot_next_deadline(const struct bot *b)
{
    if (b->state == BOT_LEFT || b->state == BOT_FAILED)
        return USEC_NEVER;
    const usec mine[] = { b->retry_at, b->join_deadline, b->second_at, b->voice_at, b->scroll_at };
    usec at = MIN(MIN(b->return_at, b->resume_until), bot_media_deadline(b));
    for (size_t i = 0; i < ARRAY_LEN(mine); i++)
        at = MIN(at, mine[i]);
    if (b->state == BOT_CONNECTED)
        at = MIN(at, b->leave_at);
    if (b->state == BOT_CONNECTED && b->ready)
        at = MIN(at, b->view_at);
    if (b->state == BOT_JOINING && b->joined_at != USEC_NEVER && b->legs[0] == NULL &&
        b->legs[1] == NULL)
        at = MIN(at, b->joined_at + BOT_NO_MEDIA_US + 1);
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        if (b->legs[i] != NULL)
            at = MIN(at, leg_next_deadline(b->legs[i]));
    }
    if (b->ready && b->config.world->driver->next_deadline != NULL)
        at = MIN(at, b->config.world->driver->next_deadline(b));
    return at;
}

void bot_begin_plateau(struct bot *b, usec now)
{
    b->plateau = true;
    b->lost_count = 0;
    b->plateau_at = now;
    b->interruption_count = 0;
    if (b->outage_open) /* that one goes on */
        b->outages[0] = b->outages[b->outage_count - 1];
    b->outage_count = b->outage_open;
    bot_expect_clear(b);
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) { /* what was heard before says nothing */
        for (unsigned k = 0; b->legs[i] != NULL && k < b->legs[i]->sink_count; k++)
            b->legs[i]->sinks[k]->toned = b->legs[i]->sinks[k]->mistoned = -1;
    }
}

void bot_end_plateau(struct bot *b, usec now)
{
    bot_expect_look(b, now); /* what has stopped by now has not come back */
    bot_count_lost_streams(b, now);
    b->plateau = false;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        struct leg *l = b->legs[i];
        for (unsigned k = 0; l != NULL && k < l->sink_count; k++)
            sink_end(l->sinks[k], now, b->config.measure);
    }
}

const struct interruption *bot_interruptions(const struct bot *b, size_t *ret_count)
{
    *ret_count = b->interruption_count;
    return b->interruptions;
}

const struct outage *bot_outages(const struct bot *b, size_t *ret_count)
{
    *ret_count = b->outage_count;
    return b->outages;
}
