/* SPDX-License-Identifier: Apache-2.0 */
#include "io/collect.h"

#include <stdio.h>
#include <stdlib.h>

void collect_init(struct collected *c)
{
    *c = (struct collected){ 0 };
    c->voice.missing_list = json_array();
    c->camera.missing_list = json_array();
    c->tone_examples = json_array();
}

void collect_done(struct collected *c)
{
    json_decref(c->voice.missing_list);
    json_decref(c->camera.missing_list);
    json_decref(c->tone_examples);
    free(c->outages);
    free(c->interruptions);
}

/* Room for one more; NULL without memory: it is then left out. */
static void *grow(void **items, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        size_t more = MAX(64, *capacity * 2);
        void *bigger = realloc(*items, more * size);
        if (bigger == NULL)
            return NULL;
        *items = bigger;
        *capacity = more;
    }
    return (char *)*items + size * (*count)++;
}

static void add_pairs(struct collected_pairs *p, const struct bot *b, enum media_kind kind)
{
    bool video = kind == MEDIA_VIDEO;
    for (unsigned i = 0; i < bot_pair_count(b); i++) {
        struct bot_pair pair = bot_pair_at(b, kind, i);
        if (!pair.expected)
            continue;
        p->expected++;
        p->seen += pair.seen;
        p->verified += pair.verified;
        if (pair.seen)
            continue;
        p->missing++;
        if (json_array_size(p->missing_list) < COLLECT_MISSING_MAX)
            json_array_append_new(p->missing_list,
                                  json_pack("{si si}", video ? "viewer" : "listener",
                                            (int)bot_index(b), video ? "publisher" : "speaker",
                                            (int)pair.other));
    }
    p->unexpected += bot_unexpected(b, kind);
    struct bot_presence presence = bot_presence(b, kind);
    p->seconds_expected += presence.expected_s;
    p->seconds_present += presence.present_s;
    p->stalled += presence.stalled;
}

static void add_losses(struct collected *c, const struct bot *b)
{
    size_t count;
    const struct outage *outages = bot_outages(b, &count);
    for (size_t i = 0; i < count; i++) {
        struct collected_outage *o =
            grow((void **)&c->outages, &c->outage_count, &c->outage_capacity, sizeof *o);
        if (o == NULL)
            return;
        *o = (struct collected_outage){ .bot = bot_index(b), .outage = outages[i] };
        snprintf(o->name, sizeof o->name, "%s", bot_name(b));
        snprintf(o->room, sizeof o->room, "%s", bot_room(b));
    }
    const struct interruption *all = bot_interruptions(b, &count);
    for (size_t i = 0; i < count; i++) {
        struct collected_interruption *x = grow((void **)&c->interruptions, &c->interruption_count,
                                                &c->interruption_capacity, sizeof *x);
        if (x == NULL)
            return;
        *x = (struct collected_interruption){ .bot = bot_index(b), .interruption = all[i] };
        snprintf(x->name, sizeof x->name, "%s", bot_name(b));
    }
}

void collect_bot(struct bot *b, void *data)
{
    struct collected *c = data;
    add_pairs(&c->voice, b, MEDIA_AUDIO);
    add_pairs(&c->camera, b, MEDIA_VIDEO);
    add_losses(c, b);
    c->others += bot_others(b)->publishers;
    c->others_heard += bot_others(b)->voices;
    c->others_shown += bot_others(b)->cameras;
    c->streams[MEDIA_AUDIO] += bot_stream_count(b, MEDIA_AUDIO);
    c->streams[MEDIA_VIDEO] += bot_stream_count(b, MEDIA_VIDEO);
    unsigned speaker, heard_hz;
    if (bot_mistoned(b, &speaker, &heard_hz) &&
        json_array_size(c->tone_examples) < COLLECT_EXAMPLES_MAX)
        json_array_append_new(c->tone_examples,
                              json_pack("{si si si si}", "listener", (int)bot_index(b), "speaker",
                                        (int)speaker, "expected_hz",
                                        (int)tone_hz(speaker % TONE_COUNT), "heard_hz",
                                        (int)heard_hz));
}

json_t *collect_pairs_json(const struct collected *c, enum media_kind kind)
{
    bool video = kind == MEDIA_VIDEO;
    const struct collected_pairs *p = video ? &c->camera : &c->voice;
    return json_pack("{sI sI sI sO sI sI sI sI sI}", "expected", (json_int_t)p->expected,
                     video ? "shown" : "heard", (json_int_t)p->seen,
                     video ? "decodable" : "heard_by_tone", (json_int_t)p->verified, "missing",
                     p->missing_list, "missing_count", (json_int_t)p->missing, "unexpected",
                     (json_int_t)p->unexpected, "seconds_expected", (json_int_t)p->seconds_expected,
                     "seconds_present", (json_int_t)p->seconds_present, "stalled",
                     (json_int_t)p->stalled);
}

json_t *collect_others_json(const struct collected *c)
{
    return json_pack("{sI sI sI}", "publishers", (json_int_t)c->others, "voices_heard",
                     (json_int_t)c->others_heard, "cameras_shown", (json_int_t)c->others_shown);
}

static double seconds_of(usec t, usec zero)
{
    return (double)(t - zero) / 1e6;
}

static json_t *signaling_json(const struct collected *c, usec from, usec to, usec zero, usec end)
{
    struct histogram *ms = calloc(1, sizeof *ms);
    json_t *bots = json_array();
    int lost = 0, resumed = 0, rejoined = 0, never = 0;
    for (size_t i = 0; ms != NULL && i < c->outage_count; i++) {
        const struct collected_outage *o = &c->outages[i];
        if (o->outage.from < from || o->outage.from > to)
            continue;
        bool back = o->outage.to != USEC_NEVER;
        usec length = (back ? o->outage.to : end) - o->outage.from;
        const char *how = !back ? "never" : o->outage.resumed ? "resumed" : "rejoined";
        lost++;
        never += !back;
        resumed += back && o->outage.resumed;
        rejoined += back && !o->outage.resumed;
        histogram_record(ms, length / 1000);
        if (json_array_size(bots) < COLLECT_BOTS_MAX)
            json_array_append_new(bots,
                                  json_pack("{si ss ss ss sf sI ss}", "bot", (int)o->bot, "name",
                                            o->name, "room", o->room, "server", o->outage.server,
                                            "at_s", seconds_of(o->outage.from, zero), "ms",
                                            (json_int_t)(length / 1000), "how", how));
    }
    json_t *ret = json_pack("{si si si si so so}", "lost", lost, "resumed", resumed, "rejoined",
                            rejoined, "never", never, "ms",
                            ms == NULL ? json_null() : histogram_to_json(ms), "bots", bots);
    free(ms);
    return ret;
}

/* What was interrupted is dated by what came last, which was just before the cause. */
static bool is_in(const struct interruption *n, usec from, usec to)
{
    return n->from <= to && (n->to == USEC_NEVER || n->to >= from);
}

/* A stream that was interrupted again is one stream; the bot's others stand just before it. */
static bool was_hit_before(const struct collected *c, size_t i, usec from, usec to)
{
    const struct collected_interruption *x = &c->interruptions[i];
    for (size_t k = i; k-- > 0 && c->interruptions[k].bot == x->bot;) {
        const struct interruption *n = &c->interruptions[k].interruption;
        if (n->kind == x->interruption.kind && n->publisher == x->interruption.publisher &&
            n->publisher >= 0 && is_in(n, from, to))
            return true;
    }
    return false;
}

static json_t *media_json(const struct collected *c, usec from, usec to, usec zero, usec end)
{
    struct histogram *ms = calloc(1, sizeof *ms);
    json_t *bots = json_array();
    json_int_t hit = 0, streams = (json_int_t)(c->streams[0] + c->streams[1]);
    for (size_t i = 0; ms != NULL && i < c->interruption_count; i++) {
        const struct collected_interruption *x = &c->interruptions[i];
        const struct interruption *n = &x->interruption;
        if (!is_in(n, from, to))
            continue;
        usec length = (n->to == USEC_NEVER ? end : n->to) - n->from;
        hit += !was_hit_before(c, i, from, to);
        histogram_record(ms, length / 1000);
        if (json_array_size(bots) < COLLECT_BOTS_MAX)
            json_array_append_new(
                bots,
                json_pack("{si ss ss so sf sI}", "bot", (int)x->bot, "name", x->name, "kind",
                          n->kind == MEDIA_VIDEO ? "video" : "audio", "from",
                          n->publisher < 0 ? json_string("somebody")
                                           : json_sprintf("bot %d", n->publisher),
                          "at_s", seconds_of(n->from, zero), "ms", (json_int_t)(length / 1000)));
    }
    json_t *ret =
        json_pack("{sI sI sI so so}", "streams", streams, "untouched", MAX(streams - hit, 0), "hit",
                  hit, "ms", ms == NULL ? json_null() : histogram_to_json(ms), "bots", bots);
    free(ms);
    return ret;
}

void collect_hit(const struct collected *c, usec from, usec to, usec zero, usec end, json_t *ret)
{
    json_object_set_new(ret, "signaling", signaling_json(c, from, to, zero, end));
    json_object_set_new(ret, "media", media_json(c, from, to, zero, end));
}
