/* lag.h - how far the consumer group is behind the audit stream, and what it has missed.
 *
 * The stream is trimmed (MAXLEN) by those who write it. What is trimmed before it was delivered is
 * lost; the group's counters of Redis 7 tell how much. With Redis 6.2 there are no counters:
 * nothing is known then, and nothing is claimed.
 *
 * Loop thread only. SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITD_IO_LAG_H
#define AUDITD_IO_LAG_H

#include "common/os/redis.h"
#include "core/event.h"

struct lag {
    bool is_known;
    uint64_t undelivered;            /* entries of the stream, if is_known */
    uint64_t pending;                /* delivered, not acknowledged */
    uint64_t lost;                   /* trimmed undelivered since the last lag_settle() */
    char after[STREAM_ID_CAPACITY];  /* the last delivered entry before what was lost */
    char before[STREAM_ID_CAPACITY]; /* the first one there is after it; "-" = none */
};

/* Asks; the callback gives its reply to lag_read(). */
void lag_inspect(struct redis *redis, const char *stream, const char *group,
                 redis_callback *callback, void *data);
/* ERR_MALFORMED: not the reply of lag_inspect(). */
MUST_USE enum err lag_read(const redisReply *reply, struct lag *ret);
/* What was lost has been recorded: count it as read, so that it is not found again. */
void lag_settle(struct redis *redis, const char *stream, const char *group, const struct lag *lag,
                redis_callback *callback, void *data);

#endif
