/* stats.h - /metrics of the media threads: their counters, read at scrape.
 *
 * Loop thread only.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef SFUD_IO_STATS_H
#define SFUD_IO_STATS_H

#include "io/thread.h"

struct stats;

/* Before the threads start: declares what they observe. NULL without memory. */
struct stats *stats_new(struct metrics *metrics, size_t worker_count);
void stats_free(struct stats *s);

/* The series of one worker, for its thread_config. */
struct thread_histograms stats_histograms(const struct stats *s, size_t worker);
/* After start, and NULL again before the thread is stopped. */
void stats_set_thread(struct stats *s, size_t worker, struct media_thread *t);
/* How long handshakes take, from their first datagram on. */
struct metric_histogram *stats_handshake_seconds(const struct stats *s);
/* After start, and NULL again before the association thread is stopped. */
void stats_set_associations(struct stats *s, const struct associations_stats *associations);
/* Share of the last second, written by control. */
void stats_set_load(struct stats *s, size_t worker, double load);

#endif
