/* segment_file.h - reading segments from a directory, for recovery and for verification.
 *
 * Blocking file i/o. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_IO_SEGMENT_FILE_H
#define AUDITD_IO_SEGMENT_FILE_H

#include "common/base.h"
#include "common/bytes.h"
#include "core/chain.h"

/* The numbers of the segments in a directory, ascending; caller free()s. ERR_SYSTEM (errno). */
MUST_USE enum err segment_files_list(int dir_fd, uint64_t **ret, size_t *ret_count);

/* What was found in one file. */
struct segment_report {
    enum chain_fault fault;
    uint64_t line; /* of the fault, from 1 */
    uint64_t records;
    uint64_t bytes_whole; /* up to and with the last newline */
    uint64_t bytes_torn;  /* after it: an unfinished write */
};

/* Reads one segment from its start and advances the chain over it.
 *
 * is_first  adopt the header (chain_adopt_header) instead of checking that it follows
 * on_record called for each record, may be NULL
 *
 * OK and the report, which may name a fault; ERR_SYSTEM if the file cannot be read (errno). */
struct segment_reader {
    struct chain *chain;
    bool is_first;
    void (*on_record)(const struct chain *chain, struct bytes event, void *data);
    void *data;
};
MUST_USE enum err segment_file_read(int dir_fd, uint64_t number,
                                    const struct segment_reader *reader,
                                    struct segment_report *ret);

/* The number of the first record of a segment, from its header. ERR_MALFORMED, ERR_SYSTEM. */
MUST_USE enum err segment_file_first(int dir_fd, uint64_t number, uint64_t *ret);

#endif
