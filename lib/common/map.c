/* SPDX-License-Identifier: Apache-2.0 */
#include "common/map.h"

#include <stdlib.h>

#define BUCKETS_MIN 16

static uint64_t rotate_left(uint64_t v, unsigned n)
{
    return (v << n) | (v >> (64 - n));
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void sip_rounds(uint64_t v[4], unsigned count)
{
    while (count-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate_left(v[1], 13) ^ v[0];
        v[3] = rotate_left(v[3], 16) ^ v[2];
        v[0] = rotate_left(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate_left(v[1], 17) ^ v[2];
        v[3] = rotate_left(v[3], 21) ^ v[0];
        v[2] = rotate_left(v[2], 32);
    }
}

static void sip_block(uint64_t v[4], uint64_t block)
{
    v[3] ^= block;
    sip_rounds(v, 2);
    v[0] ^= block;
}

uint64_t siphash(const uint8_t key[16], struct bytes data)
{
    uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                      k1 ^ 0x7465646279746573u };
    size_t at = 0;
    for (; data.len - at >= 8; at += 8)
        sip_block(v, load_le64(data.data + at));
    uint8_t last[8] = { 0 };
    if (data.len > at)
        memcpy(last, data.data + at, data.len - at);
    last[7] = (uint8_t)data.len;
    sip_block(v, load_le64(last));
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m, const uint8_t hash_key[16])
{
    *m = (struct map){ 0 };
    if (hash_key != NULL)
        memcpy(m->hash_key, hash_key, sizeof m->hash_key);
}

void map_done(struct map *m)
{
    free(m->buckets);
    m->buckets = NULL;
    m->bucket_count = 0;
    m->len = 0;
}

static void put(struct map_node **buckets, size_t bucket_count, struct map_node *node)
{
    struct map_node **bucket = &buckets[node->hash & (bucket_count - 1)];
    node->next = *bucket;
    *bucket = node;
}

/* Doubles the buckets. Without memory a map that has buckets just gets longer chains. */
static enum err grow(struct map *m)
{
    size_t count = m->bucket_count == 0 ? BUCKETS_MIN : m->bucket_count * 2;
    struct map_node **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return m->bucket_count == 0 ? ERR_SYSTEM : OK;
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_node *next;
        for (struct map_node *n = m->buckets[i]; n != NULL; n = next) {
            next = n->next;
            put(buckets, count, n);
        }
    }
    free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = count;
    return OK;
}

/* The link that points to the node with this key, or NULL. */
static struct map_node **find_link(const struct map *m, struct bytes key, uint64_t hash)
{
    if (m->bucket_count == 0)
        return NULL;
    struct map_node **link = &m->buckets[hash & (m->bucket_count - 1)];
    for (; *link != NULL; link = &(*link)->next)
        if ((*link)->hash == hash && bytes_equal(bytes_of_str((*link)->key), key))
            return link;
    return NULL;
}

enum err map_insert(struct map *m, struct map_node *node, const char *key)
{
    struct bytes view = bytes_of_str(key);
    uint64_t hash = siphash(m->hash_key, view);
    if (find_link(m, view, hash) != NULL)
        return ERR_BAD_STATE;
    if (m->len >= m->bucket_count) {
        enum err e = grow(m);
        if (e != OK)
            return e;
    }
    node->hash = hash;
    node->key = key;
    put(m->buckets, m->bucket_count, node);
    m->len++;
    return OK;
}

struct map_node *map_find_bytes(const struct map *m, struct bytes key)
{
    struct map_node **link = find_link(m, key, siphash(m->hash_key, key));
    return link == NULL ? NULL : *link;
}

struct map_node *map_find(const struct map *m, const char *key)
{
    return map_find_bytes(m, bytes_of_str(key));
}

struct map_node *map_remove(struct map *m, const char *key)
{
    struct bytes view = bytes_of_str(key);
    struct map_node **link = find_link(m, view, siphash(m->hash_key, view));
    if (link == NULL)
        return NULL;
    struct map_node *node = *link;
    *link = node->next;
    node->next = NULL;
    m->len--;
    return node;
}

static struct map_node *first_from(const struct map *m, size_t bucket)
{
    for (; bucket < m->bucket_count; bucket++)
        if (m->buckets[bucket] != NULL)
            return m->buckets[bucket];
    return NULL;
}

struct map_node *map_first(const struct map *m)
{
    return first_from(m, 0);
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
    if (node->next != NULL)
        return node->next;
    return first_from(m, (node->hash & (m->bucket_count - 1)) + 1);
}
