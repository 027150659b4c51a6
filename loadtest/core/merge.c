/* SPDX-License-Identifier: Apache-2.0 */
#include "core/merge_private.h"

#include "core/result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_LEN = 128 };

/* What becomes of two values of the same path. Without a rule: numbers are summed, histograms
 * added, objects merged key by key, truths or-ed, texts those of the first. */
enum how {
    HOW_MAX,
    HOW_FIRST,
    HOW_JOIN,  /* lists: one after the other, up to the limit */
    HOW_MATCH, /* lists of objects: those with the same keys are merged */
};

static const struct rule {
    const char *path;
    enum how how;
    size_t limit;
    const char *keys[2];
} RULES[] = {
    { "joins.failures", HOW_MATCH, MERGE_FAILURES_MAX, { "stage", "error" } },
    { "joins.failures.bot", HOW_FIRST, 0, { NULL } },
    { "audio.pairs.missing", HOW_JOIN, MERGE_MISSING_MAX, { NULL } },
    { "video.pairs.missing", HOW_JOIN, MERGE_MISSING_MAX, { NULL } },
    { "audio.tones.examples", HOW_JOIN, MERGE_EXAMPLES_MAX, { NULL } },
    { "audio.gaps.longest_ms", HOW_MAX, 0, { NULL } },
    { "video.freezes.longest_ms", HOW_MAX, 0, { NULL } },
    { "video.layers", HOW_MATCH, MERGE_EXAMPLES_MAX, { "asked_height" } },
    { "video.layers.asked_height", HOW_FIRST, 0, { NULL } },
    { "errors.signaling", HOW_MATCH, MERGE_FAILURES_MAX, { "error" } },
    { "chaos.signaling.bots", HOW_JOIN, MERGE_BOTS_MAX, { NULL } },
    { "chaos.media.bots", HOW_JOIN, MERGE_BOTS_MAX, { NULL } },
    { "tester.cpu_share_busiest_thread", HOW_MAX, 0, { NULL } },
    { "tester.steal_share", HOW_MAX, 0, { NULL } },
    { "tester.reasons", HOW_FIRST, 0, { NULL } },
};

static const struct rule *find_rule(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++) {
        if (strcmp(RULES[i].path, path) == 0)
            return &RULES[i];
    }
    return NULL;
}

static json_t *sum(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer(
            (json_int_t)((uint64_t)json_integer_value(a) + (uint64_t)json_integer_value(b)));
    return json_real(json_number_value(a) + json_number_value(b));
}

static json_t *sum_of_histograms(const json_t *a, const json_t *b)
{
    struct histogram *h = calloc(2, sizeof *h);
    json_t *ret = NULL;
    if (h != NULL && histogram_from_json(a, &h[0]) == OK && histogram_from_json(b, &h[1]) == OK) {
        histogram_add(&h[0], &h[1]);
        ret = histogram_to_json(&h[0]);
    }
    free(h);
    return ret;
}

static void add_objects(json_t *to, const json_t *from, const char *path);

static json_t *find_match(json_t *list, const json_t *wanted, const struct rule *r)
{
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        bool same = true;
        for (size_t k = 0; k < ARRAY_LEN(r->keys) && r->keys[k] != NULL; k++)
            same = same && json_equal(json_object_get(item, r->keys[k]),
                                      json_object_get(wanted, r->keys[k]));
        if (same)
            return item;
    }
    return NULL;
}

static void add_list(json_t *to, const json_t *from, const char *path, const struct rule *r)
{
    const json_t *item;
    size_t i;
    json_array_foreach(from, i, item)
    {
        json_t *same = r->how == HOW_MATCH ? find_match(to, item, r) : NULL;
        if (same != NULL)
            add_objects(same, item, path);
        else if (json_array_size(to) < r->limit)
            json_array_append_new(to, json_deep_copy(item));
    }
}

/* What the two become together: a new reference, or NULL: `a` as it is, perhaps changed. */
static json_t *combine(json_t *a, const json_t *b, const char *path)
{
    const struct rule *r = find_rule(path);
    if (r != NULL && r->how == HOW_FIRST)
        return NULL;
    if (r != NULL && json_is_array(a)) {
        add_list(a, b, path, r);
        return NULL;
    }
    if (json_is_number(a) && json_is_number(b)) {
        if (r == NULL)
            return sum(a, b);
        return json_number_value(b) > json_number_value(a) ? json_deep_copy(b) : NULL;
    }
    if (json_is_boolean(a))
        return json_boolean(json_is_true(a) || json_is_true(b));
    if (json_object_get(a, "buckets") != NULL)
        return sum_of_histograms(a, b);
    if (json_is_object(a))
        add_objects(a, b, path);
    return NULL;
}

static void add_objects(json_t *to, const json_t *from, const char *path)
{
    const char *key;
    json_t *value;
    char below[PATH_MAX_LEN];
    json_object_foreach((json_t *)from, key, value)
    {
        json_t *there = json_object_get(to, key);
        (void)snprintf(below, sizeof below, "%s.%s", path, key);
        if (there == NULL || json_is_null(there)) {
            json_object_set_new(to, key, json_deep_copy(value));
            continue;
        }
        json_t *both = combine(there, value, below);
        if (both != NULL)
            json_object_set_new(to, key, both);
    }
}

/* --- what is not a sum --- */

static double positive(const json_t *result, const char *path)
{
    double n = result_number(result, path);
    return isfinite(n) && n > 0 ? n : 0;
}

static json_int_t whole(double n)
{
    return (json_int_t)MIN(n, 1e15);
}

static void set_real(json_t *result, const char *path, const char *key, double value)
{
    json_t *at = (json_t *)result_at(result, path);
    if (json_is_object(at))
        json_object_set_new(at, key, json_real(value));
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void recompute_loss(json_t *merged, const char *path)
{
    const json_t *loss = result_at(merged, path);
    double expected = positive(loss, "expected"), lost = positive(loss, "lost_before_rtx");
    double after = MAX(lost - positive(loss, "recovered"), 0);
    set_real(merged, path, "before", share(lost, expected));
    set_real(merged, path, "after", share(after, expected));
}

static void recompute_asked_share(json_t *merged)
{
    double all = 0, as_asked = 0;
    const json_t *layer, *seconds;
    size_t i;
    json_array_foreach(result_at(merged, "video.layers"), i, layer)
    {
        char asked[24];
        const char *key;
        (void)snprintf(asked, sizeof asked, "%.0f", positive(layer, "asked_height"));
        json_object_foreach(json_object_get(layer, "seconds"), key, seconds)
        {
            all += json_number_value(seconds);
            as_asked += strcmp(key, asked) == 0 ? json_number_value(seconds) : 0;
        }
    }
    json_t *video = json_object_get(merged, "video");
    if (json_is_object(video))
        json_object_set_new(video, "asked_share",
                            all > 0 ? json_real(as_asked / all) : json_null());
}

/* Of each machine's bots, by how many it has. */
static double mean_per_bot(const struct merge_part *parts, size_t count, const char *path)
{
    double weighted = 0, bots = 0;
    for (size_t i = 0; i < count; i++) {
        double joined = positive(parts[i].result, "joins.joined");
        weighted += joined * positive(parts[i].result, path);
        bots += joined;
    }
    return share(weighted, bots);
}

/* "10.0.0.7:9700: thread 0 was busy 97 % of the time" */
static json_t *reasons(const struct merge_part *parts, size_t count)
{
    json_t *ret = json_array();
    for (size_t i = 0; i < count; i++) {
        const json_t *reason;
        size_t k;
        json_array_foreach(result_at(parts[i].result, "tester.reasons"), k, reason)
            json_array_append_new(
                ret, json_sprintf("%s: %s", parts[i].name, result_text(reason, "", "")));
    }
    return ret;
}

/* "audio" and "video" of a result, or of a group in it. */
static void recompute_media(json_t *merged)
{
    recompute_loss(merged, "audio.loss");
    recompute_loss(merged, "video.loss");
    set_real(merged, "video.freezes", "ratio",
             share(positive(merged, "video.freezes.total_ms"),
                   positive(merged, "video.freezes.watched_ms")));
    recompute_asked_share(merged);
}

static void recompute(json_t *merged, const struct merge_part *parts, size_t count)
{
    recompute_media(merged);
    json_t *tester = json_object_get(merged, "tester");
    double memory = mean_per_bot(parts, count, "tester.memory_bytes_per_bot");
    json_object_set_new(tester, "memory_bytes_per_bot", json_integer(whole(memory)));
    set_real(merged, "tester", "cpu_us_per_bot_second",
             mean_per_bot(parts, count, "tester.cpu_us_per_bot_second"));
    json_object_set_new(tester, "reasons", reasons(parts, count));
}

static void add_group(json_t *groups, const json_t *group)
{
    static const struct rule BY_NAME = { .keys = { "name" } };
    json_t *to = find_match(groups, group, &BY_NAME);
    if (to == NULL) {
        to = json_pack("{s:O?, s:{}, s:{}}", "name", json_object_get(group, "name"), "audio",
                       "video");
        json_array_append_new(groups, to);
    }
    json_int_t bots =
        json_integer_value(json_object_get(to, "bots")) + whole(positive(group, "bots"));
    json_object_set_new(to, "bots", json_integer(bots));
    if (json_object_get(to, "joins") == NULL && json_object_get(group, "joins") != NULL)
        json_object_set_new(to, "joins", json_object());
    add_objects(json_object_get(to, "joins"), json_object_get(group, "joins"), "joins");
    add_objects(json_object_get(to, "audio"), json_object_get(group, "audio"), "audio");
    add_objects(json_object_get(to, "video"), json_object_get(group, "video"), "video");
}

static json_t *groups_json(const struct merge_part *parts, size_t count)
{
    json_t *ret = json_array(), *group;
    size_t k;
    for (size_t i = 0; i < count; i++) {
        json_array_foreach(json_object_get(parts[i].result, "groups"), k, group)
            add_group(ret, group);
    }
    json_array_foreach(ret, k, group) recompute_media(group);
    return ret;
}

/* --- about the run --- */

static double highest(const struct merge_part *parts, size_t count, const char *path)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = MAX(most, positive(parts[i].result, path));
    return most;
}

static json_t *seconds_json(const struct merge_part *parts, size_t count)
{
    return json_pack("{sf sf sf sf}", "ramp", highest(parts, count, "seconds.ramp"), "settle",
                     highest(parts, count, "seconds.settle"), "plateau",
                     highest(parts, count, "seconds.plateau"), "total",
                     highest(parts, count, "seconds.total"));
}

static json_t *agent_json(const struct merge_part *p)
{
    json_t *tester = json_deep_copy(result_at(p->result, "tester"));
    json_object_del(tester, "late_us");
    return json_pack("{ss si si so* s{sf sf} so*}", "name", p->name, "bot_first", (int)p->bot_first,
                     "bots", (int)p->bot_count, "environment",
                     json_deep_copy(result_at(p->result, "environment")), "clock", "offset_us",
                     p->clock_offset_us, "uncertainty_us", p->clock_uncertainty_us, "tester",
                     tester);
}

static json_t *environment_json(const struct merge_part *parts, size_t count, const json_t *base)
{
    json_t *ret = json_deep_copy(result_at(base, "environment"));
    json_t *agents = json_array();
    double offset = 0, uncertainty = positive(base, "environment.clock.uncertainty_us");
    if (ret == NULL)
        ret = json_object();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(agents, agent_json(&parts[i]));
        offset = MAX(offset, fabs(parts[i].clock_offset_us));
        uncertainty = MAX(uncertainty, parts[i].clock_uncertainty_us);
    }
    json_object_set_new(ret, "agents", agents);
    json_t *clock = json_object_get(ret, "clock");
    if (clock == NULL) {
        clock = json_object();
        json_object_set_new(ret, "clock", clock);
    }
    json_object_set_new(clock, "offset_us", json_real(offset));
    json_object_set_new(clock, "uncertainty_us", json_real(uncertainty));
    return ret;
}

/* --- chaos --- */

static const json_t *find_event(const json_t *result, const json_t *wanted)
{
    const json_t *event;
    size_t i;
    json_array_foreach(result_at(result, "chaos"), i, event)
    {
        if (json_equal(json_object_get(event, "name"), json_object_get(wanted, "name")) &&
            json_equal(json_object_get(event, "kind"), json_object_get(wanted, "kind")))
            return event;
    }
    return NULL;
}

/* Who did it says what and when; everybody says who was hit. */
static json_t *chaos_json(const struct merge_part *parts, size_t count, const json_t *base)
{
    json_t *ret = json_deep_copy(result_at(base, "chaos"));
    json_t *event;
    size_t k;
    json_array_foreach(ret, k, event)
    {
        bool is_storm = strcmp(result_text(event, "kind", ""), "storm") == 0;
        unsigned long bots = strtoul(result_text(event, "output", ""), NULL, 10);
        for (size_t i = 0; i < count; i++) {
            const json_t *more =
                parts[i].result == base ? NULL : find_event(parts[i].result, event);
            if (more == NULL)
                continue;
            add_objects(json_object_get(event, "signaling"), json_object_get(more, "signaling"),
                        "chaos.signaling");
            add_objects(json_object_get(event, "media"), json_object_get(more, "media"),
                        "chaos.media");
            bots += strtoul(result_text(more, "output", ""), NULL, 10);
        }
        if (is_storm)
            json_object_set_new(event, "output", json_sprintf("%lu bots", bots));
    }
    return ret == NULL ? json_array() : ret;
}

/* --- all of it --- */

static void put_copy(json_t *merged, const char *key, const json_t *base)
{
    json_t *copy = json_deep_copy(json_object_get(base, key));
    json_object_set_new(merged, key, copy == NULL ? json_null() : copy);
}

static void put_heads(json_t *merged, const struct merge_part *parts, size_t count,
                      const json_t *base)
{
    static const char *const KEYS[] = {
        "schema", "tool", "scenario", "target", "started", "servers"
    };
    json_int_t bots = 0;
    bool interrupted = result_true(base, "interrupted");
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++)
        put_copy(merged, KEYS[i], base);
    for (size_t i = 0; i < count; i++) {
        bots += whole(positive(parts[i].result, "scenario.bots"));
        interrupted = interrupted || result_true(parts[i].result, "interrupted");
    }
    json_object_set_new(json_object_get(merged, "tool"), "machines",
                        json_integer((json_int_t)count));
    json_object_set_new(json_object_get(merged, "scenario"), "bots", json_integer(bots));
    json_object_set_new(merged, "seconds", seconds_json(parts, count));
    json_object_set_new(merged, "environment", environment_json(parts, count, base));
    json_object_set_new(merged, "chaos", chaos_json(parts, count, base));
    json_object_set_new(merged, "search", json_null());
    json_object_set_new(merged, "interrupted", json_boolean(interrupted));
}

json_t *merge_results(const struct merge_part *parts, size_t count, const json_t *observer)
{
    static const char *const SECTIONS[] = { "joins",    "audio",  "video", "quality",
                                            "feedback", "errors", "tester" };
    check(count > 0);
    json_t *merged = json_object();
    put_heads(merged, parts, count, observer != NULL ? observer : parts[0].result);
    for (size_t s = 0; s < ARRAY_LEN(SECTIONS); s++) {
        json_t *section = json_object();
        json_object_set_new(merged, SECTIONS[s], section);
        for (size_t i = 0; i < count; i++)
            add_objects(section, json_object_get(parts[i].result, SECTIONS[s]), SECTIONS[s]);
    }
    recompute(merged, parts, count);
    json_object_set_new(merged, "groups", groups_json(parts, count));
    json_object_set_new(merged, "series", merge_series(parts, count, observer));
    return merged;
}
