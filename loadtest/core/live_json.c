/* SPDX-License-Identifier: Apache-2.0 */
#include "core/live_json.h"

#include <stdio.h>
#include <string.h>

enum type { TYPE_UNSIGNED, TYPE_U64, TYPE_REAL, TYPE_TRUTH };
enum sum { SUM_ALL, SUM_HIGHEST, SUM_NOT };

#define AT(field) offsetof(struct live_stats, field)
static const struct field {
    const char *key;
    size_t offset;
    enum type type;
    enum sum sum;
} FIELDS[] = {
    { "seconds", AT(seconds), TYPE_REAL, SUM_NOT },
    { "phase_seconds", AT(phase_seconds), TYPE_REAL, SUM_NOT },
    { "phase_length", AT(phase_length), TYPE_REAL, SUM_NOT },
    { "bots_wanted", AT(bots_wanted), TYPE_UNSIGNED, SUM_ALL },
    { "bots_joining", AT(bots_joining), TYPE_UNSIGNED, SUM_ALL },
    { "bots_joined", AT(bots_joined), TYPE_UNSIGNED, SUM_ALL },
    { "bots_connected", AT(bots_connected), TYPE_UNSIGNED, SUM_ALL },
    { "bots_failed", AT(bots_failed), TYPE_UNSIGNED, SUM_ALL },
    { "signaling_down", AT(signaling_down), TYPE_UNSIGNED, SUM_ALL },
    { "sent_packets", AT(sent.packets_total), TYPE_U64, SUM_ALL },
    { "sent_bytes", AT(sent.bytes_total), TYPE_U64, SUM_ALL },
    { "sent_packets_per_second", AT(sent.packets_per_second), TYPE_REAL, SUM_ALL },
    { "sent_bytes_per_second", AT(sent.bytes_per_second), TYPE_REAL, SUM_ALL },
    { "received_packets", AT(received.packets_total), TYPE_U64, SUM_ALL },
    { "received_bytes", AT(received.bytes_total), TYPE_U64, SUM_ALL },
    { "received_packets_per_second", AT(received.packets_per_second), TYPE_REAL, SUM_ALL },
    { "received_bytes_per_second", AT(received.bytes_per_second), TYPE_REAL, SUM_ALL },
    { "latency_p50_us", AT(latency_p50_us), TYPE_U64, SUM_HIGHEST },
    { "latency_p99_us", AT(latency_p99_us), TYPE_U64, SUM_HIGHEST },
    { "has_latency", AT(has_latency), TYPE_TRUTH, SUM_HIGHEST },
    { "loss", AT(loss), TYPE_REAL, SUM_NOT },
    { "expected", AT(expected_total), TYPE_U64, SUM_ALL },
    { "lost", AT(lost_total), TYPE_U64, SUM_ALL },
    { "freezes_total", AT(freezes_total), TYPE_U64, SUM_ALL },
    { "freezes", AT(freezes), TYPE_UNSIGNED, SUM_ALL },
    { "tester_cpu_share", AT(tester_cpu_share), TYPE_REAL, SUM_ALL },
    { "tester_thread_share", AT(tester_thread_share), TYPE_REAL, SUM_HIGHEST },
    { "tester_memory_bytes", AT(tester_memory_bytes), TYPE_U64, SUM_ALL },
    { "tester_saturated", AT(tester_saturated), TYPE_TRUTH, SUM_HIGHEST },
};
#undef AT

static double get(const struct live_stats *s, const struct field *f)
{
    const char *at = (const char *)s + f->offset;
    switch (f->type) {
    case TYPE_UNSIGNED:
        return *(const unsigned *)at;
    case TYPE_U64:
        return (double)*(const uint64_t *)at;
    case TYPE_TRUTH:
        return *(const bool *)at;
    default:
        return *(const double *)at;
    }
}

static void set(struct live_stats *s, const struct field *f, double value)
{
    char *at = (char *)s + f->offset;
    if (!(value > 0))
        value = 0;
    switch (f->type) {
    case TYPE_UNSIGNED:
        *(unsigned *)at = (unsigned)MIN(value, 4e9);
        return;
    case TYPE_U64:
        *(uint64_t *)at = (uint64_t)MIN(value, 9e18);
        return;
    case TYPE_TRUTH:
        *(bool *)at = value > 0;
        return;
    case TYPE_REAL:
        *(double *)at = value;
        return;
    }
}

json_t *live_to_json(const struct live_stats *s)
{
    json_t *servers = json_array();
    for (unsigned i = 0; i < s->server_count; i++) {
        const struct live_server *v = &s->servers[i];
        json_array_append_new(servers,
                              json_pack("{ss sb sf sf}", "name", v->name, "up", (int)v->up, "cpu",
                                        v->cpu_share, "memory_bytes", (double)v->memory_bytes));
    }
    json_t *ret =
        json_pack("{ss ss ss ss so}", "scenario", s->scenario, "target", s->target, "phase",
                  live_phase_name(s->phase), "chaos", s->chaos, "servers", servers);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
        json_object_set_new(ret, FIELDS[i].key, json_real(get(s, &FIELDS[i])));
    return ret;
}

static const char *text_at(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text == NULL ? "" : text;
}

static enum live_phase phase_of(const char *name)
{
    for (unsigned p = 0; p < LIVE_PHASE_COUNT; p++) {
        if (strcmp(name, live_phase_name((enum live_phase)p)) == 0)
            return (enum live_phase)p;
    }
    return LIVE_RAMP;
}

void live_from_json(const json_t *json, struct live_stats *ret)
{
    *ret = (struct live_stats){ .phase = phase_of(text_at(json, "phase")) };
    (void)snprintf(ret->scenario, sizeof ret->scenario, "%s", text_at(json, "scenario"));
    (void)snprintf(ret->target, sizeof ret->target, "%s", text_at(json, "target"));
    (void)snprintf(ret->chaos, sizeof ret->chaos, "%s", text_at(json, "chaos"));
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
        set(ret, &FIELDS[i], json_number_value(json_object_get(json, FIELDS[i].key)));
    const json_t *server;
    size_t i;
    json_array_foreach(json_object_get(json, "servers"), i, server)
    {
        if (ret->server_count == LIVE_SERVERS_MAX)
            return;
        struct live_server *v = &ret->servers[ret->server_count++];
        double memory = json_number_value(json_object_get(server, "memory_bytes"));
        (void)snprintf(v->name, sizeof v->name, "%s", text_at(server, "name"));
        v->up = json_is_true(json_object_get(server, "up"));
        v->cpu_share = json_number_value(json_object_get(server, "cpu"));
        v->memory_bytes = memory > 0 && memory < 9e18 ? (uint64_t)memory : 0;
    }
}

void live_add(struct live_stats *to, const struct live_stats *from)
{
    double a = to->received.packets_per_second, b = from->received.packets_per_second;
    to->loss = a + b > 0 ? (to->loss * a + from->loss * b) / (a + b) : 0;
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        const struct field *f = &FIELDS[i];
        if (f->sum == SUM_ALL)
            set(to, f, get(to, f) + get(from, f));
        else if (f->sum == SUM_HIGHEST)
            set(to, f, MAX(get(to, f), get(from, f)));
    }
}
