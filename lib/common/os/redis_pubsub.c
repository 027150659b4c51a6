/* Subscriptions over a connection of their own, renewed whenever it comes back.
 *
 * Redis confirms SUBSCRIBEs in order. Each subscription remembers the number of the SUBSCRIBE that
 * was sent for it on this connection and is live when that one is confirmed, so an old confirmation
 * of the same channel cannot be mistaken for its own.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "common/os/clock.h"
#include "common/os/redis_private.h"

#include <stdlib.h>
#include <string.h>

struct channel {
    struct map_node by_name;
    struct redis_pubsub *pubsub;
    struct list subscriptions;
    unsigned busy; /* callbacks are running over the list: nothing is freed */
    char name[];
};

struct redis_subscription {
    struct list_link link;
    struct channel *channel;
    struct redis_subscriber subscriber;
    uint64_t serial; /* of its SUBSCRIBE on the present connection; 0 = not sent */
    bool is_live, was_live, is_removed;
};

struct redis_pubsub {
    struct redis *redis; /* given */
    struct redis_link *link;
    struct map channels;
    uint64_t sent, confirmed; /* SUBSCRIBEs on the present connection */
    usec last_ping;
    usec quiet_since; /* silence before this does not count */
    bool is_closing;
    unsigned busy;
};

static void pubsub_destroy(struct redis_pubsub *p);

static void channel_sweep(struct channel *ch)
{
    struct redis_pubsub *p = ch->pubsub;
    if (ch->busy > 0)
        return;
    list_for_each(l, &ch->subscriptions)
    {
        struct redis_subscription *s = list_entry(l, struct redis_subscription, link);
        if (s->is_removed || p->is_closing) {
            list_remove(l);
            free(s);
        }
    }
    if (!list_is_empty(&ch->subscriptions))
        return;
    if (!p->is_closing && redis_link_is_up(p->link)) {
        const struct bytes args[2] = { bytes_of_str("UNSUBSCRIBE"), bytes_of_str(ch->name) };
        if (redis_link_send(p->link, args, 2) != OK)
            redis_link_drop(p->link, "out of memory");
    }
    if (!p->is_closing)
        (void)map_remove(&p->channels, ch->name);
    free(ch);
}

static void subscribe_send(struct redis_subscription *s)
{
    struct redis_pubsub *p = s->channel->pubsub;
    const struct bytes args[2] = { bytes_of_str("SUBSCRIBE"), bytes_of_str(s->channel->name) };
    if (!redis_link_is_up(p->link) || redis_link_send(p->link, args, 2) != OK)
        return;
    s->serial = ++p->sent;
}

static void on_up(void *data)
{
    struct redis_pubsub *p = data;
    p->sent = p->confirmed = 0;
    p->last_ping = clock_now();
    for (struct map_node *n = map_first(&p->channels); n != NULL; n = map_next(&p->channels, n)) {
        struct channel *ch = container_of(n, struct channel, by_name);
        list_for_each(l, &ch->subscriptions)
        {
            struct redis_subscription *s = list_entry(l, struct redis_subscription, link);
            if (!s->is_removed)
                subscribe_send(s);
        }
    }
}

static void on_down(void *data)
{
    struct redis_pubsub *p = data;
    for (struct map_node *n = map_first(&p->channels); n != NULL; n = map_next(&p->channels, n)) {
        struct channel *ch = container_of(n, struct channel, by_name);
        list_for_each(l, &ch->subscriptions)
        {
            struct redis_subscription *s = list_entry(l, struct redis_subscription, link);
            s->is_live = false;
            s->serial = 0;
        }
    }
}

static void on_confirmed(struct redis_pubsub *p, struct channel *ch)
{
    list_for_each(l, &ch->subscriptions)
    {
        struct redis_subscription *s = list_entry(l, struct redis_subscription, link);
        if (s->is_removed || s->is_live || s->serial == 0 || s->serial > p->confirmed)
            continue;
        bool is_again = s->was_live;
        s->is_live = s->was_live = true;
        if (s->subscriber.on_subscribed != NULL)
            s->subscriber.on_subscribed(ch->name, is_again, s->subscriber.data);
    }
}

static void on_message(struct channel *ch, struct bytes payload)
{
    struct bytes name = bytes_of_str(ch->name);
    list_for_each(l, &ch->subscriptions)
    {
        struct redis_subscription *s = list_entry(l, struct redis_subscription, link);
        if (!s->is_removed && s->is_live && s->subscriber.on_message != NULL)
            s->subscriber.on_message(name, payload, s->subscriber.data);
    }
}

/* ["message", channel, payload], ["subscribe", channel, n], ["unsubscribe", …], or a PING's answer.
 */
static void on_reply(redisReply *reply, void *data)
{
    struct redis_pubsub *p = data;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    struct bytes kind = redis_reply_bytes(reply->element[0]);
    bool is_confirmation = bytes_equal(kind, bytes_of_str("subscribe"));
    bool is_message = bytes_equal(kind, bytes_of_str("message"));
    if (is_confirmation)
        p->confirmed++;
    struct map_node *n = map_find_bytes(&p->channels, redis_reply_bytes(reply->element[1]));
    if (n == NULL || (!is_confirmation && !is_message))
        return;
    struct channel *ch = container_of(n, struct channel, by_name);
    p->busy++;
    ch->busy++;
    if (is_confirmation)
        on_confirmed(p, ch);
    else
        on_message(ch, redis_reply_bytes(reply->element[2]));
    ch->busy--;
    p->busy--;
    if (p->is_closing) {
        if (p->busy == 0)
            pubsub_destroy(p);
        return;
    }
    channel_sweep(ch);
}

void redis_pubsub_tick(struct redis_pubsub *p, usec now, bool was_stalled)
{
    if (was_stalled)
        p->quiet_since = now;
    if (!redis_link_is_up(p->link))
        return;
    if (now - p->last_ping >= REDIS_PING_INTERVAL) {
        const struct bytes args[1] = { bytes_of_str("PING") };
        p->last_ping = now;
        if (redis_link_send(p->link, args, 1) != OK)
            return;
    }
    if (now - MAX(redis_link_heard(p->link), p->quiet_since) > REDIS_SILENCE_MAX)
        redis_link_drop(p->link, "silent");
}

struct redis_pubsub *redis_pubsub_new(struct redis *r)
{
    struct redis_pubsub *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->redis = r;
    map_init(&p->channels, NULL);
    const struct redis_link_handler handler = { on_up, on_reply, on_down, p };
    p->link = redis_link_new(r->loop, &r->address, r->name, "subscriptions", &handler);
    if (p->link == NULL) {
        free(p);
        return NULL;
    }
    return p;
}

static void pubsub_destroy(struct redis_pubsub *p)
{
    struct map_node *next;
    for (struct map_node *n = map_first(&p->channels); n != NULL; n = next) {
        next = map_next(&p->channels, n);
        channel_sweep(container_of(n, struct channel, by_name));
    }
    map_done(&p->channels);
    free(p);
}

void redis_pubsub_free(struct redis_pubsub *p)
{
    if (p == NULL)
        return;
    p->is_closing = true;
    redis_link_free(p->link);
    p->link = NULL;
    if (p->busy == 0)
        pubsub_destroy(p);
}

static struct channel *channel_get(struct redis_pubsub *p, const char *name)
{
    struct map_node *n = map_find(&p->channels, name);
    if (n != NULL)
        return container_of(n, struct channel, by_name);
    size_t len = strlen(name);
    struct channel *ch = calloc(1, sizeof *ch + len + 1);
    if (ch == NULL)
        return NULL;
    memcpy(ch->name, name, len + 1);
    ch->pubsub = p;
    list_init(&ch->subscriptions);
    if (map_insert(&p->channels, &ch->by_name, ch->name) != OK) {
        free(ch);
        return NULL;
    }
    return ch;
}

struct redis_subscription *redis_subscribe(struct redis *r, const char *name,
                                           const struct redis_subscriber *subscriber)
{
    check(!r->is_closing);
    if (r->pubsub == NULL)
        r->pubsub = redis_pubsub_new(r);
    if (r->pubsub == NULL)
        return NULL;
    struct redis_subscription *s = calloc(1, sizeof *s);
    struct channel *ch = s == NULL ? NULL : channel_get(r->pubsub, name);
    if (ch == NULL) {
        free(s);
        return NULL;
    }
    s->channel = ch;
    s->subscriber = *subscriber;
    list_push_back(&ch->subscriptions, &s->link);
    subscribe_send(s);
    return s;
}

void redis_unsubscribe(struct redis_subscription *s)
{
    if (s == NULL)
        return;
    s->is_removed = true;
    channel_sweep(s->channel);
}
