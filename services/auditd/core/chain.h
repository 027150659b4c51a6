/* chain.h - the hash chain: writing its next line, and checking that a line is the next one.
 *
 * Pure. A chain is a sequence of lines, cut into segments. The first line of a segment is its
 * header:
 *
 *     {"chain":"c_…","segment":1,"first":1,"created":"2026-…Z","prev":"<hex>","hash":"<hex>"}
 *     {"seq":1,"prev":"<hex>","hash":"<hex>","event":{…}}
 *     {"seq":2,…
 *
 *     header:  hash = SHA-256("conclave-audit-segment" | prev | segment | first | chain | created)
 *     record:  hash = SHA-256(prev | seq | event)
 *
 * prev is the hash of the line before, 32 raw bytes in the hash, also across segments; the first
 * line of all has 32 zero bytes. Numbers are 8 bytes big-endian, texts are their bytes as on the
 * line. The frame is byte-exact: a line has one spelling, so there is nothing to hide in.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_CORE_CHAIN_H
#define AUDITD_CORE_CHAIN_H

#include "common/base.h"
#include "common/bytes.h"
#include "common/ids.h"

#define CHAIN_HASH_LEN   32
#define CHAIN_HEAD_CHARS (CHAIN_HASH_LEN * 2 + 1)

/* Where a chain ends. A plain value: copy it to try something, copy it back to undo. */
struct chain {
    char id[ID_CAPACITY]; /* "c_…"; "" before the first header */
    uint64_t segment;     /* number of the current segment; 0 before the first */
    uint64_t seq;         /* of the last record; 0 before the first */
    wall_usec created;    /* of the current segment, by its header */
    uint8_t head[CHAIN_HASH_LEN];
};

/* id  "c_" + 16 */
void chain_init(struct chain *c, const char *id);
/* For verification: takes the id from the first header it reads. */
void chain_init_unknown(struct chain *c);

void chain_head_write(const struct chain *c, char ret[CHAIN_HEAD_CHARS]);

/* Each writes one line with its newline and advances the chain. A writer that failed (too small)
 * leaves the chain as it was. event: canonical, see event.h. */
void chain_write_header(struct chain *c, wall_usec created, struct writer *w);
void chain_write_record(struct chain *c, struct bytes event, struct writer *w);

/* Why a line is not the next line of a chain. */
enum chain_fault {
    CHAIN_FINE,
    CHAIN_MALFORMED,     /* not a line of ours, byte for byte */
    CHAIN_OTHER_CHAIN,   /* header of another chain */
    CHAIN_WRONG_SEGMENT, /* a segment is missing or in another's place */
    CHAIN_WRONG_SEQ,     /* a record is missing, repeated or in another's place */
    CHAIN_WRONG_PREV,    /* does not follow the line before */
    CHAIN_WRONG_HASH,    /* its contents were changed */
};
const char *chain_fault_text(enum chain_fault fault);

/* Checks one line (without its newline) against the chain's end and advances it. Nothing changes
 * unless CHAIN_FINE. ret_event, if not NULL, is a view into the line. */
MUST_USE enum chain_fault chain_read_header(struct chain *c, struct bytes line);
MUST_USE enum chain_fault chain_read_record(struct chain *c, struct bytes line,
                                            struct bytes *ret_event);

/* The first header seen by a verification that starts in the middle: takes id, segment, prev and
 * seq from it on trust, and checks only its hash. */
MUST_USE enum chain_fault chain_adopt_header(struct chain *c, struct bytes line);

#endif
