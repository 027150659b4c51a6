/* stream.h - from the audit stream into the journal, exactly once.
 *
 * A member of the consumer group `auditd`, under the name of the chain it writes: what was
 * delivered but not acknowledged belongs to the directory, not to the process. An entry is
 * acknowledged after it is on disk; what is delivered again is recognised by its event id.
 *
 *     GROUP    make the group, if it is not there
 *     PENDING  read again what was delivered before but not acknowledged
 *     CLAIM    take over what consumers that have gone left behind
 *     FRESH    wait for new entries; back to CLAIM now and then
 *
 * Before the first read, and every LAG_INTERVAL, it measures how far the group is behind. Entries
 * that were trimmed before anybody read them are recorded as audit.gap.
 *
 * After every loss of the connection it begins again. Loop thread only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_IO_STREAM_H
#define AUDITD_IO_STREAM_H

#include "common/os/metrics.h"
#include "common/os/redis.h"
#include "io/journal.h"

#include <uv.h>

struct stream;

struct stream_options {
    struct redis *redis;     /* borrowed; used by nothing else: its reads block */
    struct journal *journal; /* borrowed */
    const char *instance;    /* borrowed */
    struct metrics *metrics; /* borrowed */
};

struct stream *stream_start(uv_loop_t *loop, const struct stream_options *options);
/* Call when Redis has (re)connected. */
void stream_on_connected(struct stream *s);
/* Ends between two batches. Call before redis_free(); frees when the loop has closed the timer and
 * the last command was answered. */
void stream_stop(struct stream *s);

#endif
