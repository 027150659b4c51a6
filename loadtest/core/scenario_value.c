/* SPDX-License-Identifier: Apache-2.0 */
#include "core/scenario_value.h"

#include "core/scenario_tree.h"
#include "rtc/depdesc_pattern.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
    const char *suffix;
    double factor;
};

static const struct unit durations[] = { { "us", 1 },     { "ms", 1e3 }, { "s", 1e6 },
                                         { "min", 60e6 }, { "m", 60e6 }, { "h", 3600e6 } };
static const struct unit rates[] = {
    { "bps", 1 }, { "kbps", 1e3 }, { "mbps", 1e6 }, { "gbps", 1e9 }
};
static const struct unit frequencies[] = { { "/s", 1 }, { "/min", 1.0 / 60 } };
static const struct unit shares[] = { { "%", 0.01 } };
static const struct unit counts[] = { { "", 1 } };

/* Digits with at most one point: no sign, no exponent, no "inf". Returns what follows, or NULL. */
static const char *read_digits(const char *text, double *ret)
{
    size_t whole = strspn(text, "0123456789");
    size_t len = whole;
    if (text[len] == '.') {
        size_t fraction = strspn(text + len + 1, "0123456789");
        if (fraction == 0)
            return NULL;
        len += 1 + fraction;
    }
    if (whole == 0 || len > 18)
        return NULL;
    char digits[19];
    memcpy(digits, text, len);
    digits[len] = '\0';
    *ret = strtod(digits, NULL);
    return text + len;
}

/* A number with one of the units; 0 needs none. */
static bool read_number(const char *text, const struct unit *units, size_t count, double *ret)
{
    double number = 0;
    const char *rest = read_digits(text, &number);
    if (rest == NULL)
        return false;
    rest += strspn(rest, " ");
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(rest, units[i].suffix) == 0) {
            *ret = number * units[i].factor;
            return true;
        }
    if (*rest != '\0' || number > 0)
        return false;
    *ret = 0;
    return true;
}

/* 0 is always allowed where the default is 0: it turns the thing off. */
static bool is_within(const struct scenario_key *key, double value)
{
    if (key->min == 0 && key->max == 0)
        return true;
    bool may_be_off = key->def != NULL && strcmp(key->def, "0") == 0;
    return (value == 0 && may_be_off) || (value >= key->min && value <= key->max);
}

static void write_limit(const struct scenario_key *key, double value, char ret[32])
{
    bool is_duration = key->kind == VALUE_DURATION || key->kind == VALUE_DURATION_32;
    if (is_duration && value >= 3600e6)
        (void)snprintf(ret, 32, "%gh", value / 3600e6);
    else if (is_duration && (value >= 1e6 || value == 0))
        (void)snprintf(ret, 32, "%gs", value / 1e6);
    else if (is_duration)
        (void)snprintf(ret, 32, "%gms", value / 1e3);
    else if (key->kind == VALUE_RATE && value >= 1e9)
        (void)snprintf(ret, 32, "%ggbps", value / 1e9);
    else if (key->kind == VALUE_RATE)
        (void)snprintf(ret, 32, "%gkbps", value / 1e3);
    else if (key->kind == VALUE_PER_SECOND)
        (void)snprintf(ret, 32, "%.10g/s", value);
    else
        (void)snprintf(ret, 32, "%.10g", value);
}

static bool not_this(const struct scenario_key *key, const char *text, char *ret_why)
{
    const char *expected = value_kind_help(key->kind);
    char hint[TREE_HINT_MAX] = "";
    if (key->kind == VALUE_TALK || key->kind == VALUE_VIDEO || key->kind == VALUE_SCALABILITY)
        (void)tree_hint(text, expected, hint);
    (void)snprintf(ret_why, VALUE_WHY_MAX, "'%.60s'%s; expected: %s", text, hint, expected);
    return false;
}

const char *value_range(const struct scenario_key *key, char ret[VALUE_RANGE_MAX])
{
    char low[32], high[32];
    write_limit(key, key->min, low);
    write_limit(key, key->max, high);
    ret[0] = '\0';
    if (key->min != 0 || key->max != 0)
        (void)snprintf(ret, VALUE_RANGE_MAX, "from %s to %s", low, high);
    return ret;
}

static bool out_of_range(const struct scenario_key *key, const char *text, char *ret_why)
{
    char range[VALUE_RANGE_MAX];
    (void)snprintf(ret_why, VALUE_WHY_MAX, "'%.60s' is out of range; expected: %s", text,
                   value_range(key, range));
    return false;
}

bool is_scenario_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return len > 0 && name[len] == '\0' && len < SCENARIO_NAME_MAX;
}

static bool read_text(const struct scenario_key *key, const char *text, char *field, char *ret_why)
{
    size_t len = strlen(text);
    bool ok = key->kind == VALUE_NAME ? is_scenario_name(text) : len < SCENARIO_TEXT_MAX;
    if (!ok)
        return not_this(key, text, ret_why);
    memcpy(field, text, len + 1);
    return true;
}

static bool read_size(const struct scenario_key *key, const char *text, uint16_t *field,
                      char *ret_why)
{
    double width = 0, height = 0;
    const char *rest = read_digits(text, &width);
    if (rest == NULL || *rest != 'x')
        return not_this(key, text, ret_why);
    rest = read_digits(rest + 1, &height);
    if (rest == NULL || *rest != '\0' || width != floor(width) || height != floor(height))
        return not_this(key, text, ret_why);
    if (!is_within(key, width) || !is_within(key, height))
        return out_of_range(key, text, ret_why);
    field[0] = (uint16_t)width;
    field[1] = (uint16_t)height;
    return true;
}
static_assert(offsetof(struct group, watch_height) == offsetof(struct group, watch_width) + 2 &&
                  offsetof(struct group, thumb_height) == offsetof(struct group, thumb_width) + 2,
              "a size is width and height side by side");

static bool read_layers(const struct scenario_key *key, const char *text, struct group *g,
                        char *ret_why)
{
    uint16_t heights[SCENARIO_LAYERS_MAX] = { 0 };
    unsigned count = 0;
    const char *at = text + strspn(text, "[ ");
    while (*at != '\0' && *at != ']') {
        double height = 0;
        at = read_digits(at, &height);
        if (at == NULL || count == SCENARIO_LAYERS_MAX || height != floor(height) || height < 16 ||
            height > 4320 || (count > 0 && height <= heights[count - 1]))
            return not_this(key, text, ret_why);
        heights[count++] = (uint16_t)height;
        at += strspn(at, " ");
        if (*at == ',')
            at += 1 + strspn(at + 1, " ");
        else if (*at != '\0' && *at != ']')
            return not_this(key, text, ret_why);
    }
    if (count == 0)
        return not_this(key, text, ret_why);
    memcpy(g->layers, heights, sizeof heights);
    g->layer_count = count;
    return true;
}

static bool read_video(const struct scenario_key *key, const char *text, struct group *g,
                       char *ret_why)
{
    if (strcmp(text, "off") == 0 || strcmp(text, "no") == 0) {
        g->video = VIDEO_OFF;
        g->codec = CODEC_NONE;
        return true;
    }
    if (strcmp(text, "mixed") == 0) {
        g->video = VIDEO_MIXED;
        g->codec = CODEC_NONE;
        return true;
    }
    enum codec codec = codec_from_name(bytes_of_str(text));
    if (codec == CODEC_NONE || codec == CODEC_RTX || codec_kind(codec) != MEDIA_VIDEO)
        return not_this(key, text, ret_why);
    g->video = VIDEO_ONE;
    g->codec = codec;
    return true;
}

/* Patterns with layers that build on each other: what their names begin with. */
static bool read_scalability(const struct scenario_key *key, const char *text, char *field,
                             char *ret_why)
{
    const struct depdesc_pattern *p = depdesc_pattern_find(text);
    if (strcmp(text, "off") == 0 || strcmp(text, "no") == 0) {
        field[0] = '\0';
        return true;
    }
    if (p == NULL || p->name[0] != 'L' || strlen(p->name) >= SCENARIO_SCALABILITY_MAX)
        return not_this(key, text, ret_why);
    memcpy(field, p->name, strlen(p->name) + 1);
    return true;
}

static bool read_talk(const struct scenario_key *key, const char *text, enum talk_mode *field,
                      char *ret_why)
{
    static const char *const modes[] = { [TALK_NEVER] = "never",
                                         [TALK_MUTED] = "muted",
                                         [TALK_TURNS] = "turns",
                                         [TALK_ALWAYS] = "always" };
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcmp(text, modes[i]) == 0) {
            *field = (enum talk_mode)i;
            return true;
        }
    return not_this(key, text, ret_why);
}

static bool read_bool(const struct scenario_key *key, const char *text, bool *field, char *ret_why)
{
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
        return not_this(key, text, ret_why);
    *field = yes;
    return true;
}

static bool read_quantity(const struct scenario_key *key, const char *text, double *ret,
                          char *ret_why)
{
    static const struct {
        const struct unit *units;
        size_t count;
    } of_kind[VALUE_KIND_COUNT] = {
        [VALUE_COUNT] = { counts, ARRAY_LEN(counts) },
        [VALUE_WATCH] = { counts, ARRAY_LEN(counts) },
        [VALUE_DURATION] = { durations, ARRAY_LEN(durations) },
        [VALUE_DURATION_32] = { durations, ARRAY_LEN(durations) },
        [VALUE_SHARE] = { shares, ARRAY_LEN(shares) },
        [VALUE_RATE] = { rates, ARRAY_LEN(rates) },
        [VALUE_PER_SECOND] = { frequencies, ARRAY_LEN(frequencies) },
    };
    check(of_kind[key->kind].count > 0);
    if (!read_number(text, of_kind[key->kind].units, of_kind[key->kind].count, ret))
        return not_this(key, text, ret_why);
    if ((key->kind == VALUE_COUNT || key->kind == VALUE_WATCH) && *ret != floor(*ret))
        return not_this(key, text, ret_why);
    if (key->kind == VALUE_SHARE && *ret > 1) {
        (void)snprintf(ret_why, VALUE_WHY_MAX, "'%.60s' is more than 100%%", text);
        return false;
    }
    return is_within(key, *ret) ? true : out_of_range(key, text, ret_why);
}

bool value_read(const struct scenario_key *key, const char *text, void *base,
                char ret_why[VALUE_WHY_MAX])
{
    void *field = (char *)base + key->offset;
    double value = 0;
    switch (key->kind) {
    case VALUE_NAME:
    case VALUE_TEXT:
        return read_text(key, text, (char *)field, ret_why);
    case VALUE_SIZE:
        return read_size(key, text, (uint16_t *)field, ret_why);
    case VALUE_BOOL:
        return read_bool(key, text, (bool *)field, ret_why);
    case VALUE_TALK:
        return read_talk(key, text, (enum talk_mode *)field, ret_why);
    case VALUE_VIDEO:
        return read_video(key, text, (struct group *)base, ret_why);
    case VALUE_SCALABILITY:
        return read_scalability(key, text, (char *)field, ret_why);
    case VALUE_LAYERS:
        return read_layers(key, text, (struct group *)base, ret_why);
    case VALUE_WATCH:
        if (strcmp(text, "all") == 0) {
            *(unsigned *)field = SCENARIO_WATCH_ALL;
            return true;
        }
        break;
    case VALUE_RATE:
        if (strcmp(text, "unlimited") == 0) {
            *(uint64_t *)field = 0;
            return true;
        }
        break;
    default:
        break;
    }
    if (!read_quantity(key, text, &value, ret_why))
        return false;
    if (key->kind == VALUE_COUNT || key->kind == VALUE_WATCH)
        *(unsigned *)field = (unsigned)value;
    else if (key->kind == VALUE_DURATION)
        *(usec *)field = (usec)llround(value);
    else if (key->kind == VALUE_DURATION_32)
        *(uint32_t *)field = (uint32_t)llround(value);
    else if (key->kind == VALUE_RATE)
        *(uint64_t *)field = (uint64_t)llround(value);
    else
        *(double *)field = value;
    return true;
}
