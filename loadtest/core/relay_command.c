/* SPDX-License-Identifier: Apache-2.0 */
#include "core/relay_command.h"

#include <stdio.h>
#include <stdlib.h>

enum unit { UNIT_SHARE, UNIT_BPS, UNIT_MS, UNIT_MS_32 };

static const struct {
    const char *key;
    enum unit unit;
    size_t offset;
    double max;
} keys[] = {
#define P(field) offsetof(struct network_path, field)
    { "loss", UNIT_SHARE, P(loss), 1 },
    { "burst_loss", UNIT_SHARE, P(burst_loss), 1 },
    { "burst_enter", UNIT_SHARE, P(burst_enter), 1 },
    { "burst_leave", UNIT_SHARE, P(burst_leave), 1 },
    { "reorder", UNIT_SHARE, P(reorder), 1 },
    { "duplicate", UNIT_SHARE, P(duplicate), 1 },
    { "delay_ms", UNIT_MS, P(delay_us), 10000 },
    { "jitter_ms", UNIT_MS, P(jitter_us), 10000 },
    { "reorder_ms", UNIT_MS_32, P(reorder_us), 10000 },
    { "queue_ms", UNIT_MS_32, P(queue_us_max), 10000 },
    { "rate_bps", UNIT_BPS, P(rate_bps), 1e11 },
#undef P
};

static enum err refuse(char error[RELAY_ERROR_MAX], const char *key, const char *why)
{
    (void)snprintf(error, RELAY_ERROR_MAX, "'%.40s' %s", key, why);
    return ERR_MALFORMED;
}

static void store(struct network_path *p, size_t offset, enum unit unit, double v)
{
    uint8_t *at = (uint8_t *)p + offset;
    if (unit == UNIT_SHARE)
        memcpy(at, &v, sizeof v);
    else if (unit == UNIT_BPS)
        memcpy(at, &(uint64_t){ (uint64_t)v }, sizeof(uint64_t));
    else if (unit == UNIT_MS)
        memcpy(at, &(usec){ (usec)(v * 1000) }, sizeof(usec));
    else
        memcpy(at, &(uint32_t){ (uint32_t)(v * 1000) }, sizeof(uint32_t));
}

static enum err read_path(const json_t *json, struct network_path *ret, char *error)
{
    const char *key;
    json_t *value;
    struct network_path p = { .burst_loss = 1 };
    if (!json_is_object(json))
        return refuse(error, "up, down", "are objects");
    json_object_foreach((json_t *)json, key, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(keys) && strcmp(keys[i].key, key) != 0)
            i++;
        if (i == ARRAY_LEN(keys))
            return refuse(error, key, "is no key of a network");
        double v = json_is_number(value) ? json_number_value(value) : -1;
        if (!(v >= 0 && v <= keys[i].max))
            return refuse(error, key, "is out of range");
        store(&p, keys[i].offset, keys[i].unit, v);
    }
    if (p.burst_enter > 0 && p.burst_leave <= 0)
        return refuse(error, "burst_enter", "needs burst_leave");
    *ret = p;
    return OK;
}

static enum err read_command(const json_t *json, struct relay_command *c, char *error)
{
    static const char *const directions[] = { [RELAY_UP] = "up", [RELAY_DOWN] = "down" };
    const char *key;
    json_t *value;
    if (!json_is_object(json))
        return refuse(error, "a command", "is an object");
    json_object_foreach((json_t *)json, key, value)
    {
        unsigned d = 0;
        while (d < RELAY_DIRECTIONS && strcmp(directions[d], key) != 0)
            d++;
        if (d < RELAY_DIRECTIONS) {
            c->has_path[d] = true;
            if (read_path(value, &c->paths[d], error) != OK)
                return ERR_MALFORMED;
        } else if (strcmp(key, "to") == 0) {
            c->has_to = true;
            if (!json_is_string(value) ||
                relay_address_parse(json_string_value(value), &c->to) != OK)
                return refuse(error, key, "is an IP:PORT");
        } else if (strcmp(key, "counters") == 0) {
            c->counters = json_is_true(value);
        } else {
            return refuse(error, key, "is no command");
        }
    }
    return OK;
}

static json_t *load(struct bytes text, char *error)
{
    json_error_t why;
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL)
        (void)refuse(error, "the line", "is no JSON");
    return json;
}

enum err relay_command_parse(struct bytes line, struct relay_command *ret,
                             char ret_error[RELAY_ERROR_MAX])
{
    struct relay_command c = { 0 };
    json_t *json = load(line, ret_error);
    enum err err = json == NULL ? ERR_MALFORMED : read_command(json, &c, ret_error);
    json_decref(json);
    if (err == OK)
        *ret = c;
    return err;
}

enum err relay_path_parse(struct bytes text, struct network_path *ret,
                          char ret_error[RELAY_ERROR_MAX])
{
    json_t *json = load(text, ret_error);
    enum err err = json == NULL ? ERR_MALFORMED : read_path(json, ret, ret_error);
    json_decref(json);
    return err;
}

enum err relay_address_parse(const char *text, struct net_addr *ret)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return ERR_MALFORMED;
    bool is_bracketed = text[0] == '[' && colon[-1] == ']';
    struct bytes ip = is_bracketed ? bytes_of(text + 1, (size_t)(colon - text) - 2)
                                   : bytes_of(text, (size_t)(colon - text));
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535)
        return ERR_MALFORMED;
    if (!is_bracketed && memchr(ip.data, ':', ip.len) != NULL)
        return ERR_MALFORMED;
    return net_addr_parse(ip, (uint16_t)port, ret);
}

json_t *relay_counters_json(const struct relay_counters *c)
{
    uint64_t lost = c->fates[NETEM_LOST] + c->fates[NETEM_LOST_BURST];
    return json_pack("{sI sI sI sI sI sI sI}", "packets", (json_int_t)c->packets, "bytes",
                     (json_int_t)c->bytes, "lost", (json_int_t)lost, "queue_full",
                     (json_int_t)c->fates[NETEM_QUEUE_FULL], "no_memory",
                     (json_int_t)c->fates[NETEM_NO_MEMORY], "reordered", (json_int_t)c->reordered,
                     "duplicated", (json_int_t)c->duplicated);
}
