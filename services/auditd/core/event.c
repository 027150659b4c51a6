/* event.c - audit events.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/event.h"

#include "common/base64url.h"
#include "common/logfmt.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define CANONICAL_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)
#define TEXT_MAX        512

void event_clear(struct event *e)
{
    free(e->canonical);
    *e = (struct event){ 0 };
}

/* Lower-case words joined by '.' and '-'. */
static bool is_word(const char *text, size_t max)
{
    size_t len = strlen(text);
    return len > 0 && len <= max && text[0] >= 'a' && text[0] <= 'z' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len;
}

static const char *text_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_string_value(value);
    bool fine =
        text != NULL && strlen(text) == json_string_length(value) && strlen(text) <= TEXT_MAX;
    return fine ? text : NULL;
}

static bool is_text_or_absent(const json_t *json, const char *key)
{
    return json_object_get(json, key) == NULL || text_of(json, key) != NULL;
}

static bool actor_is_valid(const json_t *actor)
{
    const char *kind = text_of(actor, "kind");
    return kind != NULL && is_word(kind, 32) && is_text_or_absent(actor, "id") &&
           is_text_or_absent(actor, "name");
}

/* NULL if the schema holds, else the member that breaks it. */
static const char *schema_fault(const json_t *json, struct event *e)
{
    if (!json_is_object(json))
        return "not an object";
    const char *id = text_of(json, "id"), *type = text_of(json, "type");
    const char *time = text_of(json, "time"), *service = text_of(json, "service");
    if (id == NULL || !uuid_is_valid(id))
        return "id";
    if (time == NULL || rfc3339_parse(time, &e->time) != OK)
        return "time";
    if (type == NULL || !is_word(type, EVENT_TYPE_MAX))
        return "type";
    if (service == NULL || !is_word(service, 32))
        return "service";
    if (text_of(json, "instance") == NULL)
        return "instance";
    if (!actor_is_valid(json_object_get(json, "actor")))
        return "actor";
    if (!is_text_or_absent(json, "org") || !is_text_or_absent(json, "room") ||
        !is_text_or_absent(json, "address"))
        return "org, room or address";
    if (json_object_get(json, "meta") != NULL && !json_is_object(json_object_get(json, "meta")))
        return "meta";
    snprintf(e->id, sizeof(e->id), "%s", id);
    snprintf(e->type, sizeof(e->type), "%s", type);
    return NULL;
}

/* Checks the schema and fills e, canonical form included. */
static enum err event_of(const json_t *json, struct event *ret, const char **ret_why)
{
    struct event e = { 0 };
    *ret_why = schema_fault(json, &e);
    if (*ret_why != NULL)
        return ERR_MALFORMED;
    e.canonical = json_dumps(json, CANONICAL_FLAGS);
    if (e.canonical == NULL)
        return ERR_SYSTEM;
    e.canonical_len = strlen(e.canonical);
    if (e.canonical_len > EVENT_BYTES_MAX) {
        *ret_why = "too large";
        event_clear(&e);
        return ERR_FULL;
    }
    *ret = e;
    return OK;
}

enum err event_parse(struct bytes text, struct event *ret, const char **ret_why)
{
    const char *why = NULL;
    json_t *json = NULL;
    if (text.len > 0 && text.len <= 4 * EVENT_BYTES_MAX)
        json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    enum err err = ERR_MALFORMED;
    if (json == NULL)
        why = text.len > 4 * EVENT_BYTES_MAX ? "too large" : "not JSON";
    else
        err = event_of(json, ret, &why);
    json_decref(json);
    if (ret_why != NULL && why != NULL)
        *ret_why = why;
    return err;
}

enum err event_write_own(const struct event_own *own, struct event *ret)
{
    char time[RFC3339_CAPACITY];
    rfc3339_write(time, own->time);
    json_t *meta = json_object();
    for (size_t i = 0; i < ARRAY_LEN(own->keys) && own->keys[i] != NULL; i++)
        json_object_set_new(meta, own->keys[i], json_string(own->values[i]));
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s}, s:o}", "id", own->id, "time", time,
                             "type", own->type, "service", "auditd", "instance", own->instance,
                             "actor", "kind", "service", "meta", meta);
    const char *why = NULL;
    enum err err = json == NULL ? ERR_SYSTEM : event_of(json, ret, &why);
    json_decref(json);
    return err;
}

/* A stream id begins with the milliseconds of its XADD. */
static bool derived_id(const char *stream_id, const char *seed_text, char ret[UUID_CAPACITY])
{
    uint8_t seed[32];
    if (EVP_Digest(seed_text, strlen(seed_text), seed, NULL, EVP_sha256(), NULL) != 1)
        return false;
    uuid7_write(ret, (wall_usec)strtoll(stream_id, NULL, 10) * USEC_PER_MS, seed);
    return true;
}

enum err event_reject(const char *stream_id, struct bytes raw, const char *why,
                      const char *instance, wall_usec now, struct event *ret)
{
    uint8_t digest[32];
    char hex[65], id[UUID_CAPACITY];
    if (EVP_Digest(raw.data, raw.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return ERR_SYSTEM;
    hex_write(hex, bytes_of(digest, sizeof(digest)));
    if (!derived_id(stream_id, stream_id, id))
        return ERR_SYSTEM;
    const struct event_own own = { .id = id,
                                   .time = now,
                                   .type = "audit.rejected",
                                   .instance = instance,
                                   .keys = { "stream_id", "why", "sha256" },
                                   .values = { stream_id, why, hex } };
    return event_write_own(&own, ret);
}

enum err event_gap(const char *after, const char *before, uint64_t lost, const char *instance,
                   wall_usec now, struct event *ret)
{
    char id[UUID_CAPACITY], count[24], seed[2 * STREAM_ID_CAPACITY + 32];
    snprintf(count, sizeof(count), "%" PRIu64, lost);
    snprintf(seed, sizeof(seed), "gap %s %s %s", after, before, count);
    if (!derived_id(after, seed, id))
        return ERR_SYSTEM;
    const struct event_own own = { .id = id,
                                   .time = now,
                                   .type = "audit.gap",
                                   .instance = instance,
                                   .keys = { "lost", "after", "before" },
                                   .values = { count, after, before } };
    return event_write_own(&own, ret);
}
