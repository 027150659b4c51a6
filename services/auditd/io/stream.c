/* stream.c - the consumer of the audit stream.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "io/stream.h"

#include "common/os/audit_emitter.h"
#include "common/os/clock.h"
#include "common/os/log.h"
#include "io/lag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP "auditd"

enum phase { PHASE_GROUP, PHASE_PENDING, PHASE_CLAIM, PHASE_FRESH };
enum outcome { OUTCOME_STORED, OUTCOME_REPEATED, OUTCOME_REJECTED, OUTCOME_COUNT };

static const char *outcome_name(unsigned index)
{
    static const char *const names[] = { "stored", "repeated", "rejected" };
    return names[index];
}

struct stream {
    struct stream_options options;
    uv_timer_t retry;
    bool is_timer_open;
    enum phase phase;
    bool is_busy; /* a command is in flight */
    bool is_stopping;
    char claim_cursor[STREAM_ID_CAPACITY];
    usec claim_due;
    usec lag_due;
    struct lag lag; /* being recorded */
    /* the batch in work */
    struct event events[BATCH_EVENTS_MAX];
    size_t event_count;
    char ids[BATCH_EVENTS_MAX][STREAM_ID_CAPACITY];
    size_t id_count;
    uint64_t counts[OUTCOME_COUNT];
    uint64_t lost_count; /* of the rejected ones: delivered before, but trimmed since */
    struct metric_counter *outcomes[OUTCOME_COUNT];
    struct metric_counter *records;
    uint64_t records_counted;
    struct metric_gauge *undelivered;
    struct metric_gauge *pending;
    struct metric_counter *lost;
    struct metric_histogram *append_seconds;
};

static void next(struct stream *s);

static void free_if_idle(struct stream *s)
{
    if (s->is_stopping && !s->is_busy && !s->is_timer_open)
        free(s);
}

static void on_retry(uv_timer_t *timer)
{
    next(timer->data);
}

static void retry_later(struct stream *s, enum phase phase)
{
    s->phase = phase;
    if (!s->is_stopping)
        uv_timer_start(&s->retry, on_retry, RETRY_INTERVAL / USEC_PER_MS, 0);
}

static const char *consumer(const struct stream *s)
{
    return journal_chain(s->options.journal)->id;
}

/* A command has been answered. False: there is nothing to read in the answer; what comes next has
 * been arranged. */
static bool answered(struct stream *s, enum err err, const redisReply *reply)
{
    s->is_busy = false;
    if (s->is_stopping) {
        free_if_idle(s);
        return false;
    }
    if (err == OK)
        return true;
    const char *text = reply == NULL || reply->str == NULL ? "" : reply->str;
    if (err == ERR_MALFORMED && strncmp(text, "BUSYGROUP", 9) == 0)
        return true;
    if (err == ERR_MALFORMED && strncmp(text, "NOGROUP", 7) != 0)
        log_error("stream.refused", KV_STR("reply", text));
    retry_later(s, PHASE_GROUP);
    return false;
}

/* The batch */

static void batch_clear(struct stream *s)
{
    for (size_t i = 0; i < s->event_count; i++)
        event_clear(&s->events[i]);
    s->event_count = 0;
    s->id_count = 0;
    s->lost_count = 0;
    memset(s->counts, 0, sizeof(s->counts));
}

static bool batch_has(const struct stream *s, const char *id)
{
    for (size_t i = 0; i < s->event_count; i++)
        if (strcmp(s->events[i].id, id) == 0)
            return true;
    return journal_has(s->options.journal, id);
}

/* fields: [ "e", json ], or something else if it was trimmed away before it was read. */
static void entry_add(struct stream *s, const char *id, const redisReply *fields)
{
    if (id == NULL || s->id_count == BATCH_EVENTS_MAX)
        return;
    snprintf(s->ids[s->id_count], STREAM_ID_CAPACITY, "%s", id);
    bool is_there = fields != NULL && fields->type == REDIS_REPLY_ARRAY;
    struct bytes raw = { 0 };
    if (is_there)
        raw = redis_reply_field(fields, "e");
    struct event event = { 0 };
    const char *why = is_there ? "no field e" : "trimmed";
    enum outcome outcome = OUTCOME_STORED;
    if (raw.len == 0 || event_parse(raw, &event, &why) != OK) {
        outcome = OUTCOME_REJECTED;
        log_warn("event.rejected", KV_STR("stream_id", id), KV_STR("why", why));
        if (event_reject(id, raw, why, s->options.instance, clock_wall(), &event) != OK)
            return; /* no memory: it stays pending */
    }
    s->id_count++;
    if (batch_has(s, event.id)) {
        s->counts[OUTCOME_REPEATED]++;
        event_clear(&event);
        return;
    }
    s->counts[outcome]++;
    s->lost_count += is_there ? 0 : 1;
    s->events[s->event_count++] = event;
}

/* entry: [ id, fields ] */
static void entry_take(struct stream *s, const redisReply *entry)
{
    if (entry->type == REDIS_REPLY_ARRAY && entry->elements == 2)
        entry_add(s, redis_reply_text(entry->element[0]), entry->element[1]);
}

static void on_acked(enum err err, const redisReply *reply, void *data)
{
    struct stream *s = data;
    if (answered(s, err, reply))
        next(s);
}

static void batch_ack(struct stream *s)
{
    struct bytes args[3 + BATCH_EVENTS_MAX] = { REDIS_ARG("XACK"), REDIS_ARG(AUDIT_STREAM),
                                                REDIS_ARG(GROUP) };
    for (size_t i = 0; i < s->id_count; i++)
        args[3 + i] = bytes_of_str(s->ids[i]);
    s->is_busy = true;
    redis_command(s->options.redis, args, 3 + s->id_count, on_acked, s);
}

static void records_count(struct stream *s)
{
    uint64_t seq = journal_chain(s->options.journal)->seq;
    metric_add(s->records, seq - s->records_counted);
    s->records_counted = seq;
}

/* Stores the batch, then acknowledges it. */
static void batch_store(struct stream *s)
{
    usec begun = clock_now();
    if (s->event_count > 0 &&
        journal_append(s->options.journal, s->events, s->event_count, clock_wall()) != OK) {
        log_error("journal.failed", KV_STR("why", strerror(errno)));
        batch_clear(s);
        retry_later(s, PHASE_PENDING);
        return;
    }
    if (s->event_count > 0)
        metric_observe(s->append_seconds, (double)(clock_now() - begun) / 1e6);
    for (size_t i = 0; i < OUTCOME_COUNT; i++)
        metric_add(s->outcomes[i], s->counts[i]);
    metric_add(s->lost, s->lost_count);
    records_count(s);
    if (s->id_count > 0)
        batch_ack(s);
    else
        next(s);
    batch_clear(s);
}

static void entries_take(struct stream *s, const redisReply *entries)
{
    if (entries->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i < entries->elements; i++)
        entry_take(s, entries->element[i]);
}

/* The phases */

static void on_group(enum err err, const redisReply *reply, void *data)
{
    struct stream *s = data;
    if (!answered(s, err, reply))
        return;
    log_info("stream.joined", KV_STR("group", GROUP), KV_STR("consumer", consumer(s)));
    s->phase = PHASE_PENDING;
    next(s);
}

/* reply: [ [ stream, [ entry, … ] ] ], or nil when nothing came in time */
static void on_read(enum err err, const redisReply *reply, void *data)
{
    struct stream *s = data;
    if (!answered(s, err, reply))
        return;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
        reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements == 2)
        entries_take(s, reply->element[0]->element[1]);
    if (s->id_count == 0 && s->phase == PHASE_PENDING)
        s->phase = PHASE_CLAIM;
    batch_store(s);
}

/* reply: [ next cursor, [ entry, … ], [ trimmed id, … ] ] */
static void on_claimed(enum err err, const redisReply *reply, void *data)
{
    struct stream *s = data;
    if (!answered(s, err, reply))
        return;
    const char *cursor = NULL;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2) {
        cursor = redis_reply_text(reply->element[0]);
        entries_take(s, reply->element[1]);
        if (reply->elements >= 3 && reply->element[2]->type == REDIS_REPLY_ARRAY)
            for (size_t i = 0; i < reply->element[2]->elements; i++)
                entry_add(s, redis_reply_text(reply->element[2]->element[i]), NULL);
    }
    snprintf(s->claim_cursor, sizeof(s->claim_cursor), "%s", cursor == NULL ? "0-0" : cursor);
    if (strcmp(s->claim_cursor, "0-0") == 0) {
        s->phase = PHASE_FRESH;
        s->claim_due = clock_now() + CLAIM_INTERVAL;
    }
    batch_store(s);
}

/* The lag, between the phases */

static void on_settled(enum err err, const redisReply *reply, void *data)
{
    struct stream *s = data;
    if (answered(s, err, reply))
        next(s);
}

/* False: not written, try again later. */
static bool gap_record(struct stream *s)
{
    const struct lag *lag = &s->lag;
    struct event event = { 0 };
    enum err err =
        event_gap(lag->after, lag->before, lag->lost, s->options.instance, clock_wall(), &event);
    bool is_new = err == OK && !journal_has(s->options.journal, event.id);
    if (is_new)
        err = journal_append(s->options.journal, &event, 1, clock_wall());
    event_clear(&event);
    if (err != OK) {
        log_error("journal.failed", KV_STR("why", strerror(errno)));
        return false;
    }
    if (is_new) {
        log_warn("events.lost", KV_U64("count", lag->lost), KV_STR("after", lag->after),
                 KV_STR("before", lag->before));
        metric_add(s->lost, lag->lost);
        records_count(s);
    }
    return true;
}

/* An answer that cannot be read is no reason to stop reading events. */
static void on_inspected(enum err err, const redisReply *reply, void *data)
{
    struct stream *s = data;
    bool is_refused = err == ERR_MALFORMED && reply != NULL && reply->str != NULL &&
                      strncmp(reply->str, "NOGROUP", 7) != 0;
    s->lag_due = clock_now() + LAG_INTERVAL;
    if (is_refused)
        log_warn("lag.unknown", KV_STR("why", reply->str));
    if (!answered(s, is_refused ? OK : err, reply))
        return;
    if (is_refused || lag_read(reply, &s->lag) != OK) {
        next(s);
        return;
    }
    metric_set(s->pending, (double)s->lag.pending);
    if (s->lag.is_known)
        metric_set(s->undelivered, (double)s->lag.undelivered);
    if (s->lag.lost == 0) {
        next(s);
    } else if (gap_record(s)) {
        s->is_busy = true;
        lag_settle(s->options.redis, AUDIT_STREAM, GROUP, &s->lag, on_settled, s);
    } else {
        s->lag_due = 0;
        retry_later(s, s->phase);
    }
}

static void group_make(struct stream *s)
{
    snprintf(s->claim_cursor, sizeof(s->claim_cursor), "0-0");
    redis_commandv(s->options.redis, on_group, s, "XGROUP", "CREATE", AUDIT_STREAM, GROUP, "0",
                   "MKSTREAM", NULL);
}

static void pending_read(struct stream *s)
{
    char count[16];
    snprintf(count, sizeof(count), "%d", BATCH_EVENTS_MAX);
    redis_commandv(s->options.redis, on_read, s, "XREADGROUP", "GROUP", GROUP, consumer(s), "COUNT",
                   count, "STREAMS", AUDIT_STREAM, "0", NULL);
}

static void claim(struct stream *s)
{
    char idle[24], count[16];
    snprintf(idle, sizeof(idle), "%" PRId64, CLAIM_IDLE / USEC_PER_MS);
    snprintf(count, sizeof(count), "%d", BATCH_EVENTS_MAX);
    redis_commandv(s->options.redis, on_claimed, s, "XAUTOCLAIM", AUDIT_STREAM, GROUP, consumer(s),
                   idle, s->claim_cursor, "COUNT", count, NULL);
}

static void fresh_read(struct stream *s)
{
    char block[24], count[16];
    snprintf(block, sizeof(block), "%" PRId64, READ_BLOCK / USEC_PER_MS);
    snprintf(count, sizeof(count), "%d", BATCH_EVENTS_MAX);
    const struct bytes args[] = { REDIS_ARG("XREADGROUP"), REDIS_ARG("GROUP"),
                                  REDIS_ARG(GROUP),        bytes_of_str(consumer(s)),
                                  REDIS_ARG("COUNT"),      bytes_of_str(count),
                                  REDIS_ARG("BLOCK"),      bytes_of_str(block),
                                  REDIS_ARG("STREAMS"),    REDIS_ARG(AUDIT_STREAM),
                                  REDIS_ARG(">") };
    redis_command_within(s->options.redis, READ_BLOCK + SECONDS(2), args, ARRAY_LEN(args), on_read,
                         s);
}

static void next(struct stream *s)
{
    if (s->is_stopping || s->is_busy || !redis_is_connected(s->options.redis))
        return;
    uv_timer_stop(&s->retry);
    if (s->phase == PHASE_FRESH && clock_now() >= s->claim_due)
        s->phase = PHASE_CLAIM;
    s->is_busy = true;
    if (s->phase != PHASE_GROUP && clock_now() >= s->lag_due) {
        lag_inspect(s->options.redis, AUDIT_STREAM, GROUP, on_inspected, s);
        return;
    }
    switch (s->phase) {
    case PHASE_GROUP:
        group_make(s);
        break;
    case PHASE_PENDING:
        pending_read(s);
        break;
    case PHASE_CLAIM:
        claim(s);
        break;
    case PHASE_FRESH:
        fresh_read(s);
        break;
    }
}

struct stream *stream_start(uv_loop_t *loop, const struct stream_options *options)
{
    struct stream *s = calloc(1, sizeof(*s));
    check(s != NULL);
    s->options = *options;
    metrics_counters(options->metrics, "auditd_events_total", "Entries of the audit stream.",
                     "result", outcome_name, OUTCOME_COUNT, s->outcomes);
    s->records = metrics_counter(options->metrics, "auditd_records_total",
                                 "Records of the chain, since it began.", NULL);
    s->undelivered = metrics_gauge(options->metrics, "auditd_stream_undelivered",
                                   "Entries of the audit stream that nobody has read yet.", NULL);
    s->pending = metrics_gauge(options->metrics, "auditd_stream_pending",
                               "Entries that were read and are not acknowledged.", NULL);
    s->lost = metrics_counter(options->metrics, "auditd_events_lost_total",
                              "Entries that were trimmed before they were stored.", NULL);
    s->append_seconds = metrics_histogram(options->metrics, "auditd_append_seconds",
                                          "Time to write a batch and fdatasync it.", NULL,
                                          METRIC_SECONDS_BOUNDS, METRIC_SECONDS_BOUND_COUNT);
    check(uv_timer_init(loop, &s->retry) == 0);
    s->retry.data = s;
    s->is_timer_open = true;
    records_count(s);
    next(s);
    return s;
}

void stream_on_connected(struct stream *s)
{
    if (s->is_busy)
        return; /* its callback goes on */
    s->phase = PHASE_GROUP;
    s->lag_due = 0;
    next(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    s->is_timer_open = false;
    free_if_idle(s);
}

void stream_stop(struct stream *s)
{
    s->is_stopping = true;
    uv_close((uv_handle_t *)&s->retry, on_timer_closed);
}
