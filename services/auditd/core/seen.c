/* seen.c - a bounded set of ids.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/seen.h"

#include "common/bytes.h"

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static void uuid_pack(const char *uuid, uint8_t ret[16])
{
    size_t nibble = 0;
    memset(ret, 0, 16);
    for (const char *c = uuid; *c != '\0' && nibble < 32; c++) {
        if (*c == '-')
            continue;
        ret[nibble / 2] = (uint8_t)(ret[nibble / 2] << 4 | (digit(*c) & 0xf));
        nibble++;
    }
    check(nibble == 32);
}

/* The last eight bytes of a UUIDv7 are random; events come from our own daemons. */
static size_t bucket_of(const uint8_t id[16])
{
    return (size_t)(load_be64(id + 8) % SEEN_BUCKETS);
}

static bool packed_has(const struct seen *s, const uint8_t id[16])
{
    for (uint32_t at = s->heads[bucket_of(id)]; at != 0; at = s->chained[at - 1])
        if (memcmp(s->ids[at - 1], id, 16) == 0)
            return true;
    return false;
}

bool seen_has(const struct seen *s, const char *uuid)
{
    uint8_t id[16];
    uuid_pack(uuid, id);
    return packed_has(s, id);
}

/* The oldest of all is also the oldest of its bucket: the end of the bucket's list. */
static void forget(struct seen *s, size_t index)
{
    uint32_t *link = &s->heads[bucket_of(s->ids[index])];
    while (*link != 0 && *link != index + 1)
        link = &s->chained[*link - 1];
    check(*link == index + 1);
    *link = 0;
}

void seen_add(struct seen *s, const char *uuid)
{
    uint8_t id[16];
    uuid_pack(uuid, id);
    check(!packed_has(s, id));
    size_t index = s->next;
    if (s->count == SEEN_IDS_MAX)
        forget(s, index);
    else
        s->count++;
    memcpy(s->ids[index], id, 16);
    uint32_t *head = &s->heads[bucket_of(id)];
    s->chained[index] = *head;
    *head = (uint32_t)index + 1;
    s->next = (index + 1) % SEEN_IDS_MAX;
}
