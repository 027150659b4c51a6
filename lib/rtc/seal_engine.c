/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_engine.h"

#include "rtc/seal_mb.h"

#include <stdlib.h>
#include <string.h>

enum err seal_choice_parse(const char *text, enum seal_choice *ret)
{
    static const char *const names[] = { "auto", "ipsec-mb", "openssl" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *ret = (enum seal_choice)i;
        return OK;
    }
    return ERR_MALFORMED;
}

struct seal_engine *seal_engine_new_mb(enum seal_mb_code code)
{
    struct seal_engine *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    e->mb = seal_mb_new(code);
    if (e->mb == NULL) {
        free(e);
        return NULL;
    }
    return e;
}

struct seal_engine *seal_engine_new(enum seal_choice choice)
{
    struct seal_engine *e = choice == SEAL_OPENSSL ? NULL : seal_engine_new_mb(SEAL_MB_BEST);
    if (e != NULL && (choice == SEAL_IPSEC_MB || seal_mb_code_of(e->mb) >= SEAL_MB_AVX2))
        return e;
    seal_engine_free(e);
    return choice == SEAL_IPSEC_MB ? NULL : calloc(1, sizeof(struct seal_engine));
}

void seal_engine_free(struct seal_engine *e)
{
    if (e == NULL)
        return;
    seal_mb_free(e->mb);
    free(e);
}

const char *seal_engine_name(const struct seal_engine *e)
{
    return seal_mb_of(e) == NULL ? "openssl" : "ipsec-mb";
}

const char *seal_engine_code(const struct seal_engine *e)
{
    static const char *const names[] = { "", "sse", "avx", "avx2", "avx512" };
    const struct seal_mb *mb = seal_mb_of(e);
    return mb == NULL ? "" : names[seal_mb_code_of(mb)];
}
