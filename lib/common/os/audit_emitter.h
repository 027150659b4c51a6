/* audit_emitter.h - sends audit events to the stream that auditd consumes (XADD cc:audit … e
 * <json>).
 *
 * At least once, in order: an event leaves the buffer when Redis has confirmed it; after an unclear
 * answer it is sent again with the same id (auditd drops duplicates by id). While Redis is away
 * events wait in memory; beyond the capacity the newest is dropped and counted, so that what is
 * kept has no hole. The record is typed and has its own schema; it is never derived from logs:
 *
 *   {"id":"<uuid7>","time":"2026-08-21T10:11:12.123456Z","type":"room.joined","service":"signald",
 *    "instance":"signald_…","actor":{"kind":"user","id":"u_…","name":"…"},"org":"…","room":"…",
 *    "address":"192.0.2.7","meta":{…}}
 *
 * Absent texts are left out (actor always has a kind). Loop thread only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_OS_AUDIT_EMITTER_H
#define COMMON_OS_AUDIT_EMITTER_H

#include "common/base.h"
#include "common/os/metrics.h"
#include "common/os/redis.h"

#include <jansson.h>
#include <uv.h>

#define AUDIT_STREAM         "cc:audit"
#define AUDIT_BUFFER_DEFAULT 10000
#define AUDIT_EVENT_MAX      (16 * 1024)

struct audit_emitter;

struct audit_options {
    struct redis
        *redis;           /* borrowed; must outlive the emitter. The owner forwards its on_state to
                           * audit_emitter_on_redis_state(); without that a retry each second works too */
    const char *service;  /* "signald"; borrowed */
    const char *instance; /* borrowed */
    size_t capacity;      /* events; 0 = AUDIT_BUFFER_DEFAULT */
    const char *stream;   /* NULL = AUDIT_STREAM; borrowed */
    /* Optional: <service>_audit_events_total{result="emitted"|"dropped"}, <service>_audit_buffered.
     */
    struct metrics *metrics;
};

/* All texts borrowed for the call; NULL = absent, except type and actor_kind. */
struct audit_event {
    const char *type;       /* "login.succeeded": noun.past-verb */
    const char *actor_kind; /* "user", "guest", "service", "anonymous" */
    const char *actor_id;
    const char *actor_name;
    const char *org;
    const char *room;
    const char *address;
    json_t *meta; /* an object; a reference is taken over; NULL = absent */
};

MUST_USE enum err audit_emitter_new(uv_loop_t *loop, const struct audit_options *options,
                                    struct audit_emitter **ret);

/* Takes the event: OK. Otherwise it is dropped, counted and logged (audit.dropped) here:
 * ERR_FULL (buffer full, or larger than AUDIT_EVENT_MAX), ERR_MALFORMED (a text was not UTF-8). The
 * caller may refuse the action that could not be recorded. */
enum err audit_emit(struct audit_emitter *a, const struct audit_event *event);

void audit_emitter_on_redis_state(struct audit_emitter *a, bool is_connected);
/* Waiting or unconfirmed. */
size_t audit_emitter_pending(const struct audit_emitter *a);
uint64_t audit_emitter_dropped(const struct audit_emitter *a);

/* Calls on_flushed (from the loop) when nothing is pending, or at the deadline with what is left.
 */
void audit_emitter_flush(struct audit_emitter *a, usec timeout,
                         void (*on_flushed)(size_t left, void *data), void *data);
/* Forgets what is pending. Frees when the loop has closed the handles. NULL is fine. */
void audit_emitter_free(struct audit_emitter *a);

#endif
