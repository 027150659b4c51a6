/* journal.h - the log on disk: append and fdatasync; recovery after a crash; one owner.
 *
 * Blocking file i/o on the loop thread: writing is what auditd is for, everything else may wait.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_IO_JOURNAL_H
#define AUDITD_IO_JOURNAL_H

#include "common/base.h"
#include "common/os/keyfile.h"
#include "core/chain.h"
#include "core/event.h"
#include "core/seen.h"
#include "core/segment.h"

struct journal;

struct journal_options {
    const char *dir;      /* made (0700) if absent, with its parents */
    const char *instance; /* in auditd's own events; borrowed */
    struct segment_policy policy;
};

#define JOURNAL_WHY_CAPACITY KEYFILE_WHY_CAPACITY

/* Locks the directory, checks its last segments (two, or as many as hold SEEN_IDS_MAX records),
 * cuts off an unfinished last line (and records that), or begins a new chain.
 *
 * ERR_BAD_STATE  another process has the directory
 * ERR_MALFORMED  the log is broken: it is left as it is for `auditd --verify`
 * ERR_SYSTEM     files; each with one line in ret_why */
MUST_USE enum err journal_open(const struct journal_options *options,
                               char ret_why[JOURNAL_WHY_CAPACITY], struct journal **ret);
void journal_close(struct journal *j);

/* Whether an event with that id is among the last that were stored. */
bool journal_has(const struct journal *j, const char *id);

/* Stores up to BATCH_EVENTS_MAX events, all or none: on OK they survive a crash. ERR_SYSTEM:
 * nothing was stored, try again later (errno). */
MUST_USE enum err journal_append(struct journal *j, const struct event *events, size_t count,
                                 wall_usec now);

/* The end of the chain. Borrowed. */
const struct chain *journal_chain(const struct journal *j);
/* Since which record the chain has been checked by this process. */
uint64_t journal_verified_from(const struct journal *j);
/* For admin_add_check(): the last write succeeded. data is the struct journal. */
bool journal_is_ready(void *j, char *ret_why, size_t capacity);

#endif
