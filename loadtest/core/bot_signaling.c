/* bot_signaling.c - the bot as its driver sees it: socket, join, legs, publishers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/bot_media.h"

#include "common/splitmix.h"

#include <stdio.h>
#include <stdlib.h>

const char driver_names[] = "conclave, janus";

const struct driver *driver_find(const char *name)
{
    static const struct driver *const drivers[] = { &driver_conclave, &driver_janus };
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    }
    return NULL;
}

void *bot_driver_state(const struct bot *b)
{
    return b->driver_state;
}

const struct bot_world *bot_world(const struct bot *b)
{
    return b->config.world;
}

const struct group *bot_group(const struct bot *b)
{
    return b->group;
}

uint64_t bot_random(struct bot *b)
{
    return splitmix_next(&b->random_state);
}

bool bot_wants_resume(const struct bot *b)
{
    return b->resuming;
}

const char *bot_token(const struct bot *b)
{
    if (b->config.world->token != NULL)
        return b->config.world->token;
    return b->token == NULL ? "" : b->token;
}

void bot_set_token(struct bot *b, const char *token, usec now)
{
    free(b->token);
    b->token = strdup(token);
    b->token_at = now;
}

size_t bot_wanted_count(const struct bot *b)
{
    return b->asked_count;
}

/* --- the socket --- */

/* "https://host:1/x" and "wss" → "wss://host:1/x"; a path of the URL's own stays. */
static char *url_with(const char *url, bool websocket, const char *path)
{
    static const struct {
        const char *from, *plain, *socket;
    } schemes[] = { { "https://", "https://", "wss://" },
                    { "http://", "http://", "ws://" },
                    { "wss://", "https://", "wss://" },
                    { "ws://", "http://", "ws://" } };
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i].from);
        if (strncmp(url, schemes[i].from, len) != 0)
            continue;
        const char *host = url + len;
        size_t host_len = strcspn(host, "/");
        bool has_path = strlen(host + host_len) > 1;
        char *ret = NULL;
        if (asprintf(&ret, "%s%.*s%s", websocket ? schemes[i].socket : schemes[i].plain,
                     (int)host_len, host, websocket && has_path ? host + host_len : path) < 0)
            return NULL;
        return ret;
    }
    return strdup(url);
}

static void fetch_token(struct bot *b, struct outbound *out)
{
    char *path = NULL, *body = NULL;
    b->config.world->driver->token_request(b, &path, &body);
    struct action *a = outbound_action(out, ACTION_FETCH);
    a->url = url_with(b->config.world->url, false, path);
    a->text = body;
    a->text_len = body == NULL ? 0 : strlen(body);
    b->stage = STAGE_TOKEN;
    free(path);
}

void bot_open_socket(struct bot *b, usec now, struct outbound *out)
{
    bool stale = b->token == NULL || now - b->token_at > BOT_TOKEN_LIFE_US;
    if (b->config.world->driver->needs_token && b->config.world->token == NULL && stale &&
        !b->resuming) {
        fetch_token(b, out);
        return;
    }
    struct action *a = outbound_action(out, ACTION_OPEN);
    a->url = url_with(b->config.world->url, true, b->config.world->driver->path);
    a->subprotocol = b->config.world->driver->subprotocol;
    b->stage = b->resuming ? b->stage : STAGE_TCP;
    b->stage_at = now;
    b->socket = true;
    b->ready = false;
}

void bot_close_socket(struct bot *b, struct outbound *out)
{
    if (b->socket)
        (void)outbound_action(out, ACTION_CLOSE);
    b->socket = b->ready = false;
}

void bot_send_json(struct bot *b, json_t *message, struct outbound *out)
{
    char *text = b->ready ? json_dumps(message, JSON_COMPACT) : NULL;
    json_decref(message);
    if (text == NULL)
        return;
    struct action *a = outbound_action(out, ACTION_TEXT);
    a->text = text;
    a->text_len = strlen(text);
}

/* --- the join --- */

void bot_reach(struct bot *b, enum join_stage stage, usec at)
{
    usec since = stage >= STAGE_FIRST_PACKET ? b->connected_at : b->stage_at;
    bool skipped = stage == STAGE_TLS && at == since; /* a plain connection has none */
    if (!skipped)
        histogram_record(&b->config.measure->stages[stage], at - since);
    if (stage < STAGE_FIRST_PACKET)
        b->stage_at = at;
    b->stage = stage + 1;
}

void bot_drop_legs(struct bot *b, usec now, struct outbound *out)
{
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        if (b->legs[i] == NULL)
            continue;
        leg_close(b->legs[i], now, out);
        leg_free(b->legs[i]);
        b->legs[i] = NULL;
        outbound_action(out, ACTION_CLOSE_MEDIA)->leg = i;
    }
}

void bot_try_again(struct bot *b, usec now, struct outbound *out)
{
    bot_remember_streams(b);
    if (b->ready) /* or its old self would stay in the room until the resume window ends */
        b->config.world->driver->leave(b, now, out);
    bot_drop_legs(b, now, out);
    bot_close_socket(b, out);
    bot_publishers_clear(b);
    b->resuming = false;
    b->again = true;
    b->state = BOT_JOINING;
    b->join_deadline = b->resume_until = b->joined_at = USEC_NEVER;
    unsigned shift = MIN(b->retry_count, 5u);
    usec wait = MIN((usec)BOT_RETRY_MIN_US << shift, (usec)BOT_RETRY_MAX_US);
    b->retry_count++;
    b->retry_at = now + wait / 2 + (usec)(bot_random(b) % (uint64_t)wait);
}

static void remember_failure(struct bot *b, const char *error, const char *message, usec now)
{
    b->failure.stage = b->stage;
    b->failure.at = now;
    snprintf(b->failure.error, sizeof b->failure.error, "%s", error);
    snprintf(b->failure.message, sizeof b->failure.message, "%s", message);
}

void bot_fail(struct bot *b, const char *error, const char *message, usec now, struct outbound *out)
{
    if (b->state == BOT_FAILED || b->state == BOT_LEFT)
        return;
    remember_failure(b, error, message, now);
    measure_signal_error(b->config.measure, error);
    if (b->again) { /* it was in the room: it fights */
        bot_begin_outage(b, now);
        bot_try_again(b, now, out);
        return;
    }
    b->config.measure->join_failed++;
    b->state = BOT_FAILED;
    bot_drop_legs(b, now, out);
    bot_close_socket(b, out);
}

void bot_note_error(struct bot *b, const char *error)
{
    measure_signal_error(b->config.measure, error);
}

static void settle(struct bot *b, const char *server)
{
    snprintf(b->server, sizeof b->server, "%s", server);
    b->retry_count = 0;
    b->resuming = false;
    b->resume_until = USEC_NEVER;
}

void bot_joined(struct bot *b, const char *server, usec now)
{
    settle(b, server);
    b->joined_at = now;
    if (b->stage <= STAGE_JOIN)
        bot_reach(b, STAGE_JOIN, now);
}

void bot_resumed(struct bot *b, const char *server, usec now)
{
    settle(b, server);
    bot_end_outage(b, true, now);
    b->state = BOT_CONNECTED;
    b->view_at = now; /* the server may have forgotten */
}

void bot_must_rejoin(struct bot *b, const char *why, usec now, struct outbound *out)
{
    if (b->state == BOT_JOINING && !b->again) { /* it never was in the room */
        bot_fail(b, why, "the server gave up on us before media was connected", now, out);
        return;
    }
    remember_failure(b, why, "joining again", now);
    measure_signal_error(b->config.measure, why);
    bot_begin_outage(b, now);
    bot_try_again(b, now, out);
}

void bot_begin_outage(struct bot *b, usec now)
{
    if (b->outage_open || b->outage_count == BOT_OUTAGES_MAX)
        return;
    struct outage *o = &b->outages[b->outage_count++];
    *o = (struct outage){ .from = now, .to = USEC_NEVER };
    snprintf(o->server, sizeof o->server, "%s", b->server);
    b->outage_open = true;
}

void bot_end_outage(struct bot *b, bool resumed, usec now)
{
    if (!b->outage_open)
        return;
    b->outages[b->outage_count - 1].to = now;
    b->outages[b->outage_count - 1].resumed = resumed;
    b->outage_open = false;
}

/* --- legs --- */

static struct leg *new_leg(struct bot *b, unsigned index, enum leg_shape shape, usec now,
                           struct outbound *out)
{
    const struct group *g = b->group;
    struct leg_config config = { .world = b->config.world,
                                 .group = g,
                                 .index = index,
                                 .bot_index = b->config.index,
                                 .seed = bot_random(b),
                                 .shape = shape,
                                 .measure = b->config.measure };
    enum codec codec =
        g->video == VIDEO_MIXED ? (enum codec)(CODEC_VP8 + (int)(b->config.index % 4)) : g->codec;
    bool simulcast =
        (b->config.world->driver->simulcast_codecs & 1u << codec) != 0 || g->scalability[0] != '\0';
    config.layer_first = g->video == VIDEO_OFF || simulcast ? 0 : g->layer_count - 1;
    for (unsigned i = config.layer_first; g->video != VIDEO_OFF && i < g->layer_count; i++)
        config.clips[i - config.layer_first] =
            b->config.world->clip(b->config.world, g, codec, g->layers[i]);
    if (b->config.world->audio != NULL)
        config.audio = b->config.world->audio(b->config.world, g);
    if (b->media != NULL) {
        config.media = bot_media_on_packet;
        config.media_data = b;
    }
    if (b->legs[index] != NULL) {
        leg_free(b->legs[index]);
        outbound_action(out, ACTION_CLOSE_MEDIA)->leg = index;
    }
    b->legs[index] = leg_new(&config, now);
    if (b->legs[index] != NULL)
        outbound_action(out, ACTION_OPEN_MEDIA)->leg = index;
    return b->legs[index];
}

char *bot_leg_offer(struct bot *b, unsigned leg, enum leg_shape shape, usec now,
                    struct outbound *out)
{
    check(leg < BOT_LEGS_MAX);
    struct leg *l = new_leg(b, leg, shape, now, out);
    char *text = l == NULL ? NULL : malloc(LEG_SDP_SIZE);
    if (text == NULL)
        return NULL;
    struct writer w = writer_of(text, LEG_SDP_SIZE - 1);
    b->config.measure->offers++;
    if (leg_write_offer(l, &w) != OK) {
        free(text);
        return NULL;
    }
    text[writer_len(&w)] = '\0';
    return text;
}

bool bot_leg_answered(struct bot *b, unsigned leg, struct bytes sdp, usec now, struct outbound *out)
{
    struct leg *l = b->legs[leg];
    if (l == NULL || leg_on_answer(l, sdp, now) != OK) {
        bot_fail(b, "bad-sdp", l == NULL ? "an answer to no offer" : l->failure_text, now, out);
        return false;
    }
    leg_tick(l, now, out, bot_note, b);
    return true;
}

char *bot_leg_offered(struct bot *b, unsigned leg, struct bytes sdp, usec now, struct outbound *out)
{
    check(leg < BOT_LEGS_MAX);
    struct leg *l = b->legs[leg];
    if (l == NULL)
        l = new_leg(b, leg, LEG_RECEIVE, now, out);
    char *text = l == NULL ? NULL : malloc(LEG_SDP_SIZE);
    if (text == NULL)
        return NULL;
    struct writer w = writer_of(text, LEG_SDP_SIZE - 1);
    b->config.measure->offers++;
    if (leg_on_offer(l, sdp, now, &w) != OK) {
        bot_fail(b, "bad-sdp", l->failure_text, now, out);
        free(text);
        return NULL;
    }
    text[writer_len(&w)] = '\0';
    leg_tick(l, now, out, bot_note, b);
    return text;
}

const char *bot_leg_mid(const struct bot *b, unsigned leg, bool camera)
{
    const struct leg *l = b->legs[leg];
    const char *mid = l == NULL ? "" : camera ? l->camera_mid : l->voice_mid;
    return mid[0] == '\0' ? NULL : mid;
}

/* --- publishers --- */

int bot_index_of_name(const char *name)
{
    const char *at = strstr(name, "(bot ");
    if (at == NULL)
        return -1;
    char *end;
    unsigned long index = strtoul(at + 5, &end, 10);
    return end > at + 5 && *end == ')' && index < SCENARIO_BOTS_MAX ? (int)index : -1;
}

static struct known_publisher *find(const struct bot *b, const char *id)
{
    for (size_t i = 0; i < b->publisher_count; i++) {
        if (strcmp(b->publishers[i].publisher.id, id) == 0)
            return &b->publishers[i];
    }
    return NULL;
}

/* What it sends is another's, so it is nobody whose tone and stamps are known. */
static bool is_echo(const struct bot *b, int bot)
{
    const struct scenario *s = b->config.world->scenario;
    return bot >= 0 && (unsigned)bot < scenario_bot_count(s) &&
           s->groups[scenario_place(s, (unsigned)bot).group].echo;
}

void bot_publisher_set(struct bot *b, const struct publisher *publisher, usec now)
{
    struct publisher copy, *p = &copy;
    memcpy(p, publisher, sizeof *p); /* compared as a whole */
    p->name = NULL;
    if (is_echo(b, p->bot))
        p->bot = -1;
    struct known_publisher *k = find(b, p->id);
    bool is_new = k == NULL;
    if (k != NULL && memcmp(&k->publisher, p, sizeof *p) == 0)
        return;
    if (k == NULL) {
        if (b->publisher_count == b->publisher_capacity) {
            size_t capacity = MAX(8, b->publisher_capacity * 2);
            void *more = realloc(b->publishers, capacity * sizeof *b->publishers);
            if (more == NULL)
                return;
            b->publishers = more;
            b->publisher_capacity = capacity;
        }
        k = &b->publishers[b->publisher_count++];
        k->since = now;
        k->spoke_at = 0;
        k->name = b->media == NULL || publisher->name == NULL ? NULL : strdup(publisher->name);
    }
    memcpy(&k->publisher, p, sizeof *p);
    if (is_new)
        bot_remap_sinks(b, p, now);
    b->view_at = MIN(b->view_at, now + BOT_VIEW_CALM_US);
}

void bot_publisher_gone(struct bot *b, const char *id, usec now)
{
    struct known_publisher *k = find(b, id);
    if (k == NULL)
        return;
    free(k->name);
    *k = b->publishers[--b->publisher_count];
    b->view_at = MIN(b->view_at, now + BOT_VIEW_CALM_US);
}

void bot_publishers_clear(struct bot *b)
{
    for (size_t i = 0; i < b->publisher_count; i++)
        free(b->publishers[i].name);
    b->publisher_count = 0;
    b->asked_count = 0;
}

const char *bot_publisher_name(const struct bot *b, const char *id)
{
    const struct known_publisher *k = find(b, id);
    return k == NULL || k->name == NULL ? id : k->name;
}

const struct publisher *bot_publisher_find(const struct bot *b, const char *id)
{
    const struct known_publisher *k = find(b, id);
    return k == NULL ? NULL : &k->publisher;
}

void bot_set_demand(struct bot *b, unsigned leg, const char *source, int max, usec now)
{
    b->config.measure->layers_told++;
    if (b->legs[leg] != NULL && strcmp(source, "camera") == 0)
        leg_set_demand(b->legs[leg], max, now);
}

/* Only a new face is a reason to ask anew: the others are shown already, and may stay where they
 * are. */
void bot_note_speaker(struct bot *b, const char *id, usec now)
{
    struct known_publisher *k = find(b, id);
    if (k == NULL || !b->group->watch_speakers)
        return;
    k->spoke_at = now;
    bool is_first = b->asked_count > 0 && strcmp(b->asked[0].id, id) == 0;
    if (!is_first)
        b->view_at = MIN(b->view_at, now + BOT_VIEW_CALM_US);
}

void bot_note_quality(struct bot *b, int score)
{
    if (score >= 0 && score < MEASURE_SCORES)
        b->config.measure->quality_told[score]++;
    else
        bot_note_error(b, "bad-message-of-server");
}

void bot_stream_set(struct bot *b, unsigned leg, const char *mid, const char *publisher_id,
                    const char *source, usec now)
{
    struct sink *s = b->legs[leg] == NULL ? NULL : leg_find_sink(b->legs[leg], mid);
    if (s != NULL)
        bot_map_sink(b, s, publisher_id, source, now);
}
