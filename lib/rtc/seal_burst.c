/* SPDX-License-Identifier: Apache-2.0 */
#include "rtc/seal_burst.h"

#include "rtc/seal_cipher.h"

#include <stdlib.h>

struct seal_burst {
    struct seal_mb_lanes *lanes; /* NULL: OpenSSL */
    size_t count;
    struct seal_mb_job jobs[SEAL_MB_JOBS_MAX];
};

struct seal_burst *seal_burst_new(const struct seal_engine *engine)
{
    const struct seal_mb *mb = seal_mb_of(engine);
    struct seal_burst *b = calloc(1, sizeof *b);
    if (b == NULL || mb == NULL)
        return b;
    b->lanes = seal_mb_lanes_new(mb);
    if (b->lanes == NULL) {
        free(b);
        return NULL;
    }
    return b;
}

void seal_burst_free(struct seal_burst *b)
{
    if (b == NULL)
        return;
    check(b->count == 0);
    seal_mb_lanes_free(b->lanes);
    free(b);
}

size_t seal_burst_memory(const struct seal_engine *engine)
{
    return sizeof(struct seal_burst) + seal_mb_lanes_memory(seal_mb_of(engine));
}

struct seal_mb_job *seal_burst_add(struct seal_burst *b)
{
    check(b->lanes != NULL);
    if (b->count == SEAL_MB_JOBS_MAX)
        seal_burst_run(b);
    return &b->jobs[b->count++];
}

void seal_burst_run(struct seal_burst *b)
{
    if (b->count == 0)
        return;
    seal_mb_lanes_encrypt(b->lanes, b->jobs, b->count);
    if (b->count >= seal_mb_lanes_hash_min(b->lanes)) {
        seal_mb_lanes_hash(b->lanes, b->jobs, b->count);
    } else {
        for (size_t i = 0; i < b->count; i++)
            seal_cipher_tag(b->jobs[i].hmac, b->jobs[i].hashed, b->jobs[i].tag);
    }
    b->count = 0;
}
