/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include "common/splitmix.h"

#include <stdio.h>
#include <stdlib.h>

struct maker {
    struct script *s;
    uint64_t random;
    uint64_t svc_random; /* of its own: what it decides moves no other dice */
    struct writer yaml;
};

static unsigned below(struct maker *m, unsigned count)
{
    return (unsigned)((splitmix_next(&m->random) >> 32) * count >> 32);
}

static bool chance(struct maker *m, unsigned percent)
{
    return below(m, 100) < percent;
}

static usec between(struct maker *m, usec low, usec high)
{
    return low + (usec)(splitmix_next(&m->random) % (uint64_t)(high - low + 1));
}

static struct script_event *add(struct maker *m, usec at, enum script_kind kind, unsigned bot)
{
    check(m->s->event_count < SCRIPT_EVENTS_MAX);
    struct script_event *e = &m->s->events[m->s->event_count++];
    *e = (struct script_event){ .at = at, .kind = kind, .bot = bot };
    return e;
}

/* --- who is there --- */

static unsigned svc_below(struct maker *m, unsigned count)
{
    return (unsigned)((splitmix_next(&m->svc_random) >> 32) * count >> 32);
}

/* A camera with all its layers in one stream, by dice. */
static bool add_svc(struct maker *m)
{
    static const char *const modes[] = { "L1T3",     "L2T3_KEY", "L2T3",     "L2T1",
                                         "L2T3_KEY", "L3T3_KEY", "L3T3_KEY", "L3T3" };
    if (svc_below(m, 100) >= 35)
        return false;
    /* three spatial layers are large pictures */
    const char *mode = modes[svc_below(m, svc_below(m, 2) == 0 ? 5 : ARRAY_LEN(modes))];
    bool is_vp9 = svc_below(m, 2) == 0;
    writer_printf(&m->yaml, "    video: %s\n    scalability: %s\n", is_vp9 ? "vp9" : "av1", mode);
    if (is_vp9 && svc_below(m, 3) == 0)
        writer_printf(&m->yaml, "    dependency-descriptor: no\n");
    return true;
}

static void add_group(struct maker *m, unsigned bot)
{
    static const char *const codecs[] = { "vp8", "vp8", "vp9", "h264", "av1" };
    static const char *const layers[] = { "[180]", "[180, 360]", "[180, 360, 720]" };
    static const char *const sizes[] = { "320x180", "640x360", "1280x720" };
    bool has_camera = bot == 0 || chance(m, 75);
    writer_printf(&m->yaml, "  g%u:\n    bots: 1\n    talk: %s\n", bot,
                  chance(m, 70)   ? "always"
                  : chance(m, 50) ? "muted"
                                  : "never");
    if (has_camera) {
        /* large pictures cost time, not insight */
        const char *simulcast = layers[chance(m, 15) ? 2 : below(m, 2)];
        const char *codec = codecs[below(m, 5)];
        bool is_described = chance(m, 30);
        if (!add_svc(m))
            writer_printf(&m->yaml, "    video: %s\n    layers: %s\n%s", codec, simulcast,
                          is_described ? "    dependency-descriptor: yes\n" : "");
    }
    unsigned slots = below(m, 6);
    writer_printf(&m->yaml, "    audio-slots: %u\n    video-slots: %u\n", 1 + below(m, 5), slots);
    if (slots > 0)
        writer_printf(&m->yaml, "    watch-size: %s\n", sizes[below(m, 3)]);
    writer_printf(&m->yaml, "    listen: 0%%\n");
}

/* --- networks --- */

static struct network_path good_path(struct maker *m)
{
    return (struct network_path){ .delay_us = between(m, MILLIS(1), MILLIS(60)),
                                  .jitter_us = chance(m, 50) ? between(m, 0, MILLIS(5)) : 0 };
}

static struct network_path bad_path(struct maker *m)
{
    struct network_path p = good_path(m);
    if (chance(m, 40))
        p.loss = (double)(1 + below(m, 150)) / 1000;
    if (chance(m, 15)) {
        p.burst_enter = (double)(1 + below(m, 20)) / 1000;
        p.burst_leave = (double)(50 + below(m, 400)) / 1000;
        p.burst_loss = 1;
    }
    if (chance(m, 30))
        p.delay_us = between(m, MILLIS(50), MILLIS(300));
    if (chance(m, 30))
        p.jitter_us = between(m, 0, MILLIS(80));
    if (chance(m, 30)) {
        p.reorder = (double)(1 + below(m, 50)) / 1000;
        p.reorder_us = (uint32_t)between(m, MILLIS(2), MILLIS(60));
    }
    if (chance(m, 20))
        p.duplicate = (double)(1 + below(m, 50)) / 1000;
    if (chance(m, 35)) {
        p.rate_bps = 100000 + below(m, 1500) * 1000u;
        p.queue_us_max = (uint32_t)between(m, MILLIS(50), MILLIS(400));
    }
    return p;
}

static void add_networks(struct maker *m, unsigned bot)
{
    usec end = m->s->duration - SCRIPT_HEALED;
    add(m, 0, SCRIPT_NETWORK, bot)->network =
        (struct network){ .up = good_path(m), .down = good_path(m) };
    for (unsigned i = below(m, 4); i > 0; i--) {
        usec from = between(m, SECONDS(1), end - SECONDS(1));
        usec to = between(m, from, end);
        struct network good = { .up = good_path(m), .down = good_path(m) }, bad = good;
        if (chance(m, 70))
            bad.up = bad_path(m);
        if (chance(m, 70))
            bad.down = bad_path(m);
        add(m, from, SCRIPT_NETWORK, bot)->network = bad;
        add(m, to, SCRIPT_NETWORK, bot)->network = good;
    }
    if (chance(m, 15)) {
        add(m, between(m, 0, end - SECONDS(1)), SCRIPT_LOSE_KEYFRAMES, bot)->share =
            (double)(20 + below(m, 60)) / 100;
    }
    add(m, end, SCRIPT_LOSE_KEYFRAMES, bot)->share = 0;
    add(m, end, SCRIPT_NETWORK, bot)->network =
        (struct network){ .up = good_path(m), .down = good_path(m) };
}

/* --- what they do --- */

static void add_deeds(struct maker *m, unsigned bot)
{
    usec end = m->s->duration - SCRIPT_HEALED, last = end - SECONDS(1);
    usec start = bot < 2 ? between(m, 0, MILLIS(200)) : between(m, 0, end / 2);
    add(m, start, SCRIPT_START, bot);
    if (chance(m, 20))
        add(m, between(m, start + SECONDS(1), last), SCRIPT_REJOIN, bot);
    if (chance(m, 15))
        add(m, between(m, start + SECONDS(1), last), SCRIPT_CUT, bot);
    for (unsigned i = below(m, 5); i > 0; i--)
        add(m, between(m, start + SECONDS(1), last), SCRIPT_VIEW, bot)->random =
            splitmix_next(&m->random);
    if (chance(m, 25)) {
        enum media_kind what = chance(m, 50) ? MEDIA_VIDEO : MEDIA_AUDIO;
        usec from = between(m, start + SECONDS(1), last);
        add(m, from, SCRIPT_MUTE, bot)->what = what;
        add(m, between(m, from, end), SCRIPT_UNMUTE, bot)->what = what;
    }
    if (bot >= 2 && chance(m, 15)) {
        add(m, between(m, start + SECONDS(1), last), SCRIPT_LEAVE, bot);
        m->s->leaves[bot] = true;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct script_event *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->bot != y->bot)
        return x->bot < y->bot ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

void script_make(struct script *s, uint64_t seed)
{
    *s = (struct script){ 0 };
    struct maker m = { .s = s,
                       .random = splitmix_mix(seed + 1),
                       .svc_random = splitmix_mix(~seed),
                       .yaml = writer_of(s->yaml, sizeof s->yaml - 1) };
    s->bot_count = chance(&m, 70) ? 2 + below(&m, 3) : 2 + below(&m, 11);
    s->duration = between(&m, SECONDS(20), s->bot_count > 6 ? SECONDS(30) : SECONDS(60));
    writer_printf(&m.yaml, "join-timeout: 20s\nsettle: 0s\ngroups:\n");
    for (unsigned i = 0; i < s->bot_count; i++)
        add_group(&m, i);
    check(!m.yaml.failed);
    for (unsigned i = 0; i < s->bot_count; i++) {
        add_networks(&m, i);
        add_deeds(&m, i);
    }
    qsort(s->events, s->event_count, sizeof s->events[0], by_time);
}
