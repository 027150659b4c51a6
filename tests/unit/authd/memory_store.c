/* memory_store.c - core/store.h in memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "memory_store.h"

#include <stdio.h>
#include <stdlib.h>

void memory_store_init(struct memory_store *s, wall_usec now)
{
    *s = (struct memory_store){ .now = now };
}

void memory_store_done(struct memory_store *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->entries[i].value);
    s->count = 0;
}

static struct memory_entry *find(struct memory_store *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++) {
        struct memory_entry *e = &s->entries[i];
        if (strcmp(e->key, key) == 0 && e->value != NULL &&
            (e->expires == 0 || e->expires > s->now))
            return e;
    }
    return NULL;
}

/* A free entry: a removed or expired one, a new one, or (full) the first of all. */
static struct memory_entry *make(struct memory_store *s, const char *key, const char *value,
                                 usec ttl)
{
    struct memory_entry *e = &s->entries[0];
    for (size_t i = 0; i < s->count; i++)
        if (s->entries[i].value == NULL)
            e = &s->entries[i];
    if (e->value != NULL && s->count < MEMORY_STORE_ENTRIES)
        e = &s->entries[s->count++];
    if (s->count == 0)
        s->count = 1;
    free(e->value);
    *e = (struct memory_entry){ .value = strdup(value), .expires = ttl > 0 ? s->now + ttl : 0 };
    check(e->value != NULL);
    snprintf(e->key, sizeof(e->key), "%s", key);
    return e;
}

static void drop(struct memory_entry *e)
{
    free(e->value);
    e->value = NULL;
}

static void throttle(struct memory_store *s, const struct throttle_charge *charge,
                     struct store_reply *ret)
{
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < charge->count; i++) {
            struct memory_entry *e = find(s, charge->limits[i].key);
            wall_usec arrival = e == NULL ? 0 : e->arrival;
            usec wait = throttle_step(&charge->limits[i], charge->is_forced, s->now, &arrival);
            if (wait > 0) {
                ret->err = ERR_FULL;
                ret->retry_after = MAX(ret->retry_after, wait);
            } else if (pass == 1) {
                (e == NULL ? make(s, charge->limits[i].key, "", 0) : e)->arrival = arrival;
            }
        }
        if (ret->err != OK)
            return;
    }
}

static void give(struct store_reply *ret, const struct memory_entry *e)
{
    static char value[8192];
    ret->err = e == NULL ? ERR_NOT_FOUND : OK;
    if (e == NULL)
        return;
    snprintf(value, sizeof(value), "%s", e->value);
    ret->value = bytes_of_str(value);
}

static void rotate(struct memory_store *s, const struct store_op *op, struct memory_entry *e,
                   struct store_reply *ret)
{
    give(ret, e);
    if (e == NULL)
        return;
    ret->rotation = session_rotation_decide(e->current, e->previous, s->now - e->rotated, op->hash,
                                            op->next_hash);
    if (ret->rotation == SESSION_REUSED) {
        drop(e);
    } else if (ret->rotation == SESSION_ROTATED) {
        memcpy(e->previous, op->hash, sizeof(e->previous));
        memcpy(e->current, op->next_hash, sizeof(e->current));
        e->rotated = s->now;
        bool is_guest = strstr(e->value, "\"kind\":\"guest\"") != NULL;
        e->expires = s->now + (is_guest ? op->guest_ttl : op->ttl);
    }
}

void memory_store_perform(struct memory_store *s, const struct store_op *op,
                          struct store_reply *ret)
{
    *ret = (struct store_reply){ .err = OK };
    s->op_counts[op->kind]++;
    if (s->is_away) {
        ret->err = ERR_SYSTEM;
        return;
    }
    struct memory_entry *e = find(s, op->key);
    switch (op->kind) {
    case STORE_USER_ADD:
        if (e != NULL)
            ret->err = ERR_BAD_STATE;
        else
            make(s, op->key, op->value, 0);
        break;
    case STORE_LOGIN_PUT:
        make(s, op->key, op->value, op->ttl);
        break;
    case STORE_SESSION_PUT:
        e = make(s, op->key, op->value, op->ttl);
        memcpy(e->current, op->hash, sizeof(e->current));
        break;
    case STORE_USER_GET:
    case STORE_SESSION_GET:
        give(ret, e);
        break;
    case STORE_LOGIN_TAKE:
    case STORE_SESSION_REVOKE:
        give(ret, e);
        if (e != NULL)
            drop(e);
        break;
    case STORE_SESSION_ROTATE:
        rotate(s, op, e, ret);
        break;
    case STORE_THROTTLE:
        throttle(s, &op->charge, ret);
        break;
    case STORE_OP_COUNT:
        check_failed("an operation", __FILE__, __LINE__);
    }
}
