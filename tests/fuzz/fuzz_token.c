/* Tokens, claims and key sets from strangers. SPDX-License-Identifier: Apache-2.0 */
#include "common/token.h"

static const char key_set[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a3\","
                              "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                              "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token_keys *keys;
    if (keys == NULL)
        check(token_keys_parse(bytes_of_str(key_set), &keys) == OK);
    struct token_claims claims;
    const struct token_expect expect = { .now = 0 };
    check(token_verify(keys, bytes_of(data, size), &expect, &claims) != OK);
    struct token_keys *parsed;
    if (token_keys_parse(bytes_of(data, size), &parsed) == OK)
        token_keys_free(parsed);
    json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (json != NULL && token_claims_from_json(json, &claims) == OK) {
        json_t *back = token_claims_to_json(&claims);
        struct token_claims again;
        check(back == NULL || token_claims_from_json(back, &again) == OK);
        json_decref(back);
    }
    json_decref(json);
    return 0;
}
