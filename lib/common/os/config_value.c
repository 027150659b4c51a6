/* Texts to typed values. SPDX-License-Identifier: Apache-2.0 */
#include "common/os/config_private.h"
#include "common/os/net_address.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of durations, each a multiple of the one before. */
static const struct {
    const char *unit;
    uint64_t usecs;
} units[] = { { "us", 1 },           { "ms", 1000 },         { "s", 1000000 },
              { "m", 60 * 1000000 }, { "h", 3600000000ull }, { "d", 86400000000ull } };

enum err config_parse_duration(const char *text, usec *ret)
{
    size_t digits = strspn(text, "0123456789.");
    if (digits == 0 || digits > 18 || text[0] == '.')
        return ERR_MALFORMED;
    char *end;
    double number = strtod(text, &end);
    if (end != text + digits)
        return ERR_MALFORMED;
    if (strcmp(text, "0") == 0) {
        *ret = 0;
        return OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(text + digits, units[i].unit) == 0) {
            double usecs = number * (double)units[i].usecs;
            if (usecs > 9e15)
                return ERR_MALFORMED;
            *ret = (usec)llround(usecs);
            return OK;
        }
    }
    return ERR_MALFORMED;
}

static bool parse_bool(const char *text, bool *ret)
{
    static const char *const yes[] = { "true", "yes", "on", "1" };
    static const char *const no[] = { "false", "no", "off", "0" };
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool is_digits(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strspn(text, "0123456789") == len;
}

/* False if it is more than 64 bits hold. */
static bool parse_uint(const char *text, uint64_t *ret)
{
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    *ret = value;
    return errno == 0;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; len > 0 && *at != '\0';) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, text, n) == 0)
            return true;
        at += at[n] == '|' ? n + 1 : n;
    }
    return false;
}

/* "a, b" → items. False without memory. */
static bool store_list(struct config *c, const char *text, struct config_strings *ret)
{
    size_t capacity = 1;
    for (const char *at = text; *at != '\0'; at++)
        capacity += *at == ',' ? 1 : 0;
    const char ***lists = realloc(c->lists, (c->list_count + 1) * sizeof *lists);
    const char **items = calloc(capacity, sizeof *items);
    if (lists != NULL)
        c->lists = lists;
    if (lists == NULL || items == NULL) {
        free(items);
        return false;
    }
    c->lists[c->list_count++] = items;
    size_t count = 0;
    while (*text != '\0') {
        text += strspn(text, " ");
        size_t len = strcspn(text, ",");
        size_t trimmed = len;
        while (trimmed > 0 && text[trimmed - 1] == ' ')
            trimmed--;
        if (trimmed > 0)
            items[count++] = config_copy(c, text, trimmed);
        text += text[len] == ',' ? len + 1 : len;
    }
    *ret = (struct config_strings){ .items = items, .count = count };
    return true;
}

static bool is_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(text);
    return len <= CONFIG_NAME_MAX && strspn(text, allowed) == len;
}

static bool are_networks(const struct config_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!net_cidr_is_valid(list->items[i]))
            return false;
    return true;
}

static bool in_range(const struct config_option *o, uint64_t value)
{
    return value >= o->min && (o->max == 0 || value <= o->max);
}

/* In the largest unit that leaves a whole number. */
static void print_duration(uint64_t usecs, FILE *out)
{
    size_t i = ARRAY_LEN(units) - 1;
    while (i > 0 && usecs % units[i].usecs != 0)
        i--;
    if (usecs == 0)
        (void)fprintf(out, "0");
    else
        (void)fprintf(out, "%llu%s", (unsigned long long)(usecs / units[i].usecs), units[i].unit);
}

/* What in_range() wants of a number or a duration. */
static void print_range(const struct config_option *o, FILE *out)
{
    if (o->type == CONFIG_UINT) {
        (void)fprintf(out, "expected a whole number from %llu to %llu", (unsigned long long)o->min,
                      (unsigned long long)(o->max == 0 ? UINT64_MAX : o->max));
        return;
    }
    (void)fprintf(out,
                  o->max == 0 ? "expected a duration of at least " : "expected a duration from ");
    print_duration(o->min, out);
    if (o->max == 0)
        return;
    (void)fprintf(out, " to ");
    print_duration(o->max, out);
}

/* NULL = stored, otherwise what was expected; "" = another within the range. `kept` lives as long
 * as the config. */
static const char *store(struct config *c, const struct config_option *o, const char *kept)
{
    struct sockaddr_storage address;
    uint64_t number;
    usec duration;
    char *end;
    double real;
    switch (o->type) {
    case CONFIG_STRING:
        if (o->choices != NULL && !is_choice(o->choices, kept))
            return o->choices;
        *(const char **)o->ret = kept;
        return NULL;
    case CONFIG_ADDRESS:
        if (kept[0] != '\0' && net_address_parse(kept, &address) != OK)
            return "an address and port such as 127.0.0.1:8080 or [::1]:8080";
        *(const char **)o->ret = kept;
        return NULL;
    case CONFIG_NAME:
        if (!is_name(kept))
            return "up to 64 of a-z A-Z 0-9 . _ -";
        *(const char **)o->ret = kept;
        return NULL;
    case CONFIG_UINT:
        if (!is_digits(kept))
            return "a whole number";
        if (!parse_uint(kept, &number) || !in_range(o, number))
            return "";
        *(uint64_t *)o->ret = number;
        return NULL;
    case CONFIG_BOOL:
        return parse_bool(kept, (bool *)o->ret) ? NULL : "true or false";
    case CONFIG_DOUBLE:
        real = strtod(kept, &end);
        if (kept[0] == '\0' || *end != '\0' || !isfinite(real))
            return "a number";
        *(double *)o->ret = real;
        return NULL;
    case CONFIG_DURATION:
        if (config_parse_duration(kept, &duration) != OK)
            return "a duration with its unit such as 500ms, 10s, 5m or 24h";
        if (!in_range(o, (uint64_t)duration))
            return "";
        *(usec *)o->ret = duration;
        return NULL;
    case CONFIG_STRINGS:
        return store_list(c, kept, (struct config_strings *)o->ret) ? NULL : "less (out of memory)";
    case CONFIG_NETWORKS:
        if (!store_list(c, kept, (struct config_strings *)o->ret))
            return "less (out of memory)";
        return are_networks(o->ret) ? NULL : "addresses or networks such as 10.0.0.0/8, ::1";
    }
    return "nothing";
}

bool config_set(struct config *c, struct config_row *row, const char *text, const char *where,
                const char *origin)
{
    const struct config_option *o = &row->option;
    const char *kept = config_copy(c, text, strlen(text));
    const char *expected = store(c, o, kept);
    if (expected == NULL) {
        row->text = kept;
        row->origin = origin;
        return true;
    }
    (void)fprintf(c->err, "%s: bad value for '%s': ", where, o->key);
    if (expected[0] == '\0')
        print_range(o, c->err);
    else
        (void)fprintf(c->err, "expected %s", expected);
    if (o->secret)
        (void)fprintf(c->err, "\n");
    else
        (void)fprintf(c->err, ", got '%s'\n", text);
    return false;
}
