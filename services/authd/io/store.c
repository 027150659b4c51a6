/* store.c - accounts, logins, sessions and rate limits in Redis.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/store.h"

#include "common/os/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX    256
#define NUMBER_MAX 24

/* One operation in flight. */
struct pending {
    enum store_op_kind kind;
    store_callback *callback;
    void *data;
};

/* KEYS[1] session · ARGV record, hash, ttl ms */
static struct redis_script session_put = REDIS_SCRIPT(
    "redis.call('HSET', KEYS[1], 'record', ARGV[1], 'current', ARGV[2], 'previous', '', "
    "'rotated', '0')\n"
    "redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
    "return 1\n");

/* session_rotation_decide() where all instances see the same session. The clock is Redis's.
 * KEYS[1] session · ARGV shown, next, ttl ms, grace ms, guest ttl ms → { record,
 * 'rotated'|'repeated'|'reused' } */
static struct redis_script session_rotate = REDIS_SCRIPT(
    "local s = redis.call('HMGET', KEYS[1], 'record', 'current', 'previous', 'rotated')\n"
    "if not s[1] then return false end\n"
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "if s[2] == ARGV[1] then\n"
    "  redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', ARGV[1],\n"
    "             'rotated', string.format('%.0f', now))\n"
    "  local is_guest = cjson.decode(s[1]).kind == 'guest'\n"
    "  redis.call('PEXPIRE', KEYS[1], is_guest and ARGV[5] or ARGV[3])\n"
    "  return { s[1], 'rotated' }\n"
    "end\n"
    "if s[3] == ARGV[1] and s[2] == ARGV[2] and now - s[4] <= tonumber(ARGV[4]) then\n"
    "  return { s[1], 'repeated' }\n"
    "end\n"
    "redis.call('DEL', KEYS[1])\n"
    "return { s[1], 'reused' }\n");

/* KEYS[1] session → its record, which is gone then */
static struct redis_script session_revoke =
    REDIS_SCRIPT("local record = redis.call('HGET', KEYS[1], 'record')\n"
                 "redis.call('DEL', KEYS[1])\n"
                 "return record\n");

/* throttle_step() over all limits of a charge: all are charged or none.
 * KEYS limits · ARGV forced, then interval us, burst, cost per key → us to wait, 0 = allowed */
static struct redis_script throttle =
    REDIS_SCRIPT("local t = redis.call('TIME')\n"
                 "local now = t[1] * 1000000 + t[2]\n"
                 "local forced = ARGV[1] == '1'\n"
                 "local arrival, room, wait = {}, {}, 0\n"
                 "for i = 1, #KEYS do\n"
                 "  local interval, burst, cost = ARGV[3*i-1], ARGV[3*i], ARGV[3*i+1]\n"
                 "  local last = math.max(tonumber(redis.call('GET', KEYS[i]) or '0'), now)\n"
                 "  arrival[i] = last + interval * cost\n"
                 "  room[i] = interval * burst\n"
                 "  wait = math.max(wait, arrival[i] - room[i] - now)\n"
                 "end\n"
                 "if wait > 0 and not forced then return wait end\n"
                 "for i = 1, #KEYS do\n"
                 "  local at = math.min(arrival[i], now + 2 * room[i])\n"
                 "  redis.call('SET', KEYS[i], string.format('%.0f', at),\n"
                 "             'PX', string.format('%.0f', math.ceil((at - now) / 1000) + 1))\n"
                 "end\n"
                 "return 0\n");

static struct bytes key_write(char buffer[KEY_MAX], const char *kind, const char *name)
{
    int len = snprintf(buffer, KEY_MAX, "cc:auth:%s:%s", kind, name);
    check(len > 0 && len < KEY_MAX);
    return bytes_of(buffer, (size_t)len);
}

static struct bytes number_write(char buffer[NUMBER_MAX], int64_t value)
{
    int len = snprintf(buffer, NUMBER_MAX, "%" PRId64, value);
    return bytes_of(buffer, (size_t)len);
}

static struct bytes millis_write(char buffer[NUMBER_MAX], usec value)
{
    return number_write(buffer, MAX(value / USEC_PER_MS, 1));
}

/* What the replies of every kind have in common: false when that settles it. */
static bool reply_begin(enum err err, const redisReply *reply, struct store_reply *ret)
{
    *ret = (struct store_reply){ .err = OK };
    if (err == OK)
        return true;
    if (err == ERR_MALFORMED)
        log_error("store.refused", KV_STR("reply", reply == NULL ? NULL : reply->str));
    ret->err = ERR_SYSTEM;
    return false;
}

static enum session_rotation rotation_parse(const redisReply *reply)
{
    const char *text = redis_reply_text(reply);
    if (text != NULL && strcmp(text, "rotated") == 0)
        return SESSION_ROTATED;
    if (text != NULL && strcmp(text, "repeated") == 0)
        return SESSION_REPEATED;
    return SESSION_REUSED;
}

static void reply_read(enum store_op_kind kind, const redisReply *reply, struct store_reply *ret)
{
    bool is_nil = reply->type == REDIS_REPLY_NIL;
    switch (kind) {
    case STORE_USER_ADD:
        ret->err = is_nil ? ERR_BAD_STATE : OK;
        break;
    case STORE_USER_GET:
    case STORE_LOGIN_TAKE:
    case STORE_SESSION_GET:
    case STORE_SESSION_REVOKE:
        ret->err = is_nil ? ERR_NOT_FOUND : OK;
        ret->value = redis_reply_bytes(reply);
        break;
    case STORE_SESSION_ROTATE:
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
            ret->err = ERR_NOT_FOUND;
            break;
        }
        ret->value = redis_reply_bytes(reply->element[0]);
        ret->rotation = rotation_parse(reply->element[1]);
        break;
    case STORE_THROTTLE:
        ret->retry_after = reply->integer;
        ret->err = reply->integer > 0 ? ERR_FULL : OK;
        break;
    case STORE_LOGIN_PUT:
    case STORE_SESSION_PUT:
    case STORE_OP_COUNT:
        break;
    }
}

static void on_reply(enum err err, const redisReply *reply, void *data)
{
    struct pending p = *(struct pending *)data;
    free(data);
    struct store_reply result;
    if (reply_begin(err, reply, &result))
        reply_read(p.kind, reply, &result);
    p.callback(&result, p.data);
}

static struct bytes value_of(const struct store_op *op)
{
    check(op->value != NULL);
    return bytes_of_str(op->value);
}

static void rotate_perform(struct redis *redis, const struct store_op *op, struct pending *p)
{
    char key[KEY_MAX], ttl[NUMBER_MAX], grace[NUMBER_MAX], guest_ttl[NUMBER_MAX];
    const struct bytes keys[] = { key_write(key, "session", op->key) };
    const struct bytes args[] = { bytes_of_str(op->hash), bytes_of_str(op->next_hash),
                                  millis_write(ttl, op->ttl), millis_write(grace, REFRESH_GRACE),
                                  millis_write(guest_ttl, op->guest_ttl) };
    redis_eval(redis, &session_rotate, keys, 1, args, ARRAY_LEN(args), on_reply, p);
}

static void throttle_perform(struct redis *redis, const struct store_op *op, struct pending *p)
{
    const struct throttle_charge *charge = &op->charge;
    char key[THROTTLE_LIMITS_MAX][KEY_MAX], number[THROTTLE_LIMITS_MAX * 3][NUMBER_MAX];
    struct bytes keys[THROTTLE_LIMITS_MAX], args[1 + THROTTLE_LIMITS_MAX * 3];
    args[0] = bytes_of_str(charge->is_forced ? "1" : "0");
    for (size_t i = 0; i < charge->count; i++) {
        const struct throttle_limit *l = &charge->limits[i];
        keys[i] = key_write(key[i], "throttle", l->key);
        args[1 + 3 * i] = number_write(number[3 * i], l->interval);
        args[2 + 3 * i] = number_write(number[3 * i + 1], l->burst);
        args[3 + 3 * i] = number_write(number[3 * i + 2], l->cost);
    }
    redis_eval(redis, &throttle, keys, charge->count, args, 1 + 3 * charge->count, on_reply, p);
}

void store_perform(struct redis *redis, const struct store_op *op, store_callback *callback,
                   void *data)
{
    struct pending *p = malloc(sizeof(*p));
    check(p != NULL);
    *p = (struct pending){ .kind = op->kind, .callback = callback, .data = data };
    char buffer[KEY_MAX], ttl[NUMBER_MAX];
    struct bytes key, set = REDIS_ARG("SET"), get = REDIS_ARG("GET");
    switch (op->kind) {
    case STORE_USER_ADD:
        key = key_write(buffer, "user", op->key);
        redis_command(redis, (const struct bytes[]){ set, key, value_of(op), REDIS_ARG("NX") }, 4,
                      on_reply, p);
        break;
    case STORE_USER_GET:
        key = key_write(buffer, "user", op->key);
        redis_command(redis, (const struct bytes[]){ get, key }, 2, on_reply, p);
        break;
    case STORE_LOGIN_PUT:
        key = key_write(buffer, "login", op->key);
        redis_command(redis,
                      (const struct bytes[]){ set, key, value_of(op), REDIS_ARG("PX"),
                                              millis_write(ttl, op->ttl) },
                      5, on_reply, p);
        break;
    case STORE_LOGIN_TAKE:
        key = key_write(buffer, "login", op->key);
        redis_command(redis, (const struct bytes[]){ REDIS_ARG("GETDEL"), key }, 2, on_reply, p);
        break;
    case STORE_SESSION_PUT:
        key = key_write(buffer, "session", op->key);
        redis_eval(redis, &session_put, &key, 1,
                   (const struct bytes[]){ value_of(op), bytes_of_str(op->hash),
                                           millis_write(ttl, op->ttl) },
                   3, on_reply, p);
        break;
    case STORE_SESSION_GET:
        key = key_write(buffer, "session", op->key);
        redis_command(redis, (const struct bytes[]){ REDIS_ARG("HGET"), key, REDIS_ARG("record") },
                      3, on_reply, p);
        break;
    case STORE_SESSION_ROTATE:
        rotate_perform(redis, op, p);
        break;
    case STORE_SESSION_REVOKE:
        key = key_write(buffer, "session", op->key);
        redis_eval(redis, &session_revoke, &key, 1, NULL, 0, on_reply, p);
        break;
    case STORE_THROTTLE:
        throttle_perform(redis, op, p);
        break;
    case STORE_OP_COUNT:
        check_failed("an operation", __FILE__, __LINE__);
    }
}
