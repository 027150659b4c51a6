/* keys.c - signing key, shared key set, shared secret.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/keys.h"

#include "common/base64url.h"
#include "common/os/clock.h"
#include "common/os/keyfile.h"
#include "common/os/log.h"
#include "common/os/random.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define JWKS_KEY   "cc:auth:jwks"
#define SECRET_KEY "cc:auth:secret"

struct keys {
    /* given */
    struct redis *redis;
    struct auth *auth;
    /* owned */
    uv_timer_t timer;
    char *own; /* our JWK as JSON */
    /* derived */
    usec published_at; /* USEC_NEVER: not yet */
    bool was_known;    /* our key was in the set, or nobody else is there */
    bool is_stopping;
    unsigned in_flight;
};

/* KEYS[1] secret · ARGV[1] the one we propose → the one that counts */
static struct redis_script secret_agree = REDIS_SCRIPT("redis.call('SET', KEYS[1], ARGV[1], 'NX')\n"
                                                       "return redis.call('GET', KEYS[1])\n");

static void free_if_idle(struct keys *k)
{
    if (!k->is_stopping || k->in_flight > 0 || k->timer.data != NULL)
        return; /* timer.data is cleared when the loop has let go of it */
    free(k->own);
    free(k);
}

static void on_secret(enum err err, const redisReply *reply, void *data)
{
    struct keys *k = data;
    k->in_flight--;
    struct auth *auth = k->auth;
    size_t len = 0;
    if (err == OK && !k->is_stopping &&
        base64url_parse(redis_reply_bytes(reply), auth->secret, sizeof(auth->secret), &len) == OK &&
        len == sizeof(auth->secret)) {
        auth->has_secret = true;
    } else if (err == OK && !k->is_stopping) {
        log_error("secret.malformed", KV_STR("key", SECRET_KEY));
    }
    free_if_idle(k);
}

static void secret_fetch(struct keys *k)
{
    uint8_t proposal[DIRECTORY_SECRET_LEN];
    char text[BASE64URL_CAPACITY(DIRECTORY_SECRET_LEN)];
    /* A Redis that has lost its data gets back what everybody still knows. */
    if (k->auth->has_secret)
        memcpy(proposal, k->auth->secret, sizeof(proposal));
    else
        random_bytes(proposal, sizeof(proposal));
    base64url_write(text, bytes_of(proposal, sizeof(proposal)));
    const struct bytes key = REDIS_ARG(SECRET_KEY), arg = bytes_of_str(text);
    k->in_flight++;
    redis_eval(k->redis, &secret_agree, &key, 1, &arg, 1, on_secret, k);
    bytes_wipe(proposal, sizeof(proposal));
    bytes_wipe(text, sizeof(text));
}

/* Adds one entry of the hash to the set: {"seen_ms":…,"jwk":{…}}. False: it is dead, drop it. */
static bool entry_add(struct keys *k, json_t *set, const redisReply *value, wall_usec now,
                      bool *ret_is_alive)
{
    struct bytes text = redis_reply_bytes(value);
    json_t *entry = json_loadb((const char *)text.data, text.len, 0, NULL);
    wall_usec seen = json_integer_value(json_object_get(entry, "seen_ms")) * USEC_PER_MS;
    json_t *jwk = json_object_get(entry, "jwk");
    bool keep = jwk != NULL && now - seen <= k->auth->access_ttl + KEY_TTL_EXTRA;
    if (keep)
        json_array_append(set, jwk);
    *ret_is_alive = keep && now - seen <= 3 * KEY_REFRESH;
    json_decref(entry);
    return keep;
}

static void keys_replace(struct keys *k, json_t *set)
{
    json_t *jwks = json_pack("{s:O}", "keys", set);
    char *text = json_dumps(jwks, JSON_COMPACT);
    struct token_keys *fresh = NULL;
    if (text == NULL || token_keys_parse(bytes_of_str(text), &fresh) != OK) {
        log_error("keys.malformed", KV_STR("key", JWKS_KEY));
    } else {
        if (token_keys_find(fresh, k->auth->kid) == NULL &&
            token_keys_add(fresh, k->auth->key, k->auth->kid) != OK)
            log_error("keys.full");
        token_keys_free(k->auth->keys);
        k->auth->keys = fresh;
    }
    free(text);
    json_decref(jwks);
}

static void on_keys(enum err err, const redisReply *reply, void *data)
{
    struct keys *k = data;
    k->in_flight--;
    if (err == OK && !k->is_stopping && reply->type == REDIS_REPLY_ARRAY) {
        json_t *set = json_array();
        wall_usec now = clock_wall();
        bool others = false, own = false, is_alive = false;
        for (size_t i = 0; i + 1 < reply->elements; i += 2) {
            const char *kid = redis_reply_text(reply->element[i]);
            bool is_own = kid != NULL && strcmp(kid, k->auth->kid) == 0;
            bool keep = entry_add(k, set, reply->element[i + 1], now, &is_alive);
            own = own || is_own;
            others = others || (is_alive && !is_own);
            if (!keep && !is_own && kid != NULL) {
                log_info("key.expired", KV_STR("kid", kid));
                redis_commandv(k->redis, NULL, NULL, "HDEL", JWKS_KEY, kid, NULL);
            }
        }
        if (k->published_at == USEC_NEVER)
            k->was_known = own || !others;
        keys_replace(k, set);
        json_decref(set);
    }
    free_if_idle(k);
}

static void on_published(enum err err, const redisReply *reply, void *data)
{
    struct keys *k = data;
    k->in_flight--;
    if (err == OK && k->published_at == USEC_NEVER)
        k->published_at = clock_now();
    free_if_idle(k);
}

/* Reads everybody's keys, then says that ours is alive. */
static void on_timer(uv_timer_t *timer)
{
    struct keys *k = timer->data;
    if (!redis_is_connected(k->redis))
        return;
    secret_fetch(k);
    k->in_flight += 2;
    redis_commandv(k->redis, on_keys, k, "HGETALL", JWKS_KEY, NULL);
    char value[512];
    int len = snprintf(value, sizeof(value), "{\"seen_ms\":%lld,\"jwk\":%s}",
                       (long long)(clock_wall() / USEC_PER_MS), k->own);
    check(len > 0 && (size_t)len < sizeof(value));
    redis_commandv(k->redis, on_published, k, "HSET", JWKS_KEY, k->auth->kid, value, NULL);
}

/* Our public key as one JWK. */
static char *own_jwk(const struct auth *auth)
{
    json_t *set = token_keys_to_json(auth->keys);
    json_t *jwk = json_array_get(json_object_get(set, "keys"), 0);
    char *text = jwk == NULL ? NULL : json_dumps(jwk, JSON_COMPACT);
    json_decref(set);
    return text;
}

static enum err key_load(struct auth *auth, const char *data_dir, char *ret_why)
{
    char path[PATH_MAX];
    enum err err = keyfile_directory(data_dir, ret_why);
    if (err != OK)
        return err;
    if (snprintf(path, sizeof(path), "%s/signing-key.pem", data_dir) >= (int)sizeof(path)) {
        snprintf(ret_why, KEYFILE_WHY_CAPACITY, "%.64s…: this path is too long", data_dir);
        return ERR_FULL;
    }
    if ((err = keyfile_p256(path, &auth->key, ret_why)) != OK)
        return err;
    if ((err = token_kid_write(auth->key, auth->kid)) == OK)
        err = token_keys_of(auth->key, auth->kid, &auth->keys);
    if (err != OK)
        snprintf(ret_why, KEYFILE_WHY_CAPACITY, "%.400s: cannot derive the public key", path);
    return err;
}

enum err keys_start(uv_loop_t *loop, struct redis *redis, struct auth *auth, const char *data_dir,
                    char *ret_why, struct keys **ret)
{
    enum err err = key_load(auth, data_dir, ret_why);
    if (err != OK)
        return err;
    struct keys *k = calloc(1, sizeof(*k));
    check(k != NULL);
    *k = (struct keys){ .redis = redis, .auth = auth, .published_at = USEC_NEVER };
    k->own = own_jwk(auth);
    check(k->own != NULL);
    check(uv_timer_init(loop, &k->timer) == 0);
    k->timer.data = k;
    check(uv_timer_start(&k->timer, on_timer, 0, KEY_REFRESH / USEC_PER_MS) == 0);
    *ret = k;
    return OK;
}

void keys_on_connected(struct keys *k)
{
    on_timer(&k->timer);
}

bool keys_is_ready(void *keys, char *ret_why, size_t capacity)
{
    const struct keys *k = keys;
    if (!k->auth->has_secret || k->published_at == USEC_NEVER) {
        snprintf(ret_why, capacity, "not shared yet");
        return false;
    }
    if (!k->was_known && clock_now() - k->published_at < KEY_REFRESH + SECONDS(1)) {
        snprintf(ret_why, capacity, "other instances are learning our key");
        return false;
    }
    return true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct keys *k = handle->data;
    handle->data = NULL;
    free_if_idle(k);
}

void keys_stop(struct keys *k)
{
    if (k == NULL)
        return;
    k->is_stopping = true;
    uv_close((uv_handle_t *)&k->timer, on_timer_closed);
    token_keys_free(k->auth->keys);
    k->auth->keys = NULL;
    EVP_PKEY_free(k->auth->key);
    k->auth->key = NULL;
    bytes_wipe(k->auth->secret, sizeof(k->auth->secret));
    k->auth->has_secret = false;
}
