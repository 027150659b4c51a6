/* limits.h - every limit of auditd, with its reason.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_LIMITS_H
#define AUDITD_LIMITS_H

#include "common/base.h"

/* What the emitters allow themselves (common/os/audit_emitter.h), in canonical form. */
#define EVENT_BYTES_MAX (16 * 1024)
/* A line of a segment: an event and at most 200 bytes of frame around it. */
#define LINE_BYTES_MAX (EVENT_BYTES_MAX + 256)

/* One read of the stream, one write, one fdatasync. Bounds memory and the loss of a batch's work.
 */
#define BATCH_EVENTS_MAX 256
/* How long a read of the stream may wait for something new: bounds how late a stop is noticed. */
#define READ_BLOCK SECONDS(1)
/* Entries of consumers that have gone are taken over when nobody has touched them for so long. */
#define CLAIM_IDLE     SECONDS(60)
#define CLAIM_INTERVAL SECONDS(30)
/* How often the group's lag is measured: a scrape sees it this late. */
#define LAG_INTERVAL SECONDS(5)
/* After a failed write (disk full) or an error of Redis. */
#define RETRY_INTERVAL SECONDS(1)

/* Ids that are remembered to drop repetitions. An emitter repeats what it had in flight, auditd
 * what it had not acknowledged: both are far below. 1 MiB of ids. */
#define SEEN_IDS_MAX 65536

#define SEGMENT_BYTES_MIN (64 * 1024)
#define SEGMENT_BYTES_MAX (1024 * 1024 * 1024)

#endif
