/* resume_token.c - see resume_token.h. SPDX-License-Identifier: Apache-2.0 */
#include "resume_token.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static void hash_secret(enum token_purpose purpose, const char *secret,
                        char ret[RESUME_HASH_CAPACITY])
{
    char text[RESUME_TOKEN_TEXT_MAX + 8];
    uint8_t digest[32];
    unsigned len = 0;
    int n = snprintf(text, sizeof(text), "%s%s", purpose == TOKEN_FOR_DOOR ? "door:" : "", secret);
    check(n >= 0 && (size_t)n < sizeof(text));
    check(EVP_Digest(text, (size_t)n, digest, &len, EVP_sha256(), NULL) == 1 && len == 32);
    hex_write(ret, bytes_of(digest, sizeof(digest)));
    bytes_wipe(text, sizeof(text));
}

void resume_token_write(enum token_purpose purpose, const char *room_id, const char *participant,
                        const uint8_t random[RESUME_SECRET_LEN], char ret[RESUME_TOKEN_CAPACITY],
                        char ret_hash[RESUME_HASH_CAPACITY])
{
    char secret[BASE64URL_CAPACITY(RESUME_SECRET_LEN)];
    char text[RESUME_TOKEN_TEXT_MAX];
    base64url_write(secret, bytes_of(random, RESUME_SECRET_LEN));
    hash_secret(purpose, secret, ret_hash);
    int len = snprintf(text, sizeof(text), "%s|%s|%s", room_id, participant, secret);
    check(len > 0 && (size_t)len < sizeof(text));
    base64url_write(ret, bytes_of(text, (size_t)len));
    bytes_wipe(secret, sizeof(secret));
    bytes_wipe(text, sizeof(text));
}

enum err resume_token_read(enum token_purpose purpose, const char *token, struct resume_token *ret)
{
    uint8_t text[1024];
    size_t len;
    if (base64url_parse(bytes_of_str(token), text, sizeof(text) - 1, &len) != OK)
        return ERR_MALFORMED;
    text[len] = 0;
    char *room = (char *)text;
    char *participant = strchr(room, '|');
    char *secret = participant == NULL ? NULL : strchr(participant + 1, '|');
    char *slash = strchr(room, '/');
    if (secret == NULL || slash == NULL || slash > participant || strlen(room) != len ||
        strlen(secret) > RESUME_TOKEN_TEXT_MAX)
        return ERR_MALFORMED;
    *participant++ = 0;
    *secret++ = 0;
    if (!id_is_valid(participant, "p_") || strlen(room) > ROOM_ID_MAX ||
        strlen(slash + 1) > ROOM_WIRE_CHARS_MAX || (size_t)(slash - room) > ORG_NAME_BYTES_MAX ||
        slash[1] == 0 || slash == room || strpbrk(room, "{}*\n") != NULL)
        return ERR_MALFORMED;
    snprintf(ret->room_id, sizeof(ret->room_id), "%s", room);
    snprintf(ret->room, sizeof(ret->room), "%s", slash + 1);
    snprintf(ret->org, sizeof(ret->org), "%.*s", (int)(slash - room), room);
    snprintf(ret->participant, sizeof(ret->participant), "%s", participant);
    hash_secret(purpose, secret, ret->hash);
    bytes_wipe(text, sizeof(text));
    return OK;
}
