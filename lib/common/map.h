/* map.h - an intrusive hash map from text keys to objects. The map owns its bucket array, never the
 * objects or their keys.
 *
 * Pure but for the bucket array (malloc when it grows). SipHash-2-4 under a key given at init:
 * names chosen by strangers cannot be aimed at one bucket.
 *
 *     struct room { struct map_node by_name; char name[…]; };
 *     map_insert(&rooms, &room->by_name, room->name);        // name borrowed while inserted
 *     struct map_node *n = map_find(&rooms, "lobby");
 *     struct room *room = n == NULL ? NULL : container_of(n, struct room, by_name);
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include "common/base.h"
#include "common/bytes.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
    const char *key; /* zero-terminated, borrowed while inserted */
};

struct map {
    /* owned */
    struct map_node **buckets;
    size_t bucket_count; /* zero or a power of two */
    size_t len;
    /* given */
    uint8_t hash_key[16];
};

/* hash_key  16 random bytes; NULL means all zero, for tests and trusted keys. Allocates nothing. */
void map_init(struct map *m, const uint8_t hash_key[16]);

/* Frees the buckets; the objects stay. Usable again after another map_init(). */
void map_done(struct map *m);

/* OK; ERR_BAD_STATE if the key is there already; ERR_SYSTEM without memory for the first buckets.
 */
MUST_USE enum err map_insert(struct map *m, struct map_node *node, const char *key);

/* The node, or NULL. */
struct map_node *map_find(const struct map *m, const char *key);
/* The same for a key that is not zero-terminated. */
struct map_node *map_find_bytes(const struct map *m, struct bytes key);

/* Unlinks and returns the node, or NULL when there is none. */
struct map_node *map_remove(struct map *m, const char *key);

/* Iteration in no particular order; the current node (and only it) may be removed during it:
 *     for (struct map_node *n = map_first(m), *next; n != NULL; n = next) {
 *         next = map_next(m, n);
 *         …
 *     }  */
struct map_node *map_first(const struct map *m);
struct map_node *map_next(const struct map *m, const struct map_node *node);

/* SipHash-2-4 (Aumasson & Bernstein), 64 bit. */
uint64_t siphash(const uint8_t key[16], struct bytes data);

#endif
