/* bot_events.c - what io tells a bot, and what follows from it: stages, losses, connected media.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/bot_private.h"

#include <stdio.h>

/* --- what io tells --- */

/* What a reason of io's means to a person. */
static const char *explain(const char *reason)
{
    static const struct {
        const char *reason, *text;
    } all[] = {
        { "refused", "nobody listens there (refused)" },
        { "dns", "there is no such host (dns)" },
        { "timeout", "no answer in time (timeout)" },
        { "tls", "TLS failed (tls): is the certificate trusted? See --ca and --insecure" },
        { "reset", "the connection was reset (reset)" },
        { "closed", "the server closed it (closed)" },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strcmp(all[i].reason, reason) == 0)
            return all[i].text;
    }
    return reason;
}

static void on_refused_token(struct bot *b, int status, struct bytes body, const char *error,
                             usec now, struct outbound *out)
{
    char message[BOT_ERROR_MAX], name[40];
    json_error_t ignored;
    json_t *json = json_loadb((const char *)body.data, body.len, 0, &ignored);
    const char *id = json_string_value(json_object_get(json, "error"));
    if (status == 0)
        snprintf(name, sizeof name, "%s", error);
    else if (id != NULL)
        snprintf(name, sizeof name, "%s", id);
    else
        snprintf(name, sizeof name, "http-%d", status);
    if (status == 0)
        snprintf(message, sizeof message, "no token from %s: %s", b->config.world->url,
                 explain(error));
    else
        snprintf(message, sizeof message, "no token from %s: HTTP status %d%s%s",
                 b->config.world->url, status, id == NULL ? "" : ", ", id == NULL ? "" : id);
    json_decref(json);
    bot_fail(b, name, message, now, out);
}

void bot_on_fetched(struct bot *b, int status, struct bytes body, const char *error, usec now,
                    struct outbound *out)
{
    bool waits = b->state == BOT_JOINING && b->stage == STAGE_TOKEN && b->retry_at == USEC_NEVER;
    if (!waits)
        return;
    if (status < 200 || status > 299) {
        on_refused_token(b, status, body, error == NULL ? "no-answer" : error, now, out);
        return;
    }
    b->config.world->driver->on_token(b, body, now, out);
    if (b->state != BOT_JOINING)
        return;
    bot_reach(b, STAGE_TOKEN, now);
    bot_open_socket(b, now, out);
}

void bot_on_stage(struct bot *b, enum join_stage reached, usec now)
{
    if (b->state == BOT_JOINING && !b->resuming && reached >= b->stage)
        bot_reach(b, reached, now);
}

void bot_on_open(struct bot *b, usec now, struct outbound *out)
{
    if (!b->socket)
        return;
    b->ready = true;
    b->config.world->driver->on_open(b, now, out);
}

void bot_on_text(struct bot *b, struct bytes text, usec now, struct outbound *out)
{
    if (!b->ready)
        return;
    b->config.world->driver->on_text(b, text, now, out);
    bot_follow_legs(b, now, out);
}

static void resume_soon(struct bot *b, usec now)
{
    unsigned shift = MIN(b->retry_count, 4u);
    usec wait = b->retry_count == 0 ? MILLIS(100) : (usec)BOT_RETRY_MIN_US << shift;
    b->retry_count++;
    b->resuming = true;
    b->state = BOT_RESUMING;
    b->retry_at = now + wait / 2 + (usec)(bot_random(b) % (uint64_t)wait);
}

void bot_on_closed(struct bot *b, int code, const char *reason, usec now, struct outbound *out)
{
    if (!b->socket)
        return;
    b->socket = b->ready = false;
    bool can_resume = b->config.world->driver->can_resume;
    char message[BOT_ERROR_MAX];
    snprintf(message, sizeof message, "the WebSocket to %s: %s%s", b->config.world->url,
             explain(reason), code == 4408 ? " (4408: the server waited for us)" : "");
    if (b->state == BOT_CONNECTED || b->state == BOT_RESUMING) {
        if (b->state == BOT_CONNECTED) {
            bot_begin_outage(b, now);
            b->resume_until = now + BOT_RESUME_WINDOW_US;
        }
        if (can_resume && now < b->resume_until)
            resume_soon(b, now);
        else
            bot_must_rejoin(b, "resume-expired", now, out);
        return;
    }
    if (b->state == BOT_JOINING)
        bot_fail(b, reason, message, now, out);
}

/* --- media connects --- */

static void connected(struct bot *b, usec now, struct outbound *out)
{
    bool first = !b->again;
    b->connected_at = now;
    b->join_deadline = USEC_NEVER;
    b->state = BOT_CONNECTED;
    b->again = true;
    if (first)
        b->config.measure->join_done++;
    histogram_record(&b->config.measure->stages[STAGE_COUNT], now - b->started_at);
    bot_end_outage(b, false, now);
    b->second_at = now + BOT_SECOND_US;
    b->voice_at = now;
    b->view_at = MIN(b->view_at, now + BOT_VIEW_CALM_US);
    if (b->group->scroll_us > 0)
        b->scroll_at = now + b->group->scroll_us;
    if (b->group->stay_us > 0 && b->leave_at == USEC_NEVER)
        b->leave_at = now + bot_some_time(b, b->group->stay_us);
    (void)out;
}

static void follow_failed_leg(struct bot *b, struct leg *l, usec now, struct outbound *out)
{
    if (b->state == BOT_CONNECTED || b->state == BOT_RESUMING) {
        char why[40];
        snprintf(why, sizeof why, "%s", l->failure);
        bot_must_rejoin(b, why, now, out);
        return;
    }
    b->stage = l->ice_at == USEC_NEVER ? STAGE_ICE : STAGE_DTLS;
    bot_fail(b, l->failure, l->failure_text, now, out);
}

/* Looks at the legs after anything that may have moved one. */
void bot_follow_legs(struct bot *b, usec now, struct outbound *out)
{
    unsigned count = 0, ice_count = 0, connected_count = 0;
    usec ice_at = 0, dtls_at = 0;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        struct leg *l = b->legs[i];
        if (l == NULL)
            continue;
        if (l->state == LEG_FAILED) {
            follow_failed_leg(b, l, now, out);
            return;
        }
        count++;
        if (l->ice_at != USEC_NEVER) {
            ice_count++;
            ice_at = MAX(ice_at, l->ice_at);
        }
        if (l->state != LEG_CONNECTED)
            continue;
        connected_count++;
        dtls_at = MAX(dtls_at, l->dtls_at);
        if (!l->told) {
            l->told = true;
            b->config.world->driver->on_leg_connected(b, i, now, out);
            leg_set_sending(l, true, now);
        }
    }
    if (b->state != BOT_JOINING || b->joined_at == USEC_NEVER)
        return;
    if (b->stage == STAGE_ICE && count > 0 && ice_count == count)
        bot_reach(b, STAGE_ICE, MAX(ice_at, b->stage_at));
    bool no_media = count == 0 && now - b->joined_at > BOT_NO_MEDIA_US;
    if (!no_media && (count == 0 || connected_count < count))
        return;
    if (!no_media)
        bot_reach(b, STAGE_DTLS, MAX(dtls_at, b->stage_at));
    connected(b, no_media ? now : dtls_at, out);
}

static void follow_first_media(struct bot *b)
{
    usec packet = USEC_NEVER, keyframe = USEC_NEVER;
    for (unsigned i = 0; i < BOT_LEGS_MAX; i++) {
        if (b->legs[i] == NULL)
            continue;
        packet = MIN(packet, b->legs[i]->first_packet_at);
        keyframe = MIN(keyframe, b->legs[i]->first_keyframe_at);
    }
    if (b->stage <= STAGE_FIRST_PACKET && packet != USEC_NEVER)
        bot_reach(b, STAGE_FIRST_PACKET, packet);
    if (b->stage == STAGE_FIRST_KEYFRAME && keyframe != USEC_NEVER) {
        bot_reach(b, STAGE_FIRST_KEYFRAME, keyframe);
        b->stages_open = false;
    }
}

void bot_on_datagram(struct bot *b, unsigned leg, const struct net_addr *from, uint8_t *datagram,
                     size_t len, usec now, struct outbound *out)
{
    struct leg *l = leg < BOT_LEGS_MAX ? b->legs[leg] : NULL;
    if (l == NULL)
        return;
    b->out = out;
    leg_on_datagram(l, from, datagram, len, now, out, bot_note, b);
    b->out = NULL;
    if (b->state == BOT_JOINING || !l->told || l->state == LEG_FAILED)
        bot_follow_legs(b, now, out);
    if (b->stages_open && b->state == BOT_CONNECTED)
        follow_first_media(b);
}
