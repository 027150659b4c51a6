/* keys.c - stands where io/association_thread.c does in sfud: every association is connected at
 * once, with keys that both sides can make. Handshakes are measured elsewhere; two thousand of them
 * before each run would take longer than the run.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include "common/splitmix.h"
#include "io/association_thread.h"

#include <stdlib.h>
#include <unistd.h>

enum { NOTICES_MAX = 4096 };

/* One media thread calls everything but keys_set_profile(). */
struct association_link {
    int wake_fd;
    struct {
        enum association_notice_kind kind;
        handle association;
        uint32_t number;
    } notices[NOTICES_MAX];
    size_t first, count;
};

static enum seal_profile used_profile = SEAL_AEAD_AES_128_GCM;
static struct association_link only_link;

void keys_set_profile(enum seal_profile profile)
{
    used_profile = profile;
}

void keys_write_number(uint32_t number, uint8_t fingerprint[32])
{
    memset(fingerprint, 0, 32);
    store_be32(fingerprint, number);
}

static void make_master(uint64_t seed, struct seal_master *ret)
{
    uint8_t *at = ret->key;
    for (size_t i = 0; i < sizeof ret->key; i++)
        at[i] = (uint8_t)splitmix_next(&seed);
    for (size_t i = 0; i < sizeof ret->salt; i++)
        ret->salt[i] = (uint8_t)splitmix_next(&seed);
}

void keys_of(uint32_t number, enum seal_profile profile, struct dtls_keys *ret)
{
    *ret = (struct dtls_keys){ .profile = profile };
    make_master(2 * (uint64_t)number, &ret->local);
    make_master(2 * (uint64_t)number + 1, &ret->remote);
}

struct association_link *association_thread_link(struct association_thread *t, size_t worker)
{
    (void)t;
    check(worker == 0);
    return &only_link;
}

enum err association_link_attach(struct association_link *l, int wake_fd)
{
    l->wake_fd = wake_fd;
    return OK;
}

void association_link_post(struct association_link *l, struct worker *w)
{
    struct association_request r;
    uint64_t one = 1;
    bool any = false;
    while (l->count < NOTICES_MAX && worker_next_request(w, &r)) {
        if (r.kind != ASSOCIATION_OPEN && r.kind != ASSOCIATION_CLOSE)
            continue;
        size_t at = (l->first + l->count++) % NOTICES_MAX;
        l->notices[at].kind = r.kind == ASSOCIATION_OPEN ? ASSOCIATION_KEYS : ASSOCIATION_CLOSED;
        l->notices[at].association = r.association;
        l->notices[at].number = load_be32(r.expected[0].hash);
        any = true;
    }
    if (any && write(l->wake_fd, &one, sizeof one) < 0)
        return; /* it is awake anyway */
}

bool association_link_next(struct association_link *l, struct association_notice *ret)
{
    if (l->count == 0)
        return false;
    *ret = (struct association_notice){ .kind = l->notices[l->first].kind,
                                        .association = l->notices[l->first].association };
    if (ret->kind == ASSOCIATION_KEYS)
        keys_of(l->notices[l->first].number, used_profile, &ret->keys);
    l->first = (l->first + 1) % NOTICES_MAX;
    l->count--;
    return true;
}
