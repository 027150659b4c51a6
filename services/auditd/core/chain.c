/* chain.c - the hash chain.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/chain.h"

#include "common/base64url.h"
#include "common/logfmt.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

#define HASH_DOMAIN "conclave-audit-segment"

void chain_init_unknown(struct chain *c)
{
    *c = (struct chain){ 0 };
}

void chain_init(struct chain *c, const char *id)
{
    check(id_is_valid(id, "c_"));
    chain_init_unknown(c);
    memcpy(c->id, id, strlen(id) + 1);
}

void chain_head_write(const struct chain *c, char ret[CHAIN_HEAD_CHARS])
{
    hex_write(ret, bytes_of(c->head, sizeof(c->head)));
}

static void hash_of(const struct bytes *parts, size_t count, uint8_t ret[CHAIN_HASH_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    check(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < count; i++)
        check(EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1);
    check(EVP_DigestFinal_ex(ctx, ret, NULL) == 1);
    EVP_MD_CTX_free(ctx);
}

/* A header's texts, as they stand on its line. */
struct header {
    char id[ID_CAPACITY];
    uint64_t segment;
    uint64_t first;
    char created[RFC3339_CAPACITY];
};

static void header_hash(const struct header *h, const uint8_t prev[CHAIN_HASH_LEN],
                        uint8_t ret[CHAIN_HASH_LEN])
{
    uint8_t numbers[16];
    store_be64(numbers, h->segment);
    store_be64(numbers + 8, h->first);
    const struct bytes parts[] = { bytes_of_str(HASH_DOMAIN), bytes_of(prev, CHAIN_HASH_LEN),
                                   bytes_of(numbers, sizeof(numbers)), bytes_of_str(h->id),
                                   bytes_of_str(h->created) };
    hash_of(parts, ARRAY_LEN(parts), ret);
}

static void record_hash(const uint8_t prev[CHAIN_HASH_LEN], uint64_t seq, struct bytes event,
                        uint8_t ret[CHAIN_HASH_LEN])
{
    uint8_t number[8];
    store_be64(number, seq);
    const struct bytes parts[] = { bytes_of(prev, CHAIN_HASH_LEN), bytes_of(number, sizeof(number)),
                                   event };
    hash_of(parts, ARRAY_LEN(parts), ret);
}

static void hashes_write(struct writer *w, const uint8_t prev[CHAIN_HASH_LEN],
                         const uint8_t hash[CHAIN_HASH_LEN])
{
    char prev_hex[CHAIN_HEAD_CHARS], hash_hex[CHAIN_HEAD_CHARS];
    hex_write(prev_hex, bytes_of(prev, CHAIN_HASH_LEN));
    hex_write(hash_hex, bytes_of(hash, CHAIN_HASH_LEN));
    writer_printf(w, "\"prev\":\"%s\",\"hash\":\"%s\"", prev_hex, hash_hex);
}

static void header_line_write(struct writer *w, const struct header *h,
                              const uint8_t prev[CHAIN_HASH_LEN],
                              const uint8_t hash[CHAIN_HASH_LEN])
{
    writer_printf(
        w, "{\"chain\":\"%s\",\"segment\":%" PRIu64 ",\"first\":%" PRIu64 ",\"created\":\"%s\",",
        h->id, h->segment, h->first, h->created);
    hashes_write(w, prev, hash);
    writer_put(w, bytes_of_str("}\n"));
}

void chain_write_header(struct chain *c, wall_usec created, struct writer *w)
{
    check(c->id[0] != '\0');
    struct header h = { .segment = c->segment + 1, .first = c->seq + 1 };
    memcpy(h.id, c->id, sizeof(h.id));
    rfc3339_write(h.created, created);
    uint8_t hash[CHAIN_HASH_LEN];
    header_hash(&h, c->head, hash);
    header_line_write(w, &h, c->head, hash);
    if (w->failed)
        return;
    c->segment = h.segment;
    c->created = created;
    memcpy(c->head, hash, sizeof(hash));
}

void chain_write_record(struct chain *c, struct bytes event, struct writer *w)
{
    check(c->segment > 0 && event.len > 0);
    uint8_t hash[CHAIN_HASH_LEN];
    record_hash(c->head, c->seq + 1, event, hash);
    writer_printf(w, "{\"seq\":%" PRIu64 ",", c->seq + 1);
    hashes_write(w, c->head, hash);
    writer_put(w, bytes_of_str(",\"event\":"));
    writer_put(w, event);
    writer_put(w, bytes_of_str("}\n"));
    if (w->failed)
        return;
    c->seq++;
    memcpy(c->head, hash, sizeof(hash));
}

const char *chain_fault_text(enum chain_fault fault)
{
    static const char *const texts[] = {
        [CHAIN_FINE] = "fine",
        [CHAIN_MALFORMED] = "not a line that auditd writes",
        [CHAIN_OTHER_CHAIN] = "belongs to another chain",
        [CHAIN_WRONG_SEGMENT] = "not the next segment: one is missing or out of place",
        [CHAIN_WRONG_SEQ] = "not the next record: one is missing, repeated or out of place",
        [CHAIN_WRONG_PREV] = "does not follow the line before it",
        [CHAIN_WRONG_HASH] = "its contents do not match its hash",
    };
    check((size_t)fault < ARRAY_LEN(texts));
    return texts[fault];
}

/* The parsing half: the line is read piece by piece exactly as it is written. */

static bool literal_take(struct reader *r, const char *text)
{
    struct bytes got = reader_take(r, strlen(text));
    return !r->failed && bytes_equal(got, bytes_of_str(text));
}

/* Decimal without leading zeros, at most 19 digits. */
static bool number_take(struct reader *r, uint64_t *ret)
{
    uint64_t value = 0;
    size_t digits = 0;
    while (reader_left(r) > 0 && *r->at >= '0' && *r->at <= '9' && digits < 19) {
        value = value * 10 + (uint64_t)(reader_u8(r) - '0');
        digits++;
        if (value == 0 && digits == 1)
            break;
    }
    *ret = value;
    return digits > 0;
}

/* Up to the next quote. */
static bool text_take(struct reader *r, char *ret, size_t capacity)
{
    size_t len = 0;
    while (len < reader_left(r) && r->at[len] != '"')
        len++;
    if (len >= capacity || len == reader_left(r))
        return false;
    memcpy(ret, reader_take(r, len).data, len);
    ret[len] = '\0';
    return true;
}

static bool hash_take(struct reader *r, uint8_t ret[CHAIN_HASH_LEN])
{
    struct bytes hex = reader_take(r, CHAIN_HASH_LEN * 2);
    if (r->failed || hex_parse(hex, ret, CHAIN_HASH_LEN) != OK)
        return false;
    /* Upper case would be a second spelling. */
    for (size_t i = 0; i < hex.len; i++)
        if (hex.data[i] >= 'A' && hex.data[i] <= 'F')
            return false;
    return true;
}

static bool hashes_take(struct reader *r, uint8_t prev[CHAIN_HASH_LEN],
                        uint8_t hash[CHAIN_HASH_LEN])
{
    return literal_take(r, "\"prev\":\"") && hash_take(r, prev) &&
           literal_take(r, "\",\"hash\":\"") && hash_take(r, hash) && literal_take(r, "\"");
}

static bool header_parse(struct bytes line, struct header *h, uint8_t prev[CHAIN_HASH_LEN],
                         uint8_t hash[CHAIN_HASH_LEN])
{
    struct reader r = reader_of(line);
    return literal_take(&r, "{\"chain\":\"") && text_take(&r, h->id, sizeof(h->id)) &&
           id_is_valid(h->id, "c_") && literal_take(&r, "\",\"segment\":") &&
           number_take(&r, &h->segment) && literal_take(&r, ",\"first\":") &&
           number_take(&r, &h->first) && literal_take(&r, ",\"created\":\"") &&
           text_take(&r, h->created, sizeof(h->created)) && literal_take(&r, "\",") &&
           hashes_take(&r, prev, hash) && literal_take(&r, "}") && reader_left(&r) == 0 &&
           h->segment > 0 && h->first > 0;
}

/* The rest of the line but its last brace. What is inside is bound by the hash, not parsed. */
static bool event_take(struct reader *r, struct bytes *ret)
{
    size_t left = reader_left(r);
    if (left < 3 || r->at[0] != '{' || r->at[left - 1] != '}' || r->at[left - 2] != '}')
        return false;
    *ret = reader_take(r, left - 1);
    return memchr(ret->data, '\n', ret->len) == NULL;
}

enum chain_fault chain_read_header(struct chain *c, struct bytes line)
{
    struct header h = { 0 };
    uint8_t prev[CHAIN_HASH_LEN], hash[CHAIN_HASH_LEN], expected[CHAIN_HASH_LEN];
    wall_usec created = 0;
    if (!header_parse(line, &h, prev, hash) || rfc3339_parse(h.created, &created) != OK)
        return CHAIN_MALFORMED;
    if (c->id[0] != '\0' && strcmp(c->id, h.id) != 0)
        return CHAIN_OTHER_CHAIN;
    if (h.segment != c->segment + 1)
        return CHAIN_WRONG_SEGMENT;
    if (h.first != c->seq + 1)
        return CHAIN_WRONG_SEQ;
    if (memcmp(prev, c->head, sizeof(prev)) != 0)
        return CHAIN_WRONG_PREV;
    header_hash(&h, prev, expected);
    if (memcmp(hash, expected, sizeof(hash)) != 0)
        return CHAIN_WRONG_HASH;
    memcpy(c->id, h.id, sizeof(h.id));
    c->segment = h.segment;
    c->created = created;
    memcpy(c->head, hash, sizeof(hash));
    return CHAIN_FINE;
}

enum chain_fault chain_adopt_header(struct chain *c, struct bytes line)
{
    struct header h = { 0 };
    uint8_t prev[CHAIN_HASH_LEN], hash[CHAIN_HASH_LEN];
    if (!header_parse(line, &h, prev, hash))
        return CHAIN_MALFORMED;
    struct chain before = { .segment = h.segment - 1, .seq = h.first - 1 };
    memcpy(before.head, prev, sizeof(prev));
    enum chain_fault fault = chain_read_header(&before, line);
    if (fault == CHAIN_FINE)
        *c = before;
    return fault;
}

enum chain_fault chain_read_record(struct chain *c, struct bytes line, struct bytes *ret_event)
{
    struct reader r = reader_of(line);
    uint64_t seq = 0;
    uint8_t prev[CHAIN_HASH_LEN], hash[CHAIN_HASH_LEN], expected[CHAIN_HASH_LEN];
    struct bytes event;
    if (!literal_take(&r, "{\"seq\":") || !number_take(&r, &seq) || !literal_take(&r, ",") ||
        !hashes_take(&r, prev, hash) || !literal_take(&r, ",\"event\":") || !event_take(&r, &event))
        return CHAIN_MALFORMED;
    if (seq != c->seq + 1)
        return CHAIN_WRONG_SEQ;
    if (memcmp(prev, c->head, sizeof(prev)) != 0)
        return CHAIN_WRONG_PREV;
    record_hash(prev, seq, event, expected);
    if (memcmp(hash, expected, sizeof(hash)) != 0)
        return CHAIN_WRONG_HASH;
    c->seq = seq;
    memcpy(c->head, hash, sizeof(hash));
    if (ret_event != NULL)
        *ret_event = event;
    return CHAIN_FINE;
}
