/* directory.c - user records.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/directory.h"

#include "common/base64url.h"
#include "common/whole_number.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

enum err username_parse(const char *text, char ret[USERNAME_LEN_MAX + 1])
{
    size_t len = strlen(text);
    if (len == 0 || len > USERNAME_LEN_MAX || !is_alphanumeric(ascii_lower(text[0])))
        return ERR_MALFORMED;
    char name[USERNAME_LEN_MAX + 1] = { 0 };
    for (size_t i = 0; i < len; i++) {
        name[i] = ascii_lower(text[i]);
        if (!is_alphanumeric(name[i]) && strchr("._-", name[i]) == NULL)
            return ERR_MALFORMED;
    }
    memcpy(ret, name, sizeof(name));
    return OK;
}

static bool text_copy(const json_t *json, const char *key, char *ret, size_t capacity)
{
    const char *text = json_string_value(json_object_get(json, key));
    size_t len = text == NULL ? 0 : json_string_length(json_object_get(json, key));
    if (text == NULL || len >= capacity || strlen(text) != len)
        return false;
    memcpy(ret, text, len + 1);
    return true;
}

static bool binary_copy(const json_t *json, const char *key, uint8_t *ret, size_t capacity,
                        size_t *ret_len)
{
    const json_t *value = json_object_get(json, key);
    if (!json_is_string(value))
        return false;
    struct bytes text = bytes_of(json_string_value(value), json_string_length(value));
    return base64url_parse(text, ret, capacity, ret_len) == OK;
}

static bool number_copy(const json_t *json, const char *key, unsigned min, unsigned max,
                        unsigned *ret)
{
    int64_t n;
    if (!whole_number_read(json_object_get(json, key), min, max, &n))
        return false;
    *ret = (unsigned)n;
    return true;
}

static bool kdf_parse(const json_t *json, struct kdf *ret)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    return name != NULL && strcmp(name, "argon2id") == 0 &&
           number_copy(json, "memory_kib", KDF_MEMORY_KIB_MIN, KDF_MEMORY_KIB_MAX,
                       &ret->memory_kib) &&
           number_copy(json, "iterations", KDF_ITERATIONS_MIN, KDF_ITERATIONS_MAX,
                       &ret->iterations) &&
           number_copy(json, "parallelism", KDF_PARALLELISM_MIN, KDF_PARALLELISM_MAX,
                       &ret->parallelism);
}

json_t *kdf_to_json(const struct kdf *kdf)
{
    return json_pack("{s:s, s:i, s:i, s:i}", "name", "argon2id", "memory_kib", (int)kdf->memory_kib,
                     "iterations", (int)kdf->iterations, "parallelism", (int)kdf->parallelism);
}

enum err user_credentials_parse(const json_t *json, struct user *ret)
{
    const char *group = json_string_value(json_object_get(json, "group"));
    if (group == NULL || srp_group_parse(group, &ret->group) != OK ||
        !binary_copy(json, "salt", ret->salt, sizeof(ret->salt), &ret->salt_len) ||
        ret->salt_len < SALT_LEN_MIN ||
        !binary_copy(json, "verifier", ret->verifier, sizeof(ret->verifier), &ret->verifier_len) ||
        !kdf_parse(json_object_get(json, "kdf"), &ret->kdf))
        return ERR_MALFORMED;
    return srp_verifier_check(ret->group, bytes_of(ret->verifier, ret->verifier_len));
}

json_t *user_to_json(const struct user *user)
{
    char salt[BASE64URL_CAPACITY(SALT_LEN_MAX)];
    char verifier[BASE64URL_CAPACITY(SRP_GROUP_BYTES_MAX)];
    base64url_write(salt, bytes_of(user->salt, user->salt_len));
    base64url_write(verifier, bytes_of(user->verifier, user->verifier_len));
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:I}", "id", user->id, "username",
                  user->username, "display_name", user->display_name, "org", user->org, "salt",
                  salt, "verifier", verifier, "group", srp_group_name(user->group), "kdf",
                  kdf_to_json(&user->kdf), "created_ms", (json_int_t)(user->created / USEC_PER_MS));
    bytes_wipe(verifier, sizeof(verifier));
    return json;
}

enum err user_from_json(const json_t *json, struct user *ret)
{
    struct user user = { 0 };
    if (!text_copy(json, "id", user.id, sizeof(user.id)) ||
        !text_copy(json, "username", user.username, sizeof(user.username)) ||
        !text_copy(json, "display_name", user.display_name, sizeof(user.display_name)) ||
        !text_copy(json, "org", user.org, sizeof(user.org)))
        return ERR_MALFORMED;
    user.created = json_integer_value(json_object_get(json, "created_ms")) * USEC_PER_MS;
    enum err err = user_credentials_parse(json, &user);
    if (err == OK)
        *ret = user;
    bytes_wipe(&user, sizeof(user));
    return err;
}

/* HMAC-SHA256(secret, purpose | 0 | username | counter) */
static void pretend_block(const uint8_t secret[DIRECTORY_SECRET_LEN], const char *purpose,
                          const char *username, uint8_t counter, uint8_t ret[32])
{
    uint8_t text[16 + USERNAME_LEN_MAX + 2];
    struct writer w = writer_of(text, sizeof(text));
    writer_put(&w, bytes_of_str(purpose));
    writer_u8(&w, 0);
    writer_put(&w, bytes_of_str(username));
    writer_u8(&w, counter);
    check(!w.failed);
    unsigned len = 0;
    check(HMAC(EVP_sha256(), secret, DIRECTORY_SECRET_LEN, text, writer_len(&w), ret, &len) !=
          NULL);
}

void user_pretend(const uint8_t secret[DIRECTORY_SECRET_LEN], const char *username,
                  struct user *ret)
{
    *ret = (struct user){ .group = SRP_GROUP_3072,
                          .kdf = { .memory_kib = KDF_MEMORY_KIB_DEFAULT,
                                   .iterations = KDF_ITERATIONS_DEFAULT,
                                   .parallelism = KDF_PARALLELISM_DEFAULT } };
    memcpy(ret->username, username, strlen(username) + 1);
    uint8_t block[32];
    pretend_block(secret, "salt", username, 0, block);
    ret->salt_len = 16;
    memcpy(ret->salt, block, ret->salt_len);
    ret->verifier_len = srp_group_len(ret->group);
    for (size_t at = 0, i = 0; at < ret->verifier_len; at += sizeof(block), i++) {
        pretend_block(secret, "verifier", username, (uint8_t)i, block);
        memcpy(ret->verifier + at, block, sizeof(block));
    }
    /* The primes of both groups begin with 64 one bits: a zero keeps the number below N. */
    ret->verifier[0] &= 0x7f;
}
