/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hash_index.h"

#include <stdlib.h>

/* At most half full: probes stay short. */
static size_t place_count(size_t count_max)
{
    size_t n = 8;
    while (n < count_max * 2)
        n *= 2;
    return n;
}

size_t hash_index_memory(size_t count_max)
{
    return place_count(count_max) * sizeof(struct hash_entry);
}

enum err hash_index_init(struct hash_index *x, size_t count_max)
{
    size_t n = place_count(count_max);
    *x = (struct hash_index){ .mask = n - 1, .len_max = count_max };
    x->entries = calloc(n, sizeof *x->entries);
    return x->entries == NULL ? ERR_SYSTEM : OK;
}

void hash_index_done(struct hash_index *x)
{
    free(x->entries);
    *x = (struct hash_index){ 0 };
}

bool hash_index_insert(struct hash_index *x, uint64_t hash, handle value)
{
    check(value != 0);
    if (x->len >= x->len_max)
        return false;
    size_t i = hash & x->mask;
    while (x->entries[i].value != 0)
        i = (i + 1) & x->mask;
    x->entries[i] = (struct hash_entry){ .hash = hash, .value = value };
    x->len++;
    return true;
}

handle hash_index_find(const struct hash_index *x, uint64_t hash, size_t *at)
{
    size_t i = *at == HASH_INDEX_START ? (hash & x->mask) : ((*at + 1) & x->mask);
    for (; x->entries[i].value != 0; i = (i + 1) & x->mask) {
        if (x->entries[i].hash == hash) {
            *at = i;
            return x->entries[i].value;
        }
    }
    return 0;
}

/* Entries behind the hole move into it, unless that would put them before their home. */
static void close_hole(struct hash_index *x, size_t hole)
{
    for (size_t i = (hole + 1) & x->mask; x->entries[i].value != 0; i = (i + 1) & x->mask) {
        size_t home = x->entries[i].hash & x->mask;
        if (((i - home) & x->mask) >= ((i - hole) & x->mask)) {
            x->entries[hole] = x->entries[i];
            hole = i;
        }
    }
    x->entries[hole] = (struct hash_entry){ 0 };
}

void hash_index_remove(struct hash_index *x, uint64_t hash, handle value)
{
    size_t at = HASH_INDEX_START;
    for (handle h; (h = hash_index_find(x, hash, &at)) != 0;) {
        if (h == value) {
            close_hole(x, at);
            x->len--;
            return;
        }
    }
}
